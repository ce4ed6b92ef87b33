import { DatabaseSync } from "node:sqlite"
import type { Open, Settings } from "./subject.ts"

/** node:sqlite by hand: what one would write without a library. */
export const openNodeSqlite =
  (isOurs: boolean): Open =>
  async (file) => {
    const db = new DatabaseSync(file)
    if (isOurs) db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")
    db.exec("CREATE TABLE state (key TEXT PRIMARY KEY, revision INTEGER NOT NULL, state TEXT NOT NULL) STRICT")
    const get = db.prepare("SELECT state FROM state WHERE key = ?")
    const put = db.prepare(
      "INSERT INTO state VALUES (?, 1, ?) ON CONFLICT DO UPDATE SET revision = revision + 1, state = excluded.state"
    )
    const one = (sql: string): unknown => Object.values(db.prepare(sql).get() ?? {})[0]
    return {
      save: (key, state) => {
        put.run(key, JSON.stringify(state))
      },
      load: (key) => JSON.parse(String(get.get(key)?.["state"] ?? "null")),
      close: async (): Promise<Settings> => {
        const settings = {
          journal: String(one("PRAGMA journal_mode")),
          synchronous: Number(one("PRAGMA synchronous")),
          sqlite: String(one("SELECT sqlite_version()"))
        }
        db.close()
        return settings
      }
    }
  }
