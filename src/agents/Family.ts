/**
 * One state per thread, user or tenant: a `Family<S>` gives a `DataAgent<S>` for each key. Keys are opaque data: any
 * well-formed string is safe, and no key reaches a state outside its family.
 */
import { Context, Effect, Function, Option, Pipeable, type Scope, Stream } from "effect"
import { bind, type Codec, type Payload, toCodec } from "../schema/Codec.ts"
import type { Claims } from "./Claims.ts"
import * as DataAgent from "./DataAgent.ts"
import { Hub } from "./internal/hub.ts"
import { KeyedLock } from "./internal/keyedLock.ts"
import { illFormed } from "./internal/keys.ts"
import * as Lifetime from "./internal/lifetime.ts"
import type { Owned } from "./internal/owned.ts"
import { Draft, decodeEntry, fromEntries, overwrite, type StateRegister, type Where } from "./internal/stateRegister.ts"
import type { NewEntry, Store } from "./Register.ts"
import { deleted, saved } from "./Revision.ts"
import { AgentClosed, type ReadError, type StateInvalid, type WriteError } from "./StateError.ts"

const TypeId: unique symbol = Symbol.for("dgents/Family")

/** Which keys to list. */
export interface KeysOptions {
  /** Only keys that begin with exactly these characters. */
  readonly prefix?: string | undefined
}

/** Many states of one type, one for each key. */
export interface Family<in out S> extends Pipeable.Pipeable {
  readonly [TypeId]: typeof TypeId
  readonly name: string
  readonly codec: Codec<S>
  readonly claims: Claims
  /** The agent of one key. Cheap: nothing is opened or read. Agents of one key share their lock and their `changes`. */
  readonly at: (key: string) => DataAgent.DataAgent<S>
  /** The keys that have a stored state, each once, in no particular order. */
  readonly keys: (options?: KeysOptions) => Stream.Stream<string, ReadError>
  /** What `load` would answer for each key; keys that miss are left out. One round trip where the backend has one. */
  readonly loadMany: (keys: Iterable<string>) => Effect.Effect<ReadonlyMap<string, S>, ReadError>
  /**
   * Saves many states; of a key given twice the last one counts. All or none where the backend has transactions;
   * elsewhere one after the other, and after a failure the earlier ones stay saved. Waits its turn on every key.
   */
  readonly saveMany: (states: Iterable<readonly [key: string, state: S]>) => Effect.Effect<void, WriteError>
  /** Deletes many states and their histories; under the same terms as `saveMany`. */
  readonly deleteMany: (keys: Iterable<string>) => Effect.Effect<void, WriteError>
  /** Whether a key has a stored state. */
  readonly has: (key: string) => Effect.Effect<boolean, ReadError>
  /** Answers a query where the storage can; see `Query`. @internal */
  readonly query?: Store["query"]
  /** @internal */
  readonly listing?: Store["listing"]
}

/** Whether a value is a family. */
export const isFamily = (u: unknown): u is Family<unknown> => typeof u === "object" && u !== null && TypeId in u

/** What a family is derived from, in states rather than payloads. @internal */
export interface StateStore<in out S> {
  readonly place?: object | undefined
  readonly at: (key: string, codec: Codec<S>) => StateRegister<S>
  readonly keys: (prefix: string) => Stream.Stream<string, ReadError>
  readonly readMany: (keys: ReadonlyArray<string>) => Effect.Effect<ReadonlyMap<string, S>, ReadError>
  readonly writeMany: (drafts: ReadonlyMap<string, Draft<S>>) => Effect.Effect<void, WriteError>
  readonly removeMany: (keys: ReadonlyArray<string>) => Effect.Effect<void, WriteError>
  readonly query?: Store["query"]
  readonly listing?: Store["listing"]
}

const Prototype = { ...Pipeable.Prototype, [TypeId]: TypeId } as const

const fromMembers = <S>(members: Omit<Family<S>, keyof Pipeable.Pipeable | typeof TypeId>): Family<S> =>
  Object.assign(Object.create(Prototype) as typeof Prototype, members)

