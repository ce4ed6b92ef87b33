/** What every connection sets and reads back. Free of Effect: the worker has a connection of its own. */
import { statSync } from "node:fs"
import type Database from "better-sqlite3"
import type { WorkerOptions } from "./protocol.ts"

/** How a commit becomes durable. */
export type Synchronous = "full" | "normal"

/** A setting that did not take. */
export class NotSet {
  readonly reason: string

  constructor(reason: string) {
    this.reason = reason
  }
}

/** Tells files of one name apart. Empty for what is none. */
export const inodeOf = (file: string): string => {
  const stat = file === ":memory:" ? undefined : statSync(file, { bigint: true, throwIfNoEntry: false })
  return stat === undefined ? "" : `${stat.dev}:${stat.ino}`
}

/** Throws `NotSet` when a pragma is not what it should be. */
export const expectPragma = (db: Database.Database, name: string, expected: string | number): void => {
  const actual = db.pragma(name, { simple: true })
  if (actual !== expected) throw new NotSet(`SQLite answers ${name}=${String(actual)} where ${expected} was set`)
}

/** Nothing waits for locks inside SQLite, which would block the thread, and nothing checkpoints by itself. */
export const configure = (db: Database.Database, synchronous: Synchronous): void => {
  // better-sqlite3 is compiled so that WAL runs at NORMAL unless told otherwise.
  db.pragma(`synchronous = ${synchronous}`)
  db.pragma("foreign_keys = ON")
  db.pragma("wal_autocheckpoint = 0")
  expectPragma(db, "synchronous", synchronous === "full" ? 2 : 1)
  expectPragma(db, "foreign_keys", 1)
  expectPragma(db, "busy_timeout", 0)
  expectPragma(db, "wal_autocheckpoint", 0)
}

/** Opens a database file once more. Throws where there is another one in its place by now. */
export const openAgain = (
  Sqlite: typeof Database,
  { file, inode, isReadonly, synchronous }: WorkerOptions
): Database.Database => {
  const db = new Sqlite(file, { readonly: isReadonly, fileMustExist: true, timeout: 0 })
  try {
    if (inodeOf(file) !== inode) throw new Error("there is another file in the place of the database")
    configure(db, synchronous)
    return db
  } catch (error) {
    db.close()
    throw error
  }
}
