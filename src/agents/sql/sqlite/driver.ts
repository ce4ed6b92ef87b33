import { type Duration, Effect, Layer, type Scope } from "effect"
import type { Claims } from "../../Claims.ts"
import type { StateCorrupt, StorageUnavailable } from "../../StateError.ts"
import { Announcements } from "../announcements.ts"
import { SqlDriver, type SqlDriverService } from "../SqlDriver.ts"
import { notLoaded, open } from "./open.ts"
import * as Store from "./store.ts"

/** Which database file, and how it is opened. */
export interface Options {
  /** A path, or `":memory:"` for a database that lives as long as the scope. The directory has to exist. */
  readonly filename: string
  /**
   * `"full"` (the default) syncs each commit to disk, and claims `power`. `"normal"` syncs at checkpoints only: some
   * times faster, a power cut may take the last commits, and the claim is `process`.
   */
  readonly synchronous?: "full" | "normal" | undefined
  /** How long a statement waits for the lock of another connection. It blocks the thread meanwhile. Default: 5 seconds. */
  readonly busyTimeout?: Duration.Input | undefined
  /** Opens an existing database for reading alone: every write fails. Default: false. */
  readonly readonly?: boolean | undefined
}

/** What holds for every state in such a database, the history apart. */
export const claims = (options: Pick<Options, "filename" | "synchronous">): Omit<Claims, "history"> => ({
  durability: options.filename === ":memory:" ? "volatile" : options.synchronous === "normal" ? "process" : "power",
  consistency: "linearizable",
  sharing: "process"
})

/**
 * Opens a SQLite database through better-sqlite3, which is loaded here and nowhere else, and closes it with the scope.
 * A new file is set up; a file of another program, or of a newer dgents, is refused and left as it is.
 */
export const make = (
  options: Options
): Effect.Effect<SqlDriverService, StorageUnavailable | StateCorrupt, Scope.Scope> =>
  Effect.gen(function* () {
    const Sqlite = yield* load
    const connection = yield* Effect.acquireRelease(
      Effect.suspend(() => open(Sqlite, options)),
      (connection) => Effect.sync(() => connection.close())
    )
    const announcements = new Announcements()
    return {
      name: "sqlite",
      claims: claims(options),
      store: (store) => Store.make(connection, announcements, store)
    }
  })

/** The same as a layer for `SqlAgent`. */
export const layer = (options: Options): Layer.Layer<SqlDriver, StorageUnavailable | StateCorrupt> =>
  Layer.effect(SqlDriver, make(options))

const load = Effect.tryPromise({
  try: async () => (await import("better-sqlite3")).default,
  catch: (cause) => notLoaded(cause)
})
