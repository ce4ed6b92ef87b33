/**
 * State as a fold over events: what happened is kept, and the state follows from it. Where the events are kept is the layer's
 * business: a `StreamLog` in memory, in files, in a SQL database, in Redis.
 *
 * - Promises: what the log claims, from `volatile` and one `process` (MemoryLog) to `power` and all of a `network` (SqlLog on
 *   Postgres), and `linearizable`: a load has every event that was acknowledged before it. History is `full` until `compact`. An
 *   append is all or nothing, and under an `id` happens once. Events stay as they were written.
 * - Costs: an append one encoding an event and one append to the log, shared with those that come at the same time; a load one
 *   page of the log, and a decoding and a call of the fold for each event since the last load. The folded state stays in memory.
 *   With snapshots, the first load after a restart reads one, and the events behind it.
 * - Fails: with `PositionConflict` when others appended, `EventUnknown`, `FoldFailed`, `EventsCompacted` (what is asked for is
 *   gone), and as every agent: `StateInvalid`, `StateCorrupt`, `StorageUnavailable`, `WriteIndeterminate`, `AgentClosed`.
 */
import { Context, Effect, Function, Layer, Pipeable, Predicate, type Schema, type Scope, Stream } from "effect"
import type { Claims } from "./Claims.ts"
import type { DataAgent, ModifyOptions } from "./DataAgent.ts"
import type { Family, KeysOptions } from "./Family.ts"
import { bytes, check, count, optional, rule, schema, text } from "./internal/options.ts"
import { type ReadError, StateInvalid, type StorageUnavailable } from "./StateError.ts"
import { compact } from "./stream/compaction.ts"
import { decide as decideOn } from "./stream/decide.ts"
import { type Folded, folded, recordedOf } from "./stream/folding.ts"
import type { AppendOptions, Range, Recorded } from "./stream/journal.ts"
import type { Bounds } from "./stream/Log.ts"
import type {
  AppendError,
  CompactError,
  DecideError,
  EventsError,
  FoldError,
  TravelError
} from "./stream/StreamError.ts"
import { StreamLog } from "./stream/StreamLog.ts"
import type { Snapshot, Snapshots } from "./stream/snapshot.ts"
import { type FoldOptions, type Internals, Streams } from "./stream/streams.ts"
import type { Upcasters } from "./stream/upcast.ts"

export { type ConsumerOptions, consume } from "./stream/consumer.ts"
export { asDataAgent, type DataAgentOptions } from "./stream/dataAgent.ts"
export type { Folded } from "./stream/folding.ts"
export type { AppendOptions, Range, Recorded } from "./stream/journal.ts"
export type { Bounds } from "./stream/Log.ts"
export { type Progress, type Projection, type ProjectionOptions, projection } from "./stream/projection.ts"
export { Snapshot, type Snapshots } from "./stream/snapshot.ts"
export type { FoldOptions } from "./stream/streams.ts"
export { type Upcaster, type Upcasters, upcast } from "./stream/upcast.ts"

const TypeId: unique symbol = Symbol.for("dgents/StreamAgent")

