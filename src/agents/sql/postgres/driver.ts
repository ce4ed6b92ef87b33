import { Effect, Layer, type Scope } from "effect"
import type { Claims } from "../../Claims.ts"
import { fromEngine, SqlDriver, type SqlDriverService } from "../SqlDriver.ts"
import type { Connection } from "./connection.ts"
import * as Engine from "./engine.ts"
import { claimsOf, notLoaded, type OpenError, open } from "./open.ts"
import { type EngineOptions, type Options, type PoolOptions, placeOf, type Settings, settingsOf } from "./options.ts"
import { connect } from "./pgConnection.ts"
import { type Figures, Pool } from "./pool.ts"

export type { Tls } from "./connection.ts"
export type { OpenError } from "./open.ts"
export type { EngineOptions, Options, PoolOptions, ServerOptions } from "./options.ts"
export type { Figures } from "./pool.ts"

/** A driver on PostgreSQL, with the figures of its pool. */
export interface PostgresDriverService extends SqlDriverService {
  readonly figures: Effect.Effect<Figures>
}

/**
 * What holds for every state of a server that syncs its commits, the history apart. One that does not (`fsync`,
 * `full_page_writes` or `synchronous_commit` are off) is found out when it is opened, and then the claim is `process`.
 */
export const claims: Omit<Claims, "history"> = claimsOf("power", "network")

/** Connections to one server that several drivers share. */
export interface SharedPool {
  readonly figures: Effect.Effect<Figures>
  /** @internal */
  readonly pool: Pool
  /** @internal */
  readonly settings: Settings
  /** @internal */
  readonly connect: (address: Settings["address"]) => Promise<Connection>
}

/** Connections that are made when they are needed, and ended with the scope: nothing is asked of the server yet. */
export const makePool = (options: PoolOptions): Effect.Effect<SharedPool, OpenError, Scope.Scope> =>
  Effect.gen(function* () {
    const settings = yield* settingsOf(options)
    const { default: pg } = yield* Effect.tryPromise({
      try: () => import("pg"),
      catch: (cause) => notLoaded("pg", cause)
    })
    const { address, limits } = settings
    const to = (address: Settings["address"]) => connect(pg, address)
    const pool = yield* Effect.acquireRelease(
      Effect.sync(() => new Pool(placeOf(address), limits, () => to(address))),
      (pool) => Effect.promise(() => pool.close())
    )
    return { pool, settings, connect: to, figures: Effect.sync(() => pool.figures) }
  })

/** A driver over connections that others use as well. */
export const fromPool = (
  shared: SharedPool,
  options: EngineOptions = {}
): Effect.Effect<PostgresDriverService, OpenError, Scope.Scope> =>
  Effect.gen(function* () {
    const { connect, figures, pool } = shared
    // What was said of the server holds, and its address may be needed to listen.
    const { address } = shared.settings
    const { listen, notify, poll, schema } = yield* settingsOf({
      ...options,
      host: address.host,
      port: address.port,
      database: address.database,
      user: address.user,
      password: address.password,
      tls: address.tls,
      applicationName: address.applicationName
    })
    const { durability, tables } = yield* open(pool, schema)
    const engine = yield* Engine.make({
      name: "postgres",
      pool,
      tables,
      claims: claimsOf(durability, "network"),
      notify,
      listen: listen === undefined ? undefined : () => connect(listen),
      poll
    })
    return { ...fromEngine(engine), figures }
  })

/**
 * Opens a database through `pg`, which is loaded here and nowhere else, and ends its connections with the scope. Tables are set
 * up where there are none; those of others, or of a newer dgents, are refused and left as they are.
 */
export const make = (options: Options): Effect.Effect<PostgresDriverService, OpenError, Scope.Scope> => {
  const { listen, notify, poll, schema, ...server } = options
  return Effect.flatMap(makePool(server), (shared) => fromPool(shared, { listen, notify, poll, schema }))
}

/** The same as a layer for `SqlAgent`. */
export const layer = (options: Options): Layer.Layer<SqlDriver, OpenError> => Layer.effect(SqlDriver, make(options))
