import { resolve } from "node:path"
import type Database from "better-sqlite3"
import { Effect, Exit } from "effect"
import { StateCorrupt, StorageUnavailable } from "../../StateError.ts"
import { Connection } from "./connection.ts"
import { isBusy, readFailure, resultCode } from "./errors.ts"
import { inspect, notAsMade, type Refusal, refusal, setUp } from "./schema.ts"
import { configure, expectPragma, NotSet, type Synchronous } from "./settings.ts"
import { pause } from "./waiting.ts"

/** Why a database cannot be opened. */
export type OpenError = StorageUnavailable | StateCorrupt

/** What is opened, and how. */
export interface Opening {
  readonly filename: string
  readonly isReadonly: boolean
  readonly synchronous: Synchronous
  /** In milliseconds. */
  readonly busyTimeout: number
}

const where = { agent: "SqliteDriver" } as const

/** An error of opening. */
export const unavailable = (reason: string, cause?: unknown): StorageUnavailable =>
  new StorageUnavailable({ ...where, operation: "open", reason, retryable: false, cause })

/** The error for a better-sqlite3 that is not there, or that does not run here. */
export const notLoaded = (cause: unknown): StorageUnavailable => {
  const isMissing = cause instanceof Error && "code" in cause && cause.code === "ERR_MODULE_NOT_FOUND"
  return unavailable(
    isMissing
      ? 'the package "better-sqlite3" is not installed; run `npm install better-sqlite3`'
      : 'the package "better-sqlite3" is installed but does not load; install it again for this platform and Node',
    cause
  )
}

/** Checks, sets up and opens a database. Waits for the locks of others; leaves nothing open when it fails. */
export const open = (Sqlite: typeof Database, options: Opening): Effect.Effect<Connection, OpenError> => {
  const isMemory = options.filename === ":memory:"
  const file = isMemory ? options.filename : resolve(options.filename)
  // The binding would cut these off and open another file.
  if (file.includes("\0") || file !== file.trimEnd())
    return Exit.fail(unavailable("the file name holds a NUL character or ends in white space"))
  if (isMemory && options.isReadonly) return Exit.fail(unavailable("a database in memory cannot be read-only"))

  return Effect.suspend(() => {
    const deadline = performance.now() + options.busyTimeout
    const attempt = (): Effect.Effect<Connection, OpenError> => {
      try {
        return Exit.succeed(openNow(Sqlite, file, options))
      } catch (error) {
        if (isBusy(error) && performance.now() < deadline) return Effect.flatMap(pause, attempt)
        return Exit.fail(toOpenError(error, file))
      }
    }
    return attempt()
  })
}

const openNow = (Sqlite: typeof Database, file: string, { filename, isReadonly, synchronous }: Opening): Connection => {
  const isMemory = filename === ":memory:"
  const refused = isMemory ? undefined : look(Sqlite, file, isReadonly)
  if (refused !== undefined) throw toError(file, refused)
  const db = new Sqlite(file, { readonly: isReadonly, timeout: 0 })
  try {
    configure(db, synchronous)
    const foreign = isReadonly ? undefined : setUp(db)
    if (foreign !== undefined) throw toError(file, foreign)
    // Before anything is changed, since it is the statements that find out whether the tables are ours.
    const connection = connect(db, file)
    if (!isMemory) useWriteAheadLog(db, isReadonly)
    if (!isMemory && !isReadonly) syncLog(Sqlite, db)
    return connection
  } catch (error) {
    db.close()
    throw error
  }
}

const toError = (file: string, { kind, reason }: Refusal): OpenError =>
  kind === "missing" ? unavailable(`${file}: ${reason}`) : new StateCorrupt({ ...where, location: file, reason })

const toOpenError = (error: unknown, file: string): OpenError => {
  if (error instanceof StateCorrupt || error instanceof StorageUnavailable) return error
  if (error instanceof NotSet) return unavailable(`${file}: ${error.reason}`)
  if (resultCode(error) !== undefined) {
    const failure = readFailure(error, file)
    if (failure._tag === "Unavailable") return new StorageUnavailable({ ...where, operation: "open", ...failure })
    if (failure._tag === "Corrupt") return new StateCorrupt({ ...where, ...failure })
  }
  // From the operating system, or else from loading the native part of better-sqlite3.
  return error instanceof Error && "syscall" in error && "code" in error
    ? unavailable(`${file}: the operating system refuses access (${String(error.code)})`, error)
    : notLoaded(error)
}

/** Decides whether the file is ours through a connection that cannot write, so that any other file stays as it is. */
const look = (Sqlite: typeof Database, file: string, isReadonly: boolean): Refusal | undefined => {
  const found = inspect(file, isReadonly)
  if (found === "absent") return undefined
  if (found !== "present") return found
  let db: Database.Database | undefined
  try {
    db = new Sqlite(file, { readonly: true, fileMustExist: true, timeout: 0 })
    return refusal(db, isReadonly)
  } catch (error) {
    // A writer died half way, and only a connection that may write can clean up behind it. `setUp` looks again.
    if (!isReadonly && resultCode(error)?.startsWith("SQLITE_READONLY_")) return undefined
    throw error
  } finally {
    db?.close()
  }
}

const useWriteAheadLog = (db: Database.Database, isReadonly: boolean): void => {
  if (!isReadonly) db.pragma("journal_mode = WAL")
  expectPragma(db, "journal_mode", "wal")
}

/**
 * A writer that was killed may have left commits in the log that nobody has synced. A checkpoint syncs the log before it
 * copies it, so that no state is served here that a power cut could still take back.
 */
const syncLog = (Sqlite: typeof Database, db: Database.Database): void => {
  // 1 while another connection is at it, which has to be through first.
  if (db.prepare("PRAGMA wal_checkpoint(PASSIVE)").pluck().get() === 1)
    throw new Sqlite.SqliteError("another connection checkpoints", "SQLITE_BUSY")
}

const connect = (db: Database.Database, file: string): Connection => {
  try {
    return new Connection(db, file)
  } catch (error) {
    if (resultCode(error) !== "SQLITE_ERROR") throw error
    throw toError(file, notAsMade)
  }
}