/** Derives every operation of a family from a state store, once. @internal */
export const fromStateStore = <S>(options: {
  readonly name: string
  readonly codec: Codec<S>
  readonly claims: Claims
  readonly initial: Owned<S> | undefined
  readonly store: StateStore<S>
  readonly lifetime: Lifetime.Lifetime
}): Family<S> => {
  const { claims, codec, initial, lifetime, name, store } = options
  const { listing, query } = store
  const locks = KeyedLock.of(store.place, `family "${name}"`)

  const open = <A, E>(run: () => Effect.Effect<A, E>): Effect.Effect<A, E | AgentClosed> =>
    Effect.suspend(
      (): Effect.Effect<A, E | AgentClosed> =>
        lifetime.isClosed() ? Effect.fail(new AgentClosed({ agent: name })) : run()
    )

  /** Refuses keys that storage could not tell apart: lone surrogates become one and the same character in UTF-8. */
  const checkKeys = (keys: Iterable<string>): Effect.Effect<void, StateInvalid> => {
    for (const key of keys) if (!key.isWellFormed()) return Effect.fail(illFormed({ agent: name, key }))
    return Effect.void
  }

  const family: Family<S> = fromMembers({
    name,
    codec,
    claims,
    at: (key) => {
      const where: Where = { agent: name, key }
      const bound = bind(codec, where)
      const register = key.isWellFormed() ? store.at(key, bound) : refusing<S>(where)
      return DataAgent.fromInternals(where, bound, claims, {
        register: Lifetime.guard(register, where, lifetime),
        lock: locks.at(key),
        initial
      })
    },
    keys: ({ prefix = "" } = {}) =>
      Stream.unwrap(open(() => Effect.succeed(prefix.isWellFormed() ? store.keys(prefix) : Stream.empty))),
    loadMany: (keys) =>
      open(() => {
        const all = [...new Set(keys)]
        const found = store.readMany(all.filter((key) => key.isWellFormed()))
        if (initial === undefined) return found
        return Effect.flatMap(found, (states) => {
          const missing = all.filter((key) => !states.has(key))
          return Effect.map(
            Effect.forEach(missing, (key) => Effect.map(Effect.orDie(initial.get), (state) => [key, state] as const)),
            (initials) => new Map([...states, ...initials])
          )
        })
      }),
    saveMany: (states) =>
      open(() => {
        const all = new Map(states)
        return Effect.andThen(
          checkKeys(all.keys()),
          Effect.clockWith((clock) => {
            const savedAt = clock.currentTimeMillisUnsafe()
            const drafts = new Map<string, Draft<S>>()
            for (const [key, state] of all) drafts.set(key, new Draft({ agent: name, key }, state, savedAt))
            return drafts.size === 0 ? Effect.void : locks.holdAll(drafts.keys(), store.writeMany(drafts))
          })
        )
      }),
    deleteMany: (keys) =>
      open(() => {
        const all = [...new Set(keys)].filter((key) => key.isWellFormed())
        return all.length === 0 ? Effect.void : locks.holdAll(all, store.removeMany(all))
      }),
    has: (key) => DataAgent.exists(family.at(key)),
    query: query === undefined ? undefined : (plan) => open(() => query(plan)),
    listing: listing === undefined ? undefined : (which) => open(() => listing(which))
  })
  return family
}

// A key that cannot be stored has no state, and refuses one.
const refusing = <S>(where: Where): StateRegister<S> => ({
  read: Effect.succeed(Option.none()),
  write: () => Effect.fail(illFormed(where)),
  remove: Effect.succeed(Option.none()),
  history: () => Stream.empty,
  at: () => Effect.succeed(Option.none()),
  asOf: () => Effect.succeed(Option.none()),
  changes: Stream.empty
})

// States encoded before others get their turn: some milliseconds, of states of some kilobytes.
const encodedAtOnce = 64

/** What `fromStore` takes besides. */
export interface StoreOptions<S> extends DataAgent.Options<S> {
  readonly store: Store
  readonly claims: Claims
}

/**
 * A family over a store of your own: a register for each key, and a way to list the keys. `readMany`, `writeMany` and
 * `removeMany` fall back to one call a key where the store has none.
 */
export const fromStore = <S>(options: StoreOptions<S>): Effect.Effect<Family<S>, StateInvalid, Scope.Scope> =>
  Effect.gen(function* () {
    const { claims, name, store } = options
    const codec = toCodec(options.schema)
    const lifetime = yield* Lifetime.make
    const hub = yield* Hub.make<Payload>()
    const initial = yield* DataAgent.ownInitial(codec, { agent: name }, options.initial)
    return fromStateStore({ name, codec, claims, initial, lifetime, store: toStateStore(store, codec, name, hub) })
  })

