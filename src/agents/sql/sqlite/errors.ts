import type { Where } from "../../internal/stateRegister.ts"
import { StateCorrupt, StateInvalid, StorageUnavailable, WriteIndeterminate } from "../../StateError.ts"

/** A COMMIT that failed, as opposed to a statement before it. */
export class CommitFailed {
  readonly error: unknown

  constructor(error: unknown) {
    this.error = error
  }
}

/** What was being done, where. */
export interface Place {
  readonly where: Where
  readonly file: string
  /** As in `StorageUnavailable`: `read`, `write`, `delete`, ... */
  readonly operation: string
}

/** SQLite's result code of an error, extended ones included (`SQLITE_IOERR_FSYNC`); none for an error of another kind. */
export const resultCode = (error: unknown): string | undefined =>
  error instanceof Error && "code" in error && typeof error.code === "string" && error.code.startsWith("SQLITE_")
    ? error.code
    : undefined

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

const primary = (code: string): string => code.split("_", 2).join("_")

/** What an agent says about an error of SQLite while reading. An error of another kind is a defect, and thrown on. */
export const readError = (error: unknown, { file, operation, where }: Place): StorageUnavailable | StateCorrupt => {
  const code = resultCode(error)
  if (code === undefined) throw error
  const damaged = damage[primary(code)]
  if (damaged !== undefined) return new StateCorrupt({ ...where, location: file, reason: `${damaged} (${code})` })
  const { reason, retryable } = reasons[primary(code)] ?? { reason: "SQLite refused the statement", retryable: false }
  return new StorageUnavailable({
    ...where,
    operation,
    reason: `${file}: ${reason} (${code})`,
    retryable,
    cause: error
  })
}

/** The same while writing. */
export const writeError = (
  error: unknown,
  place: Place
): StorageUnavailable | StateCorrupt | StateInvalid | WriteIndeterminate => {
  const committing = error instanceof CommitFailed
  const cause = committing ? error.error : error
  const code = resultCode(cause)
  if (committing && code !== undefined && !commitDidNotHappen.has(primary(code)))
    return new WriteIndeterminate({ ...place.where, reason: `${place.file}: COMMIT failed (${code})`, cause })
  // The binding refuses what is over its own limit, SQLite what is over SQLITE_MAX_LENGTH.
  if (code === "SQLITE_TOOBIG" || cause instanceof RangeError)
    return new StateInvalid({ ...place.where, path: [], reason: "is larger than SQLite stores in one row (1 GB)" })
  return readError(cause, place)
}