/** Events of one stream, and the state that they fold to. */
export interface StreamAgent<in out E, in out S> extends Pipeable.Pipeable {
  readonly [TypeId]: typeof TypeId
  /** Names the stream in errors. */
  readonly name: string
  /** The key inside a family; absent for a single stream. */
  readonly key: string | undefined
  readonly claims: Claims
  /** The state after all events that were acknowledged before. Never aliases another load. */
  readonly load: Effect.Effect<S, FoldError>
  /** The same with the position of the last event in it, to append with `expected`. */
  readonly current: Effect.Effect<Folded<S>, FoldError>
  /**
   * Appends an event, or several that are recorded all or none, and answers the position of the last one. What is an array is
   * taken for several events. Acknowledged only when it is as durable as the claims say.
   */
  readonly append: (events: E | ReadonlyArray<E>, options?: AppendOptions) => Effect.Effect<number, AppendError>
  /**
   * Runs an effect on the state, and appends the events that it answers, if nobody else appended in between; otherwise all of it runs
   * again, up to `retries` times (default 16). Calls on one stream are serialized in this process. If it fails or is interrupted,
   * nothing is appended.
   */
  readonly decide: <A, Err, R>(
    f: (state: S) => Effect.Effect<readonly [A, ReadonlyArray<E>], Err, R>,
    options?: ModifyOptions
  ) => Effect.Effect<A, Err | DecideError, R>
  /**
   * The state at a position (0: before the first event), or at a time, as far as the clocks of those who appended are right. Fails
   * with `StateNotFound` above the last position, with `EventsCompacted` where a compaction removed it.
   */
  readonly at: (when: number | Date) => Effect.Effect<Folded<S>, TravelError>
  /** Recorded events, oldest first, up to those that are there when it begins. */
  readonly events: (range?: Range) => Stream.Stream<Recorded<E>, EventsError>
  /** Recorded events, oldest first, each with the state that it led to. */
  readonly history: (range?: Range) => Stream.Stream<Recorded<E> & { readonly state: S }, FoldError>
  /**
   * Recorded events from a position on (default 1), then each that is appended, by whomever, once and in order. Ends when the
   * stream's scope closes.
   */
  readonly changes: (options?: { readonly from?: number | undefined }) => Stream.Stream<Recorded<E>, EventsError>
  /** Which events there are. */
  readonly bounds: Effect.Effect<Bounds, ReadError>
  /**
   * Removes the events before a position or a time from the log, but never the last one. The states that `load` and the projections
   * need in their stead are saved as snapshots first, in agents that promise as much as the log. Earlier states can no longer
   * be reached then. What was deleted through `asDataAgent` goes in any case: `compact(1)` removes that alone.
   */
  readonly compact: (before: number | Date) => Effect.Effect<void, CompactError>
  /** For what is derived from streams. @internal */
  readonly internals: Internals<E, S>
}

/** Many streams of one kind, one for each key. */
export interface StreamFamily<in out E, in out S> extends Pipeable.Pipeable {
  readonly name: string
  readonly claims: Claims
  /** The stream of one key. Cheap: nothing is opened or read. */
  readonly at: (key: string) => StreamAgent<E, S>
  /** The keys that ever had an event, each once, in the order of their bytes. */
  readonly keys: (options?: KeysOptions) => Stream.Stream<string, ReadError>
}

/** Whether a value is a stream agent. */
export const isStreamAgent = (u: unknown): u is StreamAgent<unknown, unknown> => Predicate.hasProperty(u, TypeId)

// ---------------------------------------------------------------------------------------------------------------------
// Options

/** What `make` takes. */
export interface Options<E, S, A = DataAgent<Snapshot>> extends FoldOptions<E, S> {
  /** Names the stream in errors, and in the log. */
  readonly name: string
  /** What events look like: mostly a union of tagged structs or classes, whose tags are stored beside them. */
  readonly events: Schema.Codec<E, unknown>
  /**
   * Where snapshots of the state are kept, and when they are taken. They are shortcuts: deleting them costs a replay and nothing
   * else, unless events were compacted. Without them, the first load folds all events.
   */
  readonly snapshots?: Snapshots<A> | undefined
  /** How events of older versions are read, by type. */
  readonly upcasters?: Upcasters | undefined
}

/** What `family` takes. */
export interface FamilyOptions<E, S> extends Options<E, S, Family<Snapshot>> {
  /** How many folded states are kept in memory; past it the least recently used one is folded again. Default: 1 000. */
  readonly maxCached?: number | undefined
}

/** What opening can fail with: an `initial` or a name that cannot be stored, or an option that is not what it has to be. */
export type OpenError = StateInvalid | StorageUnavailable

