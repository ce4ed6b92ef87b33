/**
 * State in memory. A load costs the same at 1 KB and at 10 MB.
 *
 * - Promises: `volatile`, `linearizable`, shared by the fibers of one `process`; history as far as `history` says.
 * - Costs: one check against the schema and one frozen copy a save; nothing a load, except for what JavaScript cannot
 *   freeze (Date, Map, Set, bytes), which is copied again for each load. Values of classes are copied by their schema.
 * - Fails: with `StateInvalid` when a state does not fit, with `StorageUnavailable` when an option is not what it has to be,
 *   and `AgentClosed` after its scope.
 */
import { type Context, Effect, Layer, type Scope } from "effect"
import { toCodec } from "../schema/Codec.ts"
import type { Claims, ExactHistory } from "./Claims.ts"
import * as DataAgent from "./DataAgent.ts"
import * as Family from "./Family.ts"
import { Hub } from "./internal/hub.ts"
import * as KeyedLock from "./internal/keyedLock.ts"
import * as Lifetime from "./internal/lifetime.ts"
import { bytes, check, count, exactHistory, optional, schema, text } from "./internal/options.ts"
import type { Owned } from "./internal/owned.ts"
import type { Where } from "./internal/stateRegister.ts"
import type { StateInvalid, StorageUnavailable } from "./StateError.ts"
import { Memory } from "./volatile/Memory.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Options

/** What `make` takes. */
export interface Options<S> extends DataAgent.Options<S> {
  /** How many states are kept, the current one included. Default: `"none"`, the current one alone. */
  readonly history?: ExactHistory | undefined
}

/** What `family` takes. */
export interface FamilyOptions<S> extends Options<S> {
  /** The most keys to keep, from 1; past it the least recently used state is forgotten. Default: no limit. */
  readonly maxKeys?: number | undefined
  /**
   * The most bytes to keep, counted as encoded by the codec, current states only; past it the least recently used states
   * are forgotten. Measuring costs one encoding a save. Default: no limit.
   */
  readonly maxBytes?: number | undefined
}

/** What opening can fail with: an `initial` that does not fit the schema, or an option that is not what it has to be. */
export type OpenError = StateInvalid | StorageUnavailable

const rules = {
  name: text,
  schema,
  history: exactHistory,
  maxKeys: optional(count),
  maxBytes: optional(bytes)
}

// ---------------------------------------------------------------------------------------------------------------------
// Claims

/** What a volatile agent promises. */
export const claims = (options?: { readonly history?: ExactHistory | undefined }): Claims => ({
  durability: "volatile",
  consistency: "linearizable",
  sharing: "process",
  history: options?.history ?? "none"
})

// ---------------------------------------------------------------------------------------------------------------------
// make

/** One state in memory. */
export const make = <S>(options: Options<S>): Effect.Effect<DataAgent.DataAgent<S>, OpenError, Scope.Scope> =>
  Effect.map(open(options), ({ claims, codec, initial, lifetime, memory, where }) =>
    DataAgent.fromInternals(where, codec, claims, {
      register: Lifetime.guard(memory.at("", where), where, lifetime),
      lock: KeyedLock.make(`agent "${options.name}"`),
      initial
    })
  )

/** States in memory by key, with the least recently used ones forgotten past `maxKeys` or `maxBytes`. */
export const family = <S>(options: FamilyOptions<S>): Effect.Effect<Family.Family<S>, OpenError, Scope.Scope> =>
  Effect.map(open(options), ({ claims, codec, initial, lifetime, memory }) =>
    Family.fromStateStore({ name: options.name, codec, claims, initial, lifetime, store: memory.store() })
  )

const open = <S>(options: FamilyOptions<S>) =>
  Effect.gen(function* () {
    yield* check(options, rules)
    const where: Where = { agent: options.name, key: undefined }
    const codec = toCodec(options.schema)
    const lifetime = yield* Lifetime.make
    const hub = yield* Hub.make<Owned<S>>()
    const initial = yield* DataAgent.ownInitial(codec, where, options.initial)
    const memory = new Memory(codec, options, hub)
    // What is held goes with the scope, even while somebody keeps the agent.
    yield* Effect.addFinalizer(() => Effect.sync(() => memory.clear()))
    return { claims: claims(options), codec, initial, lifetime, memory, where }
  })

// ---------------------------------------------------------------------------------------------------------------------
// layer

/** A layer for a service tag of one agent. */
export const layer = <Self, S>(
  tag: Context.Key<Self, DataAgent.DataAgent<S>>,
  options: Options<S>
): Layer.Layer<Self, OpenError> => Layer.effect(tag, make(options))

/** A layer for a service tag of a family. */
export const layerFamily = <Self, S>(
  tag: Context.Key<Self, Family.Family<S>>,
  options: FamilyOptions<S>
): Layer.Layer<Self, OpenError> => Layer.effect(tag, family(options))
