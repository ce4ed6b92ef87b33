import { resolve } from "node:path"
import type Database from "better-sqlite3"
import { Duration, Exit, Option } from "effect"
import { StateCorrupt, StorageUnavailable } from "../../StateError.ts"
import { Connection } from "./connection.ts"
import type { Options } from "./driver.ts"
import { readError, resultCode } from "./errors.ts"
import { examine, inspect, type Refusal, setUp } from "./schema.ts"

type OpenError = StorageUnavailable | StateCorrupt

const where = { agent: "SqliteDriver" } as const

const unavailable = (reason: string, cause?: unknown): StorageUnavailable =>
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

/** Checks, sets up and opens a database. Throws nothing, and leaves nothing open when it fails. */
export const open = (Sqlite: typeof Database, options: Options): Exit.Exit<Connection, OpenError> => {
  const { readonly = false, synchronous = "full" } = options
  const timeout = Option.map(Duration.fromInput(options.busyTimeout ?? "5 seconds"), (duration) =>
    Math.min(Math.ceil(Duration.toMillis(duration)), 2 ** 31 - 1)
  )
  if (Option.isNone(timeout)) return Exit.fail(unavailable("busyTimeout is not a duration"))
  const isMemory = options.filename === ":memory:"
  const file = isMemory ? options.filename : resolve(options.filename)
  // The binding would cut these off and open another file.
  if (file.includes("\0") || file !== file.trimEnd())
    return Exit.fail(unavailable("the file name holds a NUL character or ends in white space"))
  if (isMemory && readonly) return Exit.fail(unavailable("a database in memory cannot be read-only"))

  let db: Database.Database | undefined
  try {
    const refusal = isMemory ? undefined : look(Sqlite, file, readonly, timeout.value)
    if (refusal !== undefined) return Exit.fail(refused(file, refusal))
    db = new Sqlite(file, { readonly, timeout: timeout.value })
    configure(db, timeout.value, synchronous)
    const foreign = readonly ? undefined : setUp(db)
    if (foreign !== undefined) throw refused(file, foreign)
    // Before anything is changed, since it is the statements that find out whether the tables are ours.
    const connection = connect(db, file)
    if (!isMemory) useWriteAheadLog(db, readonly, timeout.value)
    return Exit.succeed(connection)
  } catch (error) {
    db?.close()
    return Exit.fail(toOpenError(error, file))
  }
}

const refused = (file: string, { kind, reason }: Refusal): OpenError =>
  kind === "missing" ? unavailable(`${file}: ${reason}`) : new StateCorrupt({ ...where, location: file, reason })

const toOpenError = (error: unknown, file: string): OpenError => {
  if (error instanceof StateCorrupt || error instanceof StorageUnavailable) return error
  if (resultCode(error) !== undefined) return readError(error, { where, file, operation: "open" })
  // From the operating system, or else from loading the native part of better-sqlite3.
  return error instanceof Error && "syscall" in error && "code" in error
    ? unavailable(`${file}: the operating system refuses access (${String(error.code)})`, error)
    : notLoaded(error)
}

/** Decides whether the file is ours through a connection that cannot write, so that any other file stays as it is. */
const look = (Sqlite: typeof Database, file: string, readonly: boolean, timeout: number): Refusal | undefined => {
  const found = inspect(file, readonly)
  if (found === "absent") return undefined
  if (found !== "present") return found
  let db: Database.Database | undefined
  try {
    db = new Sqlite(file, { readonly: true, fileMustExist: true, timeout })
    const marks = examine(db)
    if (marks !== "empty") return marks
    return readonly ? { kind: "missing", reason: "it is empty, and is to be opened read-only" } : undefined
  } catch (error) {
    // A writer died half way, and only a connection that may write can clean up behind it. `setUp` looks again.
    if (!readonly && resultCode(error)?.startsWith("SQLITE_READONLY_")) return undefined
    throw error
  } finally {
    db?.close()
  }
}

const expectPragma = (db: Database.Database, name: string, expected: string | number): void => {
  const actual = db.pragma(name, { simple: true })
  if (actual !== expected) throw unavailable(`SQLite answers ${name}=${String(actual)} where ${expected} was set`)
}

const configure = (db: Database.Database, timeout: number, synchronous: "full" | "normal"): void => {
  // better-sqlite3 is compiled so that WAL runs at NORMAL unless told otherwise.
  db.pragma(`synchronous = ${synchronous}`)
  db.pragma("foreign_keys = ON")
  expectPragma(db, "synchronous", synchronous === "full" ? 2 : 1)
  expectPragma(db, "foreign_keys", 1)
  expectPragma(db, "busy_timeout", timeout)
}

/** The switch to WAL is the one lock that SQLite does not wait for (it holds another meanwhile), so it is waited for here. */
const useWriteAheadLog = (db: Database.Database, readonly: boolean, timeout: number): void => {
  const deadline = performance.now() + timeout
  while (!readonly) {
    try {
      db.pragma("journal_mode = WAL")
      break
    } catch (error) {
      if (!resultCode(error)?.startsWith("SQLITE_BUSY") || performance.now() >= deadline) throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5)
    }
  }
  expectPragma(db, "journal_mode", "wal")
  // A writer that was killed may have left commits in the log that nobody has synced. A checkpoint syncs the log before it
  // copies it, so that no state is served here that a power cut could still take back.
  if (!readonly) db.pragma("wal_checkpoint(PASSIVE)")
}

const connect = (db: Database.Database, file: string): Connection => {
  try {
    return new Connection(db, file)
  } catch (error) {
    if (resultCode(error) !== "SQLITE_ERROR") throw error
    throw refused(file, { kind: "foreign", reason: "its tables are not as dgents makes them" })
  }
}
