/**
 * State in Redis: shared by all who reach the server, live through pub/sub, and gone by itself when its time is over. The
 * server is the layer's business: `RedisDriver.layer` of `dgents/redis`, for a single server, Sentinel or a Cluster.
 *
 * - Promises: what the server says of itself when it is opened. AOF synced before each answer: `power`; every second: `process`;
 *   none, or a policy that evicts: `volatile`. `linearizable` on a single server; with Sentinel or a Cluster `lastWriteWins`,
 *   since a failover may lose what was acknowledged. Shared over a `network`. History as far as `history` says. A batch is
 *   not one step: what was written when one of it fails stays.
 * - Costs: one GET a load, one script a save, in one packet with all that is asked in the same turn. A history copies the
 *   superseded state within the server. Following a key costs a subscription, and a read for each commit of others.
 * - Fails: with `StorageUnavailable` (says whether a retry makes sense) within the driver's `timeout`, `WriteIndeterminate` when
 *   nobody can tell what became of a write, `StateCorrupt` for a key that holds something else, and `AgentClosed` after its scope.
 */
import { type Context, Duration, Effect, Layer, type Optic, type Option, type Scope } from "effect"
import type { Claims } from "./Claims.ts"
import * as DataAgent from "./DataAgent.ts"
import * as Family from "./Family.ts"
import { illFormed } from "./internal/keys.ts"
import { check, duration, historyOf, oneOf, optional, record, schema, text } from "./internal/options.ts"
import * as Retention from "./internal/retention.ts"
import { numberAt } from "./redis/number.ts"
import { RedisDriver } from "./redis/RedisDriver.ts"
import type { RedisStore } from "./redis/store.ts"
import { type ReadError, StateInvalid, StateNotFound, type WriteError } from "./StateError.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Options

/** When a state is removed by itself, with its history: that long after it was first saved, last saved, or last used. */
export interface Expiry {
  /** Above 0, rounded up to milliseconds. */
  readonly after: Duration.Input
  /**
   * `"creation"`: the first save sets the time, and no later one moves it. `"write"` (the default): each save does. `"read"`: each
   * save and each load do; `history`, `changes` and `keys` do not.
   */
  readonly from?: "creation" | "write" | "read" | undefined
}

/** What `make` and `family` take. The name also says which keys of the server are theirs. */
export interface Options<S> extends DataAgent.Options<S> {
  /**
   * Which earlier states are kept: `"none"` (the default), `"full"`, or those within `{ bounded, maxAge }`: so many states,
   * the current one included, saved no longer ago. Limits are applied by each save to its own key, in the same step.
   */
  readonly history?: "none" | "full" | Omit<Retention.Limits, "maxBytes"> | undefined
  /** When states expire. An expired state is `StateNotFound`, and a `Deleted` in `changes`. Default: never. */
  readonly expire?: Expiry | undefined
}

// ---------------------------------------------------------------------------------------------------------------------
// Claims

/** What an agent promises on a driver. */
export const claims = (
  driver: { readonly claims: Omit<Claims, "history"> },
  options?: Pick<Options<never>, "history"> | undefined
): Claims => ({ ...driver.claims, history: Retention.claimOf(options?.history) })

// ---------------------------------------------------------------------------------------------------------------------
// The agent

/** What a sum can fail with. */
export type IncrementError = StateNotFound | WriteError

/** A state in Redis: what every agent does, and what the server can do by itself. */
export interface RedisAgent<in out S> extends DataAgent.DataAgent<S> {
  /**
   * Adds to a number inside the state, in one step on the server, and answers the sum: no read before, no retries, however
   * many do it at once. It is a save like any other: with a revision, a history, and `changes`.
   *
   * The optic names the number: `Optic.id<State>().key("visits")`. A property of a record, or an optional one, begins at 0,
   * unless the optic is `at`. Without a state the agent's `initial` is begun with. Fails with `StateInvalid` where the server cannot
   * add, say because the schema has a check that a sum might fail, or the sum would be no safe integer where one has to be.
   */
  readonly increment: (optic: Optic.Optional<S, number>, by?: number) => Effect.Effect<number, IncrementError>
  /** How long the state still lives; none when there is no state, or none that expires. Does not let it live on. */
  readonly timeToLive: Effect.Effect<Option.Option<Duration.Duration>, ReadError>
}

/** A family of states in Redis. */
export interface RedisFamily<in out S> extends Family.Family<S> {
  readonly at: (key: string) => RedisAgent<S>
}

