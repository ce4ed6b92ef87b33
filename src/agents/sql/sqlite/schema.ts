import { statSync } from "node:fs"
import { dirname } from "node:path"
import type Database from "better-sqlite3"
import { resultCode } from "./errors.ts"
import { prepare } from "./statements.ts"

/** Marks a database file as ours: "dgnt" in ASCII, as SQLite's `application_id`. */
export const applicationId = 0x64676e74

/**
 * What makes the tables of each version from those of the one before; a new file goes through all of them. A step that was
 * released is never changed again.
 *
 * A rowid table each for states and history, since rows may hold megabytes. `state` is of type ANY, which keeps text as
 * TEXT and bytes as BLOB. `dgents_history` holds superseded states only; the current one is in `dgents_state`.
 * `dgents_floor` has the highest revision removed from each collection, so that no key starts again below it.
 *
 * `dgents_event` holds events by the number of their stream, which `dgents_stream` gives it for good. Those up to `compacted`
 * are gone; `at` is that of the last one. The last event of an append that has a name carries it, as `id`, and the first position.
 */
const steps: ReadonlyArray<string> = [
  `CREATE TABLE dgents_state (
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
   ) STRICT, WITHOUT ROWID;`,
  // `since`: the revision with which the life of the key began; of older rows nobody knows a delete before it. `patch`: 1
  // when the row holds the JSON Patch that makes its state from the one after it.
  `ALTER TABLE dgents_state ADD COLUMN since INTEGER NOT NULL DEFAULT 1;
   ALTER TABLE dgents_history ADD COLUMN patch INTEGER NOT NULL DEFAULT 0;`,
  `CREATE TABLE dgents_stream (
     stream INTEGER PRIMARY KEY,
     collection TEXT NOT NULL,
     key TEXT NOT NULL,
     last INTEGER NOT NULL,
     compacted INTEGER NOT NULL,
     at REAL NOT NULL,
     UNIQUE (collection, key)
   ) STRICT;
   CREATE TABLE dgents_event (
     stream INTEGER NOT NULL,
     position INTEGER NOT NULL,
     at REAL NOT NULL,
     type TEXT NOT NULL,
     data TEXT NOT NULL,
     id TEXT,
     first INTEGER,
     PRIMARY KEY (stream, position)
   ) STRICT;
   CREATE UNIQUE INDEX dgents_event_id ON dgents_event (stream, id) WHERE id IS NOT NULL;`
]

/** The version of the tables that this code works with, as SQLite's `user_version`. */
export const version = steps.length

/** Why a file cannot be used: it is somebody else's or damaged (`foreign`), or not there or not ready (`missing`). */
export interface Refusal {
  readonly kind: "foreign" | "missing"
  readonly reason: string
}

const foreign = (reason: string): Refusal => ({ kind: "foreign", reason })
const missing = (reason: string): Refusal => ({ kind: "missing", reason })

/** The version of tables that are ours. */
const marks = (id: number, found: number): Refusal | number => {
  if (id !== applicationId) return foreign("it is the database of another program")
  if (found > version)
    return foreign(
      `its tables are of version ${found}, newer than the ${version} that this dgents knows; use a newer dgents`
    )
  return found >= 1 ? found : foreign(`its tables say version ${found}, which no dgents has written`)
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

/**
 * Looks at a database without writing, in one snapshot: another process may be setting it up. Answers why it cannot be
 * used, or the version of its tables, which is 0 when there are none.
 */
const examine = (db: Database.Database): Refusal | number =>
  db.transaction(() => {
    const id = Number(db.pragma("application_id", { simple: true }))
    const found = Number(db.pragma("user_version", { simple: true }))
    const isEmpty = db.prepare("SELECT 1 FROM sqlite_schema LIMIT 1").get() === undefined
    if (id !== 0 || found !== 0 || !isEmpty) return marks(id, found)
    return db.pragma("encoding", { simple: true }) === "UTF-8" ? 0 : foreign("its text encoding is not UTF-8")
  })()

/** Why a database cannot be used, as far as that can be told without writing. */
export const refusal = (db: Database.Database, readonly: boolean): Refusal | undefined => {
  const found = examine(db)
  if (typeof found !== "number") return found
  if (!readonly || found === version) return undefined
  return found === 0
    ? missing("it is empty, and is to be opened read-only")
    : missing(
        `its tables are of version ${found}, and are to be opened read-only; open it once without \`readonly\`, which brings them to version ${version}`
      )
}

/**
 * Makes the tables, or brings them to this version, in one transaction: all of it or nothing, and once even when several
 * processes start together. Refuses what is not ours.
 */
export const setUp = (db: Database.Database): Refusal | undefined => {
  const before = examine(db)
  if (typeof before !== "number") return before
  if (before === version) return undefined
  const upgrade = db.transaction(() => {
    const found = examine(db)
    if (typeof found !== "number") return found
    for (const step of steps.slice(found)) db.exec(step)
    db.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${version}`)
    // Finds out whether the tables are as they should be before they are committed.
    prepare(db)
    return undefined
  })
  try {
    return upgrade.immediate()
  } catch (error) {
    if (before === 0 || resultCode(error) !== "SQLITE_ERROR") throw error
    return notAsMade
  }
}

/** Our marks on tables that are not ours. */
export const notAsMade: Refusal = foreign("its tables are not as dgents makes them")
