/**
 * State in memory. A load costs the same at 1 KB and at 10 MB.
 *
 * - Promises: `volatile`, `linearizable`, shared by the fibers of one `process`; history as far as `history` says.
 * - Costs: one check against the schema and one frozen copy a save; nothing a load, except for what JavaScript cannot
 *   freeze (Date, Map, Set, bytes), which is copied again for each load. Values of classes are copied by their schema.
 * - Fails: with `StateInvalid` when a state does not fit, with `StorageUnavailable` when an option is not what it has to be,
 *   and `AgentClosed` after its scope.
 */
import { type Context, Effect, Exit, Layer, Option, type Scope, Stream } from "effect"
import { byteLength, type Codec, toCodec } from "../schema/Codec.ts"
import { type Claims, type ExactHistory, historyLength } from "./Claims.ts"
import * as DataAgent from "./DataAgent.ts"
import * as Family from "./Family.ts"
import { type Announcer, Hub } from "./internal/hub.ts"
import * as KeyedLock from "./internal/keyedLock.ts"
import * as Lifetime from "./internal/lifetime.ts"
import { memoryMember } from "./internal/memoryStorage.ts"
import { bytes, check, count, exactHistory, optional, schema, text } from "./internal/options.ts"
import { type Owned, own } from "./internal/owned.ts"
import {
  type Draft,
  invalid,
  overwrite,
  type Saving,
  type StateRegister,
  type Where
} from "./internal/stateRegister.ts"
import * as Register from "./Register.ts"
import * as Revision from "./Revision.ts"
import { type RevisionConflict, StateCorrupt, type StateInvalid, type StorageUnavailable } from "./StateError.ts"

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

// ---------------------------------------------------------------------------------------------------------------------
// Memory

interface Cell<S> {
  /** Oldest first; the last one is current. */
  readonly revisions: Array<Revision.Revisioned<Owned<S>>>
  /** Encoded size of the current state, when sizes are limited. */
  bytes: number
}

class Memory<in out S> {
  readonly #codec: Codec<S>
  readonly #name: string
  readonly #keep: number
  readonly #maxKeys: number
  readonly #maxBytes: number | undefined
  readonly #hub: Hub<Owned<S>>
  // In order of use, least recent first: a Map keeps insertion order, and a use inserts again.
  readonly #cells = new Map<string, Cell<S>>()
  #bytes = 0
  // The highest revision of any key that was deleted or forgotten: a key that comes back starts above it.
  #floor = 0

  constructor(codec: Codec<S>, options: FamilyOptions<S>, hub: Hub<Owned<S>>) {
    this.#codec = codec
    this.#name = options.name
    this.#keep = historyLength(options.history ?? "none")
    this.#maxKeys = options.maxKeys ?? Number.POSITIVE_INFINITY
    this.#maxBytes = options.maxBytes
    this.#hub = hub
  }

  at(key: string, where: Where, codec = this.#codec): StateRegister<S> {
    return new InMemory(this, key, where, codec)
  }

  announcer(key: string): Announcer<Owned<S>> {
    return this.#hub.at(key)
  }

  /** Oldest first. */
  revisions(key: string): ReadonlyArray<Revision.Revisioned<Owned<S>>> {
    return this.#cells.get(key)?.revisions ?? []
  }

  /** The current state, which is used by that. */
  current(key: string): Revision.Revisioned<Owned<S>> | undefined {
    return this.#use(key)?.revisions.at(-1)
  }

