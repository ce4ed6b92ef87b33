import { Context, type Duration, Effect, type Scope } from "effect"
import type { Claims } from "../Claims.ts"
import { Collections } from "../internal/collections.ts"
import { readError } from "../internal/failure.ts"
import type { Store } from "../Register.ts"
import type { ReadError } from "../StateError.ts"
import type { Engine } from "./Engine.ts"
import { make, type StoreOptions } from "./store.ts"
import { SqlStorage } from "./together.ts"

/** A database that `SqlAgent` runs on. */
export interface SqlDriverService {
  /** Names the kind of database: `"sqlite"`. */
  readonly name: string
  /** What holds for every store of this database; the history is up to each store. */
  readonly claims: Omit<Claims, "history">
  /** The database itself, for what is asked of it beside states. */
  readonly engine: Engine
  /** How long a round trip takes that changes nothing: whether the database is there, and how far away. */
  readonly ping: Effect.Effect<Duration.Duration, ReadError>
  /**
   * The states of one collection. Stores of one collection made by one driver share their locks. Their `changes` end with
   * the store's scope. Use after that, or after the driver's own scope, fails with `AgentClosed`.
   */
  readonly store: (options: StoreOptions) => Effect.Effect<Store, never, Scope.Scope>
}

/** The database that `SqlAgent` keeps its states in. Its layers come from `dgents/sqlite` and the like. */
export class SqlDriver extends Context.Service<SqlDriver, SqlDriverService>()("dgents/SqlDriver") {
  /** A driver from what its database does: an `Engine` is all that the author of a driver has to write. */
  static fromEngine(engine: Engine): SqlDriverService {
    return fromEngine(engine)
  }
}

/** @internal */
export const fromEngine = (engine: Engine): SqlDriverService => {
  const collections = new Collections()
  const storage = new SqlStorage(engine)
  return {
    name: engine.name,
    claims: engine.claims,
    engine,
    ping: Effect.mapBoth(Effect.timed(engine.ping), {
      onFailure: readError({ agent: engine.name }, "ping"),
      onSuccess: ([duration]) => duration
    }),
    store: (options) => make(engine, collections, storage, options)
  }
}