const extend = <S>(agent: DataAgent.DataAgent<S>, store: RedisStore): RedisAgent<S> => {
  const { codec, key = "", name } = agent
  const where = { agent: name, key: agent.key }
  const increment = (optic: Optic.Optional<S, number>, by = 1): Effect.Effect<number, IncrementError> =>
    Effect.suspend((): Effect.Effect<number, IncrementError> => {
      if (!key.isWellFormed()) return Effect.fail(illFormed(where))
      const number = numberAt(codec, optic)
      if ("reason" in number) return Effect.fail(new StateInvalid({ ...where, ...number }))
      if (!Number.isFinite(by) || (number.isInteger && !Number.isSafeInteger(by)))
        return Effect.fail(
          new StateInvalid({
            ...where,
            path: number.path,
            reason: `what is added has to be ${number.isInteger ? "a safe integer" : "a finite number"}`
          })
        )
      const { initial } = agent.internals
      // An initial was encoded once already, so a codec error here is a defect.
      const begin = initial === undefined ? undefined : Effect.orDie(Effect.flatMap(initial.get, codec.encode))
      const added = Effect.flatMap(begin ?? Effect.succeed(undefined), (begin) =>
        store.increment(key, { ...number, by, initial: typeof begin === "string" ? begin : undefined })
      )
      return agent.internals.lock.hold(
        Effect.flatMap(
          Effect.mapError(Effect.uninterruptible(added), (error) =>
            error._tag === "StateInvalid"
              ? new StateInvalid({ ...where, path: number.path, reason: error.reason })
              : error
          ),
          (done): Effect.Effect<number, StateNotFound> =>
            done === undefined ? Effect.fail(new StateNotFound(where)) : Effect.succeed(done.sum)
        )
      )
    })
  return Object.assign(agent, { increment, timeToLive: store.timeToLive(key) })
}

// ---------------------------------------------------------------------------------------------------------------------
// make

/** What opening can fail with: an `initial` or a name that cannot be stored, options that make no sense. */
export type OpenError = StateInvalid | ReadError

/** One state. Agents of one name on one server are the same state, apart from every family of that name. */
export const make = <S>(options: Options<S>): Effect.Effect<RedisAgent<S>, OpenError, Scope.Scope | RedisDriver> =>
  Effect.gen(function* () {
    const { claims, store } = yield* open("agent", options, { agent: options.name })
    return extend(yield* DataAgent.fromRegister({ ...options, claims, register: store.at("") }), store)
  })

/** A state for each key. Families of one name on one server hold the same states. */
export const family = <S>(options: Options<S>): Effect.Effect<RedisFamily<S>, OpenError, Scope.Scope | RedisDriver> =>
  Effect.gen(function* () {
    const { claims, store } = yield* open("family", options)
    const family = yield* Family.fromStore({ ...options, claims, store })
    const { at } = family
    return Object.assign(family, { at: (key: string) => extend(at(key), store) })
  })

const rules = {
  name: text,
  schema,
  history: historyOf("bounded", "maxAge"),
  expire: optional(record({ after: duration, from: optional(oneOf("creation", "write", "read")) }))
}

const open = <S>(kind: "agent" | "family", options: Options<S>, single?: { readonly agent: string }) =>
  Effect.gen(function* () {
    yield* check(options, rules)
    const { expire, history, name } = options
    if (!name.isWellFormed())
      return yield* new StateInvalid({ agent: name, path: [], reason: "its agent's name has a lone surrogate" })
    const driver = yield* RedisDriver
    const store = yield* driver.store({
      prefix: driver.prefix,
      // The kind sets an agent apart from the empty key of a family of the same name.
      collection: `${kind}:${name}`,
      retention: Retention.of(history),
      expiry: { millis: expire === undefined ? 0 : Duration.toMillis(expire.after), from: expire?.from ?? "write" },
      where: (key) => single ?? { agent: name, key }
    })
    return { claims: claims(driver, { history }), store }
  })

// ---------------------------------------------------------------------------------------------------------------------
// layer

/** A layer for a service tag of one agent. */
export const layer = <Self, S>(
  tag: Context.Key<Self, DataAgent.DataAgent<S>>,
  options: Options<S>
): Layer.Layer<Self, OpenError, RedisDriver> => Layer.effect(tag, make(options))

/** A layer for a service tag of a family. */
export const layerFamily = <Self, S>(
  tag: Context.Key<Self, Family.Family<S>>,
  options: Options<S>
): Layer.Layer<Self, OpenError, RedisDriver> => Layer.effect(tag, family(options))