  store(): Family.StateStore<S> {
    const at = (key: string, codec?: Codec<S>) => this.at(key, { agent: this.#name, key }, codec)
    return {
      at,
      keys: (prefix) =>
        Stream.suspend(() => Stream.fromIterable([...this.#cells.keys()].filter((key) => key.startsWith(prefix)))),
      readMany: (keys) =>
        Effect.gen(function* () {
          const states = new Map<string, S>()
          for (const key of keys) {
            const found = yield* at(key).read
            if (Option.isSome(found)) states.set(key, found.value.state)
          }
          return states
        }),
      writeMany: (drafts) => Effect.forEach(drafts, ([key, draft]) => overwrite(at(key), draft), { discard: true }),
      removeMany: (keys) =>
        Effect.sync(() => {
          for (const key of keys) this.remove(key)
        })
    }
  }

  clear(): void {
    this.#cells.clear()
    this.#bytes = 0
  }

  #use(key: string): Cell<S> | undefined {
    const cell = this.#cells.get(key)
    if (cell !== undefined && this.#limited) {
      this.#cells.delete(key)
      this.#cells.set(key, cell)
    }
    return cell
  }

  get #limited(): boolean {
    return this.#maxBytes !== undefined || this.#maxKeys !== Number.POSITIVE_INFINITY
  }

  write(key: string, where: Where, draft: Draft<S>, expected: Revision.Expected): Saving {
    const size = this.#maxBytes === undefined ? Effect.succeed(0) : Effect.map(draft.payload(this.#codec), byteLength)
    return Effect.flatMap(size, (bytes) =>
      Effect.flatMap(
        Effect.mapError(own(this.#codec, draft.state), (error) => invalid(where, error)),
        // From the comparison to the insertion nothing yields, which is what makes the step atomic.
        (owned) => Effect.suspend(() => this.commit(key, where, owned, draft.savedAt, bytes, expected))
      )
    )
  }

  revision(key: string): Revision.Revision {
    return this.revisions(key).at(-1)?.revision ?? Revision.absent
  }

  commit(
    key: string,
    where: Where,
    state: Owned<S>,
    savedAt: number,
    bytes: number,
    expected: Revision.Expected
  ): Exit.Exit<Revision.Revision, RevisionConflict> {
    const cell = this.#cells.get(key)
    const actual = this.revision(key)
    const revision = Revision.make((cell === undefined ? this.#floor : actual) + 1)
    return Exit.map(Register.check(where, expected, actual), () => {
      const revisions = cell?.revisions ?? []
      revisions.push({ state, savedAt, revision })
      if (revisions.length > this.#keep) revisions.splice(0, revisions.length - this.#keep)
      this.#bytes += bytes - (cell?.bytes ?? 0)
      this.#cells.delete(key)
      this.#cells.set(key, { revisions, bytes })
      this.#hub.publish(key, Revision.saved({ state, savedAt, revision }))
      this.#evict()
      return revision
    })
  }

  // The newest state stays even if it alone is over `maxBytes`: what was just acknowledged can be loaded.
  #evict(): void {
    const over = () => this.#cells.size > this.#maxKeys || this.#bytes > (this.#maxBytes ?? Number.POSITIVE_INFINITY)
    for (const key of this.#cells.keys()) {
      if (!over() || this.#cells.size <= 1) return
      this.remove(key)
    }
  }

  remove(key: string): Option.Option<Revision.Revision> {
    const cell = this.#cells.get(key)
    const revision = cell?.revisions.at(-1)?.revision
    if (cell === undefined || revision === undefined) return Option.none()
    this.#cells.delete(key)
    this.#bytes -= cell.bytes
    this.#floor = Math.max(this.#floor, revision)
    this.#hub.publish(key, Revision.deleted(revision))
    return Option.some(revision)
  }
}

// Members on the prototype: the register of a key is made for each use of the key, and kept with each key that is cached.
class InMemory<in out S> implements StateRegister<S> {
  readonly entries = "states"
  readonly #memory: Memory<S>
  readonly #key: string
  readonly #where: Where
  readonly #codec: Codec<S>

  constructor(memory: Memory<S>, key: string, where: Where, codec: Codec<S>) {
    this.#memory = memory
    this.#key = key
    this.#where = where
    this.#codec = codec
  }

  get read(): StateRegister<S>["read"] {
    return this.#found(() => this.#memory.current(this.#key))
  }

  write(draft: Draft<S>, expected: Revision.Expected): Saving {
    return this.#memory.write(this.#key, this.#where, draft, expected)
  }

  get remove(): StateRegister<S>["remove"] {
    return Effect.sync(() => this.#memory.remove(this.#key))
  }

  history({ before, limit }: Revision.HistoryOptions = {}): ReturnType<StateRegister<S>["history"]> {
    return Stream.suspend(() => {
      const all = this.#memory.revisions(this.#key).toReversed()
      const older = before === undefined ? all : all.filter((kept) => kept.revision < before)
      const shown = older.slice(0, Math.max(0, limit ?? older.length))
      return Stream.mapEffect(Stream.fromIterable(shown), (kept) => this.#hand(kept))
    })
  }

  at(revision: Revision.Revision): StateRegister<S>["read"] {
    return this.#found(() => this.#memory.revisions(this.#key).find((kept) => kept.revision === revision))
  }

  asOf(time: number): StateRegister<S>["read"] {
    return this.#found(() => this.#memory.revisions(this.#key).findLast(({ savedAt }) => savedAt <= time))
  }

  get changes(): StateRegister<S>["changes"] {
    const current = Effect.sync(() => Option.fromUndefinedOr(this.#memory.revisions(this.#key).at(-1)))
    return Stream.mapEffect(this.#memory.announcer(this.#key).changes(current), (change) =>
      change._tag === "Deleted" ? Effect.succeed(change) : Effect.map(this.#hand(change), Revision.saved)
    )
  }

  get member(): StateRegister<S>["member"] {
    const [memory, key, where] = [this.#memory, this.#key, this.#where]
    return memoryMember<S>({
      place: memory,
      key,
      codec: this.#codec,
      where,
      read: this.read,
      revision: () => memory.revision(key),
      save: (state, savedAt, bytes) => memory.commit(key, where, state, savedAt, bytes, "any"),
      remove: () => memory.remove(key)
    })
  }

  #found(find: () => Revision.Revisioned<Owned<S>> | undefined): StateRegister<S>["read"] {
    return Effect.suspend(() => {
      const kept = find()
      return kept === undefined ? Effect.succeed(Option.none()) : Effect.map(this.#hand(kept), Option.some)
    })
  }

  #hand(kept: Revision.Revisioned<Owned<S>>): Effect.Effect<Revision.Revisioned<S>, StateCorrupt> {
    return Effect.mapBoth(kept.state.get, {
      onSuccess: (state): Revision.Revisioned<S> => ({ state, revision: kept.revision, savedAt: kept.savedAt }),
      onFailure: (error) => new StateCorrupt({ ...this.#where, location: "memory", reason: error.reason })
    })
  }
}
