/** As much of better-sqlite3 as LangGraph's saver calls, over Node's own SQLite, so that nothing has to be compiled. */
import { DatabaseSync } from "node:sqlite"

// better-sqlite3 binds undefined as NULL; node:sqlite refuses it.
const bound = (values) => values.map((value) => value ?? null)

export default class Database extends DatabaseSync {
  pragma(text) {
    return super.prepare(`PRAGMA ${text}`).all()
  }

  prepare(sql) {
    const statement = super.prepare(sql)
    return {
      all: (...values) => statement.all(...bound(values)),
      get: (...values) => statement.get(...bound(values)),
      run: (...values) => statement.run(...bound(values))
    }
  }

  // Savepoints, as better-sqlite3 has them inside of a transaction; outside of one they are one.
  transaction(body) {
    return (...values) => {
      this.exec("SAVEPOINT body")
      try {
        const answer = body(...values)
        this.exec("RELEASE body")
        return answer
      } catch (error) {
        this.exec("ROLLBACK TO body")
        this.exec("RELEASE body")
        throw error
      }
    }
  }
}