const rules = {
  name: text,
  events: rule("a Schema", (value) => schema("", value) === undefined),
  state: rule("a Schema", (value) => schema("", value) === undefined),
  fold: rule("a function", Predicate.isFunction),
  version: optional(rule("a number or a string", (value) => Predicate.isNumber(value) || Predicate.isString(value))),
  snapshots: optional((option, value) => {
    const given = Predicate.isObject(value) ? value : {}
    return (
      rule("{ agent, every?, bytes? }", (value) => Predicate.hasProperty(value, "agent"))(option, value) ??
      optional(count)(`${option}.every`, given["every"]) ??
      optional(bytes)(`${option}.bytes`, given["bytes"])
    )
  }),
  upcasters: optional(
    rule(
      "a record of arrays of functions",
      (value) =>
        Predicate.isObject(value) &&
        Object.values(value).every((chain) => Array.isArray(chain) && chain.every(Predicate.isFunction))
    )
  ),
  maxCached: optional(count)
}

// ---------------------------------------------------------------------------------------------------------------------
// Claims

/** What a stream promises on a log. */
export const claims = (log: { readonly claims: Omit<Claims, "history"> }): Claims => ({
  ...log.claims,
  history: "full"
})

// ---------------------------------------------------------------------------------------------------------------------
// make

/** One stream. Streams of one name on one log are the same, apart from every family of that name. */
export const make = <E, S>(
  options: Options<E, S>
): Effect.Effect<StreamAgent<E, S>, OpenError, Scope.Scope | StreamLog> =>
  Effect.map(open({ ...options, cached: 1, isSingle: true, snapshotsAt: () => options.snapshots }), (streams) =>
    fromInternals(streams.at(""))
  )

/** A stream for each key. Families of one name on one log hold the same streams. */
export const family = <E, S>(
  options: FamilyOptions<E, S>
): Effect.Effect<StreamFamily<E, S>, OpenError, Scope.Scope | StreamLog> => {
  const { maxCached = 1_000, name, snapshots } = options
  const snapshotsAt = (key: string): Snapshots<DataAgent<Snapshot>> | undefined =>
    snapshots && { ...snapshots, agent: snapshots.agent.at(key) }
  return Effect.map(open({ ...options, cached: maxCached, isSingle: false, snapshotsAt }), (streams) => {
    const family: Omit<StreamFamily<E, S>, keyof Pipeable.Pipeable> = {
      name,
      claims: streams.claims,
      at: (key) => fromInternals(streams.at(key)),
      keys: ({ prefix = "" } = {}) => streams.keys(prefix)
    }
    return Object.assign(Object.create(Pipeable.Prototype) as typeof Pipeable.Prototype, family)
  })
}

const open = <E, S>(options: Parameters<typeof Streams.open<E, S>>[1]) =>
  Effect.gen(function* () {
    yield* check(options, rules)
    if (!options.name.isWellFormed())
      return yield* new StateInvalid({ agent: options.name, path: [], reason: "its agent's name has a lone surrogate" })
    return yield* Streams.open(yield* StreamLog, options)
  })

const Prototype = { ...Pipeable.Prototype, [TypeId]: TypeId } as const

const fromInternals = <E, S>(internals: Internals<E, S>): StreamAgent<E, S> => {
  const { claims, journal, view, where } = internals
  const agent: Omit<StreamAgent<E, S>, keyof Pipeable.Pipeable | typeof TypeId> = {
    name: where.agent,
    key: where.key,
    claims,
    load: Effect.map(view.current, ({ state }) => state),
    current: Effect.map(view.current, folded),
    append: (events, options) => journal.append(isMany(events) ? events : [events], options),
    decide: (f, options) => decideOn(internals, f, options?.retries ?? 16),
    at: (when) => Effect.map(view.at(when), folded),
    events: (range = {}) => journal.recorded(range),
    history: (range = {}) => Stream.flattenIterable(Stream.map(view.steps(range), recordedOf)),
    changes: ({ from = 1 } = {}) =>
      Stream.flattenIterable(Stream.mapEffect(journal.live(from), (page) => journal.read(page))),
    bounds: journal.bounds,
    compact: (before) => compact(internals, before),
    internals
  }
  return Object.assign(Object.create(Prototype) as typeof Prototype, agent)
}

