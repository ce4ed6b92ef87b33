import { statSync } from "node:fs"
import { dirname } from "node:path"
import type Database from "better-sqlite3"

/** Marks a database file as ours: "dgnt" in ASCII, as SQLite's `application_id`. */
export const applicationId = 0x64676e74

/** The version of the tables below, as SQLite's `user_version`. */
export const version = 1

/**
 * A rowid table each for states and history, since rows may hold megabytes. `state` is of type ANY, which keeps text as
 * TEXT and bytes as BLOB. `dgents_history` holds superseded states only; the current one is in `dgents_state`.
 * `dgents_floor` has the highest revision removed from each collection, so that no key starts again below it.
 */
const ddl = `
  CREATE TABLE dgents_state (
    collection TEXT NOT NULL,
    key TEXT NOT NULL,
    revision INTEGER NOT NULL,
    saved_at REAL NOT NULL,
    state ANY NOT NULL,
    PRIMARY KEY (collection, key)
  ) STRICT;
  CREATE TABLE dgents_history (
    collection TEXT NOT NULL,
    key TEXT NOT NULL,
    revision INTEGER NOT NULL,
    saved_at REAL NOT NULL,
    state ANY NOT NULL,
    PRIMARY KEY (collection, key, revision)
  ) STRICT;
  CREATE TABLE dgents_floor (
    collection TEXT NOT NULL PRIMARY KEY,
    revision INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  PRAGMA application_id = ${applicationId};
  PRAGMA user_version = ${version};
`

/** Why a file cannot be used: it is somebody else's or damaged (`foreign`), or it is not there (`missing`). */
export interface Refusal {
  readonly kind: "foreign" | "missing"
  readonly reason: string
}

const foreign = (reason: string): Refusal => ({ kind: "foreign", reason })
const missing = (reason: string): Refusal => ({ kind: "missing", reason })

const marks = (id: number, found: number): Refusal | undefined => {
  if (id !== applicationId) return foreign("it is the database of another program")
  if (found > version)
    return foreign(`its tables are of version ${found}, newer than the ${version} that this dgents knows`)
  return found === version ? undefined : foreign(`its tables say version ${found}, which no dgents has written`)
}

/**
 * What can be said of a file without opening it: why it cannot be used, whether there is a database to look at, or
 * whether one is to be made. The file must not be opened other than by SQLite: closing it again would drop the POSIX
 * locks of every connection that this process has to it (sqlite.org/howtocorrupt.html, 2.2).
 */
export const inspect = (file: string, readonly: boolean): Refusal | "present" | "absent" => {
  const stat = statSync(file, { throwIfNoEntry: false })
  if (stat !== undefined && !stat.isFile()) return missing("it is not a file")
  if (stat !== undefined && stat.size > 0) return "present"
  if (readonly) return missing("there is no database yet, and it is to be opened read-only")
  if (statSync(dirname(file), { throwIfNoEntry: false })?.isDirectory() !== true)
    return missing("its directory does not exist; create it first")
  return "absent"
}

/** Looks at a database without writing, in one snapshot: another process may be setting it up. */
export const examine = (db: Database.Database): Refusal | "empty" | undefined =>
  db.transaction(() => {
    const id = Number(db.pragma("application_id", { simple: true }))
    const found = Number(db.pragma("user_version", { simple: true }))
    const isEmpty = db.prepare("SELECT 1 FROM sqlite_schema LIMIT 1").get() === undefined
    if (id !== 0 || found !== 0 || !isEmpty) return marks(id, found)
    return db.pragma("encoding", { simple: true }) === "UTF-8" ? "empty" : foreign("its text encoding is not UTF-8")
  })()

/** Creates the tables in an empty database, once even when several processes start together. Checks those of any other. */
export const setUp = (db: Database.Database): Refusal | undefined => {
  const before = examine(db)
  if (before !== "empty") return before
  return db
    .transaction(() => {
      const now = examine(db)
      if (now !== "empty") return now
      db.exec(ddl)
      return undefined
    })
    .immediate()
}
