import Database from "better-sqlite3"

/** What all caches are put in front of: texts in SQLite, by hand, which may be made to wait before it answers. */
export interface Store {
  readonly get: (key: string) => string
  readonly put: (key: string, text: string) => void
  readonly close: () => void
  /** How often it was read. */
  reads: number
  /** What a read waits for once it has the answer. */
  gate: Promise<void> | undefined
}

const rows = 1_000

/** Any key is one of a thousand rows, so that there is always another key that no cache has seen. */
const rowOf = (key: string): number => Number(key.slice(key.lastIndexOf("-") + 1)) % rows

export const openStore = (make: (i: number) => string): Store => {
  const db = new Database(":memory:")
  db.exec("CREATE TABLE state (id INTEGER PRIMARY KEY, state TEXT NOT NULL) STRICT")
  const select = db.prepare<[number], string>("SELECT state FROM state WHERE id = ?").pluck()
  const upsert = db.prepare("INSERT INTO state VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET state = excluded.state")
  const store: Store = {
    reads: 0,
    gate: undefined,
    get: (key) => {
      store.reads++
      return select.get(rowOf(key)) ?? ""
    },
    put: (key, text) => {
      upsert.run(rowOf(key), text)
    },
    close: () => {
      db.close()
    }
  }
  for (let i = 0; i < rows; i++) store.put(`-${i}`, make(i))
  return store
}
