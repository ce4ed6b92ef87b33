/** As much of sqlite3 as Keyv's adapter calls, over Node's own SQLite, so that nothing has to be compiled. */
import { DatabaseSync } from "node:sqlite"

const answer = (callback, result) => {
  let error = null
  let value
  try {
    value = result()
  } catch (thrown) {
    error = thrown
  }
  setImmediate(callback, error, value)
}

class Database {
  constructor(path, callback) {
    answer(callback, () => {
      this.database = new DatabaseSync(path)
    })
  }

  configure(_option, millis) {
    this.database.exec(`PRAGMA busy_timeout = ${millis}`)
  }

  all(sql, ...rest) {
    const callback = rest.pop()
    answer(callback, () => this.database.prepare(sql).all(...rest.flat()))
  }

  close(callback) {
    answer(callback, () => this.database.close())
  }
}

export default { Database }
