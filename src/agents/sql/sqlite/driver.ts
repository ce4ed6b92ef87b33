import type Database from "better-sqlite3"
import { Context, Duration, Effect, Layer, Option, type Scope } from "effect"
import type { Claims } from "../../Claims.ts"
import { readError } from "../../internal/failure.ts"
import { check, oneOf, optional, rule, text } from "../../internal/options.ts"
import type { ReadError, StateCorrupt, StorageUnavailable } from "../../StateError.ts"
import { fromEngine, SqlDriver, type SqlDriverService } from "../SqlDriver.ts"
import type { Connection } from "./connection.ts"
import * as Engine from "./engine.ts"
import type { Figures } from "./figures.ts"
import { figures, integrity } from "./health.ts"
import { notLoaded, type Opening, open, unavailable } from "./open.ts"
import { inodeOf, openAgain } from "./settings.ts"
import { Writer } from "./writer.ts"

/** Which database file, and how it is opened. */
export interface Options {
  /** A path, or `":memory:"` for a database that lives as long as the scope. The directory has to exist. */
  readonly filename: string
  /**
   * `"full"` (the default) syncs each commit to disk, and claims `power`. `"normal"` syncs at checkpoints only: some
   * times faster, a power cut may take the last commits, and the claim is `process`.
   */
  readonly synchronous?: "full" | "normal" | undefined
  /**
   * How long an operation waits while another connection, such as that of another process, has the lock; then it fails with
   * a `StorageUnavailable` that can be retried. Others run meanwhile. Default: 5 seconds.
   */
  readonly busyTimeout?: Duration.Input | undefined
  /** Opens an existing database for reading alone: every write fails. Default: false. */
  readonly readonly?: boolean | undefined
}

/** What holds for every state in such a database, the history apart. */
export const claims = (options: Pick<Options, "filename" | "synchronous">): Omit<Claims, "history"> => ({
  durability: options.filename === ":memory:" ? "volatile" : options.synchronous === "normal" ? "process" : "power",
  consistency: "linearizable",
  sharing: options.filename === ":memory:" ? "process" : "host"
})

/** A SQLite database, with what an operator asks of it. */
export interface SqliteDriverService extends SqlDriverService {
  /**
   * Reads the whole database and says what is wrong with it, in SQLite's words; nothing if it is sound. Runs in a thread of
   * its own where there is one: saves wait behind it, loads do not.
   */
  readonly integrity: Effect.Effect<ReadonlyArray<string>, ReadError>
  /** Sizes, and what was written since it was opened. */
  readonly figures: Effect.Effect<Figures, ReadError>
}

export type { Figures }

/** The same driver as `SqlDriver`, for who wants to know of its health. */
export class Service extends Context.Service<Service, SqliteDriverService>()("dgents/SqliteDriver") {}

const duration = rule('a duration such as "5 seconds"', (value) =>
  // Sound: it refuses what is none.
  Option.isSome(Duration.fromInput(value as Duration.Input))
)

const rules = {
  filename: text,
  synchronous: optional(oneOf("full", "normal")),
  busyTimeout: optional(duration),
  readonly: optional(rule("true or false", (value) => typeof value === "boolean"))
}

/**
 * Opens a SQLite database through better-sqlite3, which is loaded here and nowhere else, and closes it with the scope.
 * A new file is set up; a file of another program, or of a newer dgents, is refused and left as it is.
 */
export const make = (
  options: Options
): Effect.Effect<SqliteDriverService, StorageUnavailable | StateCorrupt, Scope.Scope> =>
  Effect.gen(function* () {
    yield* Effect.mapError(check(options, rules), ({ reason }) => unavailable(reason))
    const opening: Opening = {
      filename: options.filename,
      isReadonly: options.readonly ?? false,
      synchronous: options.synchronous ?? "full",
      busyTimeout: Duration.toMillis(Duration.fromInputUnsafe(options.busyTimeout ?? "5 seconds"))
    }
    const Sqlite = yield* load
    const { connection, writer } = yield* Effect.acquireRelease(
      Effect.map(open(Sqlite, opening), (connection) => ({
        connection,
        writer: writerOf(Sqlite, connection, opening)
      })),
      ({ writer }) => Effect.promise(() => writer.close()),
      { interruptible: true }
    )
    const { busyTimeout } = opening
    const engine = Engine.make({ connection, writer, claims: claims(options), busyTimeout })
    const fail = readError({ agent: "SqliteDriver" }, "check")
    return {
      ...fromEngine(engine),
      integrity: Effect.mapError(integrity(connection, writer), fail),
      figures: Effect.mapError(figures(connection, writer), fail)
    }
  })

/** The same as a layer for `SqlAgent`. */
export const layer = (options: Options): Layer.Layer<SqlDriver | Service, StorageUnavailable | StateCorrupt> =>
  Layer.effectContext(
    Effect.map(make(options), (driver) => Context.make(SqlDriver, driver).pipe(Context.add(Service, driver)))
  )

const writerOf = (Sqlite: typeof Database, connection: Connection, opening: Opening): Writer => {
  const options = { ...opening, file: connection.file, inode: inodeOf(connection.file) }
  return new Writer(connection, options, () => openAgain(Sqlite, options))
}

const load = Effect.tryPromise({
  try: async () => (await import("better-sqlite3")).default,
  catch: (cause) => notLoaded(cause)
})