const isMany = <E>(events: E | ReadonlyArray<E>): events is ReadonlyArray<E> => Array.isArray(events)

// ---------------------------------------------------------------------------------------------------------------------
// layer

/** A layer for a service tag of one stream. */
export const layer = <Self, E, S>(
  tag: Context.Key<Self, StreamAgent<E, S>>,
  options: Options<E, S>
): Layer.Layer<Self, OpenError, StreamLog> => Layer.effect(tag, make(options))

/** A layer for a service tag of a family. */
export const layerFamily = <Self, E, S>(
  tag: Context.Key<Self, StreamFamily<E, S>>,
  options: FamilyOptions<E, S>
): Layer.Layer<Self, OpenError, StreamLog> => Layer.effect(tag, family(options))

/**
 * A service tag for a stream: a program asks for it, a layer decides where the events live.
 *
 * ```ts
 * class Account extends StreamAgent.Service<Account, typeof Event.Type, typeof State.Type>()("app/Account") {}
 * const balance = Effect.flatMap(Account, (account) => Effect.map(account.load, (state) => state.balance))
 * ```
 */
export const Service =
  <Self, E, S>() =>
  <const Id extends string>(id: Id): Context.ServiceClass<Self, Id, StreamAgent<E, S>> =>
    Context.Service<Self, StreamAgent<E, S>>()(id)

/** A service tag for a family of streams. */
export const FamilyService =
  <Self, E, S>() =>
  <const Id extends string>(id: Id): Context.ServiceClass<Self, Id, StreamFamily<E, S>> =>
    Context.Service<Self, StreamFamily<E, S>>()(id)

// ---------------------------------------------------------------------------------------------------------------------
// Functions, stream first or last

/** The state after all events that were acknowledged before. */
export const load = <E, S>(self: StreamAgent<E, S>): StreamAgent<E, S>["load"] => self.load

/** Appends events, and answers the position of the last one. */
export const append: {
  <E>(
    events: NoInfer<E | ReadonlyArray<E>>,
    options?: AppendOptions
  ): <S>(self: StreamAgent<E, S>) => Effect.Effect<number, AppendError>
  <E, S>(
    self: StreamAgent<E, S>,
    events: NoInfer<E | ReadonlyArray<E>>,
    options?: AppendOptions
  ): Effect.Effect<number, AppendError>
} = Function.dual(
  (args) => isStreamAgent(args[0]),
  <E, S>(self: StreamAgent<E, S>, events: E | ReadonlyArray<E>, options?: AppendOptions) => self.append(events, options)
)

/** Runs an effect on the state, and appends the events that it answers. */
export const decide: {
  <E, S, A, Err, R>(
    f: (state: S) => Effect.Effect<readonly [A, ReadonlyArray<E>], Err, R>,
    options?: ModifyOptions
  ): (self: StreamAgent<E, S>) => Effect.Effect<A, Err | DecideError, R>
  <E, S, A, Err, R>(
    self: StreamAgent<E, S>,
    f: (state: S) => Effect.Effect<readonly [A, ReadonlyArray<E>], Err, R>,
    options?: ModifyOptions
  ): Effect.Effect<A, Err | DecideError, R>
} = Function.dual(
  (args) => isStreamAgent(args[0]),
  <E, S, A, Err, R>(
    self: StreamAgent<E, S>,
    f: (state: S) => Effect.Effect<readonly [A, ReadonlyArray<E>], Err, R>,
    options?: ModifyOptions
  ) => self.decide(f, options)
)

/** The state at a position or at a time. */
export const at: {
  (when: number | Date): <E, S>(self: StreamAgent<E, S>) => Effect.Effect<Folded<S>, TravelError>
  <E, S>(self: StreamAgent<E, S>, when: number | Date): Effect.Effect<Folded<S>, TravelError>
} = Function.dual(2, <E, S>(self: StreamAgent<E, S>, when: number | Date) => self.at(when))
