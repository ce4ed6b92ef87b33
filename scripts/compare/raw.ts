import Database from "better-sqlite3"

/** A row for each key. Synchronous. */
export interface Raw {
  readonly save: (key: string, state: unknown) => void
  readonly load: (key: string) => unknown
  readonly close: () => void
}

/** What all are compared with: better-sqlite3 by hand, a row a transaction, each synced. */
export const openRaw = (file: string): Raw => {
  const db = new Database(file)
  db.pragma("journal_mode = WAL")
  db.pragma("synchronous = FULL")
  db.exec("CREATE TABLE state (key TEXT PRIMARY KEY, revision INTEGER NOT NULL, state TEXT NOT NULL) STRICT")
  const get = db.prepare<[string], string>("SELECT state FROM state WHERE key = ?").pluck()
  const put = db.prepare<[string, string]>(
    "INSERT INTO state VALUES (?, 1, ?) ON CONFLICT DO UPDATE SET revision = revision + 1, state = excluded.state"
  )
  return {
    save: (key, state) => {
      put.run(key, JSON.stringify(state))
    },
    load: (key) => JSON.parse(get.get(key) ?? "null"),
    close: () => {
      db.close()
    }
  }
}
