import { Context, type Duration, Effect, type Scope } from "effect"
import type { Claims } from "../Claims.ts"
import { Collections } from "../internal/collections.ts"
import { readError } from "../internal/failure.ts"
import type { ReadError } from "../StateError.ts"
import type { Server } from "./Server.ts"
import { make, type RedisStore, type StoreOptions } from "./store.ts"

/** Servers that `RedisAgent` runs on. */
export interface RedisDriverService {
  readonly name: string
  /** What holds for every store on these servers; the history is up to each store. */
  readonly claims: Omit<Claims, "history">
  /** What the names of all keys begin with. */
  readonly prefix: string
  /** The connection itself, for what is asked of it beside states. */
  readonly server: Server
  /** How long a round trip takes that changes nothing: whether the server is there, and how far away. */
  readonly ping: Effect.Effect<Duration.Duration, ReadError>
  /**
   * The states of one collection. Stores of one collection made by one driver share their locks. Their `changes` end with
   * the store's scope. Use after that, or after the driver's own scope, fails with `AgentClosed`.
   */
  readonly store: (options: StoreOptions) => Effect.Effect<RedisStore, never, Scope.Scope>
}

/** The servers that `RedisAgent` keeps its states in. Its layer comes from `dgents/redis`. */
export class RedisDriver extends Context.Service<RedisDriver, RedisDriverService>()("dgents/RedisDriver") {}

/** @internal */
export const fromServer = (server: Server, prefix = "dgents"): RedisDriverService => {
  const collections = new Collections()
  return {
    name: "redis",
    claims: server.claims,
    prefix,
    server,
    ping: Effect.mapBoth(Effect.timed(server.ping), {
      onFailure: readError({ agent: "redis" }, "ping"),
      onSuccess: ([duration]) => duration
    }),
    store: (options) => make(server, collections, options)
  }
}
