/** What SQLite's errors mean to an agent. Free of Effect, since the worker thread needs it too. */
import type { Failure } from "../Engine.ts"

/** A COMMIT that failed, as opposed to a statement before it. */
export class CommitFailed {
  readonly error: unknown

  constructor(error: unknown) {
    this.error = error
  }
}

/** A row that is not as dgents writes it. */
export class BadRow {
  readonly location: string
  readonly reason: string

  constructor(location: string, reason: string) {
    this.location = location
    this.reason = reason
  }
}

/** SQLite's result code of an error, extended ones included (`SQLITE_IOERR_FSYNC`); none for an error of another kind. */
export const resultCode = (error: unknown): string | undefined =>
  error instanceof Error && "code" in error && typeof error.code === "string" && error.code.startsWith("SQLITE_")
    ? error.code
    : undefined

/** Whether another connection holds a lock, so that the same may succeed in a moment. */
export const isBusy = (error: unknown): boolean => resultCode(error)?.startsWith("SQLITE_BUSY") === true

// By primary result code; see https://www.sqlite.org/rescode.html.
const reasons: Readonly<Record<string, { readonly reason: string; readonly retryable: boolean }>> = {
  SQLITE_BUSY: { reason: "another connection held its lock for longer than busyTimeout", retryable: true },
  SQLITE_LOCKED: { reason: "another connection held a table of it locked", retryable: true },
  SQLITE_PROTOCOL: { reason: "too many connections were opening it at once", retryable: true },
  SQLITE_NOMEM: { reason: "memory ran out", retryable: true },
  SQLITE_FULL: { reason: "the disk is full; free some space", retryable: false },
  SQLITE_IOERR: { reason: "the disk or file system reported an error", retryable: false },
  SQLITE_READONLY: {
    reason: "it is read-only; open it without `readonly` and let this user write the file and its directory",
    retryable: false
  },
  SQLITE_CANTOPEN: {
    reason: "it (or the -wal or -shm file beside it) cannot be opened; check that this user may write the directory",
    retryable: false
  },
  SQLITE_PERM: { reason: "access to it was denied", retryable: false }
}

const damage: Readonly<Record<string, string>> = {
  SQLITE_CORRUPT: "the database file is damaged",
  SQLITE_NOTADB: "the file is not a SQLite database"
}

// A failed COMMIT with one of these wrote no commit record. After any other one the record may be in the log, and a later
// recovery may find it.
const commitDidNotHappen: ReadonlySet<string> = new Set(["SQLITE_BUSY", "SQLITE_FULL", "SQLITE_READONLY"])

// What writing, syncing and indexing the log fails with.
const duringCommit: ReadonlySet<string> = new Set(["SQLITE_IOERR", "SQLITE_NOMEM"])

const primary = (code: string): string => code.split("_", 2).join("_")

/** The failure of something that reads. An error that is not of SQLite is a defect, and thrown on. */
export const readFailure = (error: unknown, file: string): Failure => {
  if (error instanceof BadRow) return { _tag: "Corrupt", location: error.location, reason: error.reason }
  const code = resultCode(error)
  if (code === undefined) throw error
  const damaged = damage[primary(code)]
  if (damaged !== undefined) return { _tag: "Corrupt", location: file, reason: `${damaged} (${code})` }
  const { reason, retryable } = reasons[primary(code)] ?? { reason: "SQLite refused the statement", retryable: false }
  return { _tag: "Unavailable", reason: `${file}: ${reason} (${code})`, retryable, cause: error }
}

/** The failure of what waited for a lock until its time was over. */
export const busyFailure = (file: string): Failure => ({
  _tag: "Unavailable",
  reason: `${file}: ${reasons["SQLITE_BUSY"]?.reason} (SQLITE_BUSY)`,
  retryable: true
})

/** Whether a write may have happened although it failed with this. */
export const mayHaveHappened = (error: unknown): boolean => {
  if (!(error instanceof CommitFailed)) return false
  const code = resultCode(error.error)
  return code !== undefined && !commitDidNotHappen.has(primary(code))
}

/** Whether a statement that commits by itself may have failed with this when it did so, and not before. */
export const mayBeOfCommit = (error: unknown): boolean => {
  const code = resultCode(error)
  return code !== undefined && duringCommit.has(primary(code))
}

/** The failure of something that writes. */
export const writeFailure = (error: unknown, file: string): Failure => {
  const cause = error instanceof CommitFailed ? error.error : error
  const code = resultCode(cause)
  if (mayHaveHappened(error)) return { _tag: "Indeterminate", reason: `${file}: COMMIT failed (${code})`, cause }
  // The binding refuses what is over its own limit, SQLite what is over SQLITE_MAX_LENGTH.
  if (code === "SQLITE_TOOBIG" || cause instanceof RangeError)
    return { _tag: "Invalid", reason: "is larger than SQLite stores in one row (1 GB)" }
  return readFailure(cause, file)
}