const toStateStore = <S>(store: Store, codec: Codec<S>, name: string, hub: Hub<Payload>): StateStore<S> => {
  const codecAt = (key: string): Codec<S> => codec.at?.({ agent: name, key }) ?? codec
  const at = (key: string, bound = codecAt(key)): StateRegister<S> =>
    fromEntries(store.at(key), bound, { agent: name, key }, hub.at(key))
  const { readMany, removeMany, writeMany } = store
  return {
    place: store.place,
    at,
    keys: store.keys,
    query: store.query,
    listing: store.listing,
    readMany: (keys) =>
      Effect.gen(function* () {
        const states = new Map<string, S>()
        if (readMany === undefined) {
          for (const key of keys) {
            const found = yield* at(key).read
            if (Option.isSome(found)) states.set(key, found.value.state)
          }
        } else {
          for (const [key, entry] of yield* readMany(keys)) {
            states.set(key, (yield* decodeEntry(codecAt(key), { agent: name, key }, entry)).state)
          }
        }
        return states
      }),
    writeMany: (drafts) =>
      Effect.gen(function* () {
        const entries: Array<readonly [string, NewEntry]> = []
        // Every state is encoded before the first one is written: one that does not fit leaves all as they were.
        for (const [key, draft] of drafts) {
          // By number and not by time, so that a seed of the laws' scheduler repeats a run.
          if (entries.length % encodedAtOnce === encodedAtOnce - 1) yield* Effect.yieldNow
          const bound = codecAt(key)
          const state = draft.payloadNow(bound) ?? (yield* draft.payload(bound))
          entries.push([key, { state, savedAt: draft.savedAt }])
        }
        if (writeMany === undefined) {
          return yield* Effect.forEach(drafts, ([key, draft]) => overwrite(at(key), draft), {
            discard: true
          })
        }
        yield* Effect.uninterruptible(
          Effect.map(writeMany(entries), (revisions) => {
            entries.forEach(([key, entry], i) => {
              const revision = revisions[i]
              if (revision !== undefined && hub.listening(key)) hub.publish(key, saved({ ...entry, revision }))
            })
          })
        )
      }),
    removeMany: (keys) =>
      removeMany === undefined
        ? Effect.forEach(keys, (key) => at(key).remove, { discard: true })
        : Effect.uninterruptible(
            Effect.map(removeMany(keys), (removed) => {
              for (const [key, revision] of removed) hub.publish(key, deleted(revision))
            })
          )
  }
}

/** The same family with every agent wrapped, say by a combinator that needs no scope. Batches go through the agents. */
export const mapAgents: {
  <S>(f: (agent: DataAgent.DataAgent<S>) => DataAgent.DataAgent<S>): (self: Family<S>) => Family<S>
  <S>(self: Family<S>, f: (agent: DataAgent.DataAgent<S>) => DataAgent.DataAgent<S>): Family<S>
} = Function.dual(2, <S>(self: Family<S>, f: (agent: DataAgent.DataAgent<S>) => DataAgent.DataAgent<S>): Family<S> => {
  const at = (key: string) => f(self.at(key))
  return fromAgents({ name: self.name, codec: self.codec, claims: at("").claims, at, keys: self.keys })
})

/** A family of given agents: what a combinator over families is made with. Batches go through them, where none are given. @internal */
export const fromAgents = <S>(
  members: Pick<Family<S>, "name" | "codec" | "claims" | "at" | "keys"> &
    Partial<Pick<Family<S>, "loadMany" | "saveMany" | "deleteMany" | "has" | "query" | "listing">>
): Family<S> => {
  const { at } = members
  return fromMembers<S>({
    loadMany: (keys) =>
      Effect.gen(function* () {
        const states = new Map<string, S>()
        for (const key of new Set(keys)) {
          const state = yield* DataAgent.loadOption(at(key))
          if (Option.isSome(state)) states.set(key, state.value)
        }
        return states
      }),
    saveMany: (states) => Effect.forEach(new Map(states), ([key, state]) => at(key).save(state), { discard: true }),
    deleteMany: (keys) => Effect.forEach(new Set(keys), (key) => at(key).delete, { discard: true }),
    has: (key) => DataAgent.exists(at(key)),
    ...members
  })
}

/** The agent of one key. */
export const at: {
  (key: string): <S>(self: Family<S>) => DataAgent.DataAgent<S>
  <S>(self: Family<S>, key: string): DataAgent.DataAgent<S>
} = Function.dual(2, <S>(self: Family<S>, key: string) => self.at(key))

/**
 * A service tag for a family: a program asks for it, a layer decides where the states live.
 *
 * ```ts
 * class Profiles extends Family.Service<Profiles, typeof Profile.Type>()("app/Profiles") {}
 * const inTests = Layer.effect(Profiles, VolatileAgent.family({ name: "profiles", schema: Profile }))
 * ```
 */
export const Service =
  <Self, S>() =>
  <const Id extends string>(id: Id): Context.ServiceClass<Self, Id, Family<S>> =>
    Context.Service<Self, Family<S>>()(id)
