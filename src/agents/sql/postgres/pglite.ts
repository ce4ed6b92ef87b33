import { Effect, Layer, type Scope } from "effect"
import type { Claims } from "../../Claims.ts"
import { fromEngine, SqlDriver, type SqlDriverService } from "../SqlDriver.ts"
import * as Engine from "./engine.ts"
import { claimsOf, notLoaded, type OpenError, open, unavailable } from "./open.ts"
import { connect, type Instance } from "./pgliteConnection.ts"
import { Pool } from "./pool.ts"

export type { OpenError } from "./open.ts"
export type { Instance } from "./pgliteConnection.ts"

/** Where the database is. */
export interface Options {
  /** A directory, which one process at a time may open. Default: the database is in memory, and goes with the scope. */
  readonly directory?: string | undefined
  /** A PGlite that is open, with its extensions, in place of a new one. It stays open. */
  readonly instance?: Instance | undefined
  /** The schema that the tables are in, which has to exist. Default: the first one of the `search_path`. */
  readonly schema?: string | undefined
}

/** What holds for every state in such a database, the history apart. Of an instance that is given, no durability is known. */
export const claims = ({ directory }: Pick<Options, "directory">): Omit<Claims, "history"> =>
  claimsOf(directory === undefined ? "volatile" : "process", "process")

const never = 2 ** 31 - 1

/**
 * Opens PGlite, PostgreSQL within this process, and closes it with the scope. Tables are set up where there are none; those
 * of others are refused and left as they are.
 */
export const make = (options: Options = {}): Effect.Effect<SqlDriverService, OpenError, Scope.Scope> =>
  Effect.gen(function* () {
    const { directory, instance, schema } = options
    if (directory !== undefined && instance !== undefined)
      return yield* unavailable("the options directory and instance exclude each other")
    const db =
      instance ??
      (yield* Effect.acquireRelease(load(directory), (db) => Effect.promise(() => db.close().catch(() => {}))))
    const limits = { max: 1, idleTimeout: never, acquireTimeout: never, statementTimeout: never }
    const pool = yield* Effect.acquireRelease(
      Effect.sync(() => new Pool(`PGlite in ${directory ?? "memory"}`, limits, async () => connect(db))),
      (pool) => Effect.promise(() => pool.close())
    )
    const { tables } = yield* open(pool, schema)
    const engine = yield* Engine.make({
      name: "pglite",
      pool,
      tables,
      claims: claims(options),
      notify: true,
      listen: async () => connect(db),
      poll: Number.POSITIVE_INFINITY
    })
    return fromEngine(engine)
  })

/** The same as a layer for `SqlAgent`. */
export const layer = (options: Options = {}): Layer.Layer<SqlDriver, OpenError> =>
  Layer.effect(SqlDriver, make(options))

const load = (directory: string | undefined): Effect.Effect<Instance, OpenError> =>
  Effect.flatMap(
    Effect.tryPromise({
      try: () => import("@electric-sql/pglite"),
      catch: (cause) => notLoaded("@electric-sql/pglite", cause)
    }),
    ({ PGlite }) =>
      Effect.tryPromise({
        try: (): Promise<Instance> => PGlite.create(directory === undefined ? {} : { dataDir: `file://${directory}` }),
        catch: (cause) => unavailable(`PGlite cannot open ${directory ?? "a database in memory"}`, cause)
      })
  )
