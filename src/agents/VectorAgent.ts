/**
 * Semantic memory: items that are found by what their text says. Items live in a family, the index in memory, with the
 * option `index` also in a file, and with pgvector in a table alone.
 *
 * - Promises: the durability and the consistency of its family. An item is durable before it is found, an acknowledged
 *   `add` is always found, also after a restart, and a removed item never shows again, whatever becomes of the index: the
 *   items are the truth, and each open compares. Shared by the fibers of one `process`: what another process writes to the
 *   family is seen at the next `refresh` or open.
 * - Costs: memory for the vectors (4 bytes a number) and for the items as they are, so that filters and hits read
 *   nothing; one embedding an `add`; one scan a search; at open one read of everything. With `index`, memory for vectors and
 *   ids only, and with pgvector for ids only; one small read after each write, one read a search, `get` or update, and at open the
 *   index, the commit numbers of all items (one query where the family answers such, otherwise all items) and the items that have
 *   changed. What comes out is frozen, or a copy for each reader of what JavaScript cannot freeze (Date, Map, Set, bytes).
 * - Fails: as its family does, and with `EmbedderMismatch` at open, `EmbeddingFailed`, `QueryInvalid`, `DimensionMismatch`.
 *
 * Scores, higher is better for every metric, equal ones in the order of their ids:
 * - `cosine`: the cosine of the angle, -1 to 1; a zero vector scores 0 with everything
 * - `dot`: the dot product
 * - `euclidean`: minus the distance, so that 0 is best
 * - of a hybrid search: 0 to 1, made of the places in two rankings; see `HybridOptions`
 */
import { Context, Effect, Function, Layer, type Option, Pipeable, Predicate, type Schema, type Scope } from "effect"
import { type Claims, weaker } from "./Claims.ts"
import type { Family } from "./Family.ts"
import { check, count, optional, record, rule, text } from "./internal/options.ts"
import type { AgentClosed, ReadError, StateNotFound, WriteError } from "./StateError.ts"
import { Embedder } from "./vector/Embedder.ts"
import type { MakeEngine } from "./vector/Engine.ts"
import { exact } from "./vector/exact.ts"
import type { HybridOptions } from "./vector/hybrid.ts"
import type { IndexOptions } from "./vector/KeptIndex.ts"
import { Memory } from "./vector/Memory.ts"
import type { Query, QueryOptions } from "./vector/Query.ts"
import type { Metric, Settings, Stored } from "./vector/Stored.ts"
import type { Hit, SearchError } from "./vector/searching.ts"
import type { EmbedderMismatch, EmbeddingFailed } from "./vector/VectorError.ts"

export type { Hit, HybridOptions, IndexOptions, Metric, Query, QueryOptions, SearchError, Settings, Stored }

const TypeId: unique symbol = Symbol.for("dgents/VectorAgent")

/** What adding can fail with. */
export type AddError = WriteError | EmbeddingFailed

/** What opening can fail with, besides the errors of the family's own constructor. */
export type OpenError = WriteError | EmbedderMismatch | EmbeddingFailed

/** Items by id, found by the nearness of their vectors. */
export interface VectorAgent<in out A> extends Pipeable.Pipeable {
  readonly [TypeId]: typeof TypeId
  readonly name: string
  readonly claims: Claims
  /** How the vectors of this memory are made and compared. */
  readonly settings: Settings
  readonly size: Effect.Effect<number, AgentClosed>
  /** Takes in what other processes have written to the family since it was last read; done at open. */
  readonly refresh: Effect.Effect<void, ReadError>
  /** Adds an item, or replaces the one under this id. Found as soon as it is acknowledged. An id is any string. */
  readonly add: (id: string, item: A) => Effect.Effect<void, AddError>
  /**
   * Adds many items: embeds in batches, then saves them in one `saveMany` of the family, under its terms of all or none.
   * They become visible together. Of an id given twice the last item counts.
   */
  readonly addMany: (entries: Iterable<readonly [id: string, item: A]>) => Effect.Effect<void, AddError>
  /** Replaces an item by a pure function of it, atomically, and answers the new one. A text that stays is not embedded again. */
  readonly update: (id: string, f: (item: A) => A) => Effect.Effect<A, AddError | StateNotFound>
  /** Removes an item. Removing what is not there succeeds. */
  readonly remove: (id: string) => Effect.Effect<void, WriteError>
  /** Removes many items, in one `deleteMany` of the family. */
  readonly removeMany: (ids: Iterable<string>) => Effect.Effect<void, WriteError>
  readonly get: (id: string) => Effect.Effect<Option.Option<A>, ReadError>
  /** All ids, in no particular order. */
  readonly ids: Effect.Effect<ReadonlyArray<string>, AgentClosed>
  /** All items with their ids, in no particular order. */
  readonly entries: Effect.Effect<ReadonlyArray<readonly [id: string, item: A]>, ReadError>
  /** The best hits, best first. An empty memory, or `k: 0`, gives none, and embeds nothing. */
  readonly search: (query: Query<A>) => Effect.Effect<ReadonlyArray<Hit<A>>, SearchError>
}

/** Whether a value is a vector agent. */
export const isVectorAgent = (u: unknown): u is VectorAgent<unknown> =>
  typeof u === "object" && u !== null && TypeId in u

// ---------------------------------------------------------------------------------------------------------------------
// Options

/** What `make` takes. */
export interface Options<A, E, R> {
  /** Names the memory in errors. */
  readonly name: string
  /** What an item looks like. The stored form is the family's business: wrap the schema that `items` is given. */
  readonly schema: Schema.Codec<A, unknown>
  /** The text of an item that is embedded. It must not be blank (`StateInvalid`), nor should this throw: that is a defect. */
  readonly text: (item: A) => string
  /**
   * Where the items live: any family of this schema, used by this memory alone, such as
   * `(schema) => SqlAgent.family({ name: "notes", schema })`.
   */
  readonly items: (schema: Schema.Codec<Stored<A>, unknown>) => Effect.Effect<Family<Stored<A>>, E, R>
  /** How vectors are compared. Default: `"cosine"`. */
  readonly metric?: Metric | undefined
  /** What ranks the vectors. Default: the exact engine. */
  readonly engine?: MakeEngine | undefined
  /**
   * Keeps the index in a file, so that opening reads only the items that have changed since it was saved. Items are then not
   * held in memory: `get`, `entries` and hits are read from the family. pgvector does the same in its table without being told.
   */
  readonly index?: IndexOptions | undefined
}

const rules = {
  index: optional(
    record({
      path: text,
      every: optional(count),
      progress: optional(rule("a function of how many are done, and of how many", Predicate.isFunction))
    })
  )
}

// ---------------------------------------------------------------------------------------------------------------------
// Claims

/** What a vector agent promises over a family that makes these claims. */
export const claims = (family: Claims): Claims =>
  weaker(family, { durability: "replicated", consistency: "linearizable", sharing: "process", history: "none" })

// ---------------------------------------------------------------------------------------------------------------------
// make

const Prototype = { ...Pipeable.Prototype, [TypeId]: TypeId } as const

/** Opens a memory: checks that the embedder is the one it was made with, and loads all items. */
export const make = <A, E, R>(
  options: Options<A, E, R>
): Effect.Effect<VectorAgent<A>, E | OpenError, R | Scope.Scope | Embedder> =>
  Effect.gen(function* () {
    yield* check(options, rules)
    const memory = yield* Memory.open({
      ...options,
      embedder: yield* Embedder,
      metric: options.metric ?? "cosine",
      engine: options.engine ?? exact
    })
    const agent: Omit<VectorAgent<A>, keyof Pipeable.Pipeable | typeof TypeId> = {
      name: options.name,
      claims: claims(memory.claims),
      settings: memory.settings,
      size: memory.whenOpen(() => Effect.succeed(memory.size)),
      refresh: memory.whenOpen(() => memory.refresh),
      add: (id, item) => memory.whenOpen(() => memory.add([[id, item]])),
      addMany: (entries) => memory.whenOpen(() => memory.add(entries)),
      update: (id, f) => memory.whenOpen(() => memory.update(id, f)),
      remove: (id) => memory.whenOpen(() => memory.remove([id])),
      removeMany: (ids) => memory.whenOpen(() => memory.remove(ids)),
      get: (id) => memory.whenOpen(() => memory.get(id)),
      ids: memory.whenOpen(() => Effect.succeed(memory.ids())),
      entries: memory.whenOpen(() => memory.entries()),
      search: (query) => memory.whenOpen(() => memory.search(query))
    }
    return Object.assign(Object.create(Prototype) as typeof Prototype, agent)
  })

// ---------------------------------------------------------------------------------------------------------------------
// layer

/** A layer for a service tag of one memory. */
export const layer = <Self, A, E, R>(
  tag: Context.Key<Self, VectorAgent<A>>,
  options: Options<A, E, R>
): Layer.Layer<Self, E | OpenError, Exclude<R, Scope.Scope> | Embedder> => Layer.effect(tag, make(options))

/**
 * A service tag for a memory: a program asks for it, a layer decides where the items live and what embeds them.
 *
 * ```ts
 * class Notes extends VectorAgent.Service<Notes, typeof Note.Type>()("app/Notes") {}
 * const similar = Effect.flatMap(Notes, (notes) => notes.search({ text: "how do we deploy?", k: 3 }))
 * ```
 */
export const Service =
  <Self, A>() =>
  <const Id extends string>(id: Id): Context.ServiceClass<Self, Id, VectorAgent<A>> =>
    Context.Service<Self, VectorAgent<A>>()(id)

// ---------------------------------------------------------------------------------------------------------------------
// Functions, agent first or last

/** Adds an item, or replaces the one under this id. */
export const add: {
  <A>(id: string, item: A): (self: VectorAgent<A>) => Effect.Effect<void, AddError>
  <A>(self: VectorAgent<A>, id: string, item: A): Effect.Effect<void, AddError>
} = Function.dual(3, <A>(self: VectorAgent<A>, id: string, item: A) => self.add(id, item))

/** Adds many items. */
export const addMany: {
  <A>(entries: Iterable<readonly [id: string, item: A]>): (self: VectorAgent<A>) => Effect.Effect<void, AddError>
  <A>(self: VectorAgent<A>, entries: Iterable<readonly [id: string, item: A]>): Effect.Effect<void, AddError>
} = Function.dual(2, <A>(self: VectorAgent<A>, entries: Iterable<readonly [string, A]>) => self.addMany(entries))

/** Replaces an item by a pure function of it, atomically, and answers the new one. */
export const update: {
  <A>(id: string, f: (item: A) => A): (self: VectorAgent<A>) => Effect.Effect<A, AddError | StateNotFound>
  <A>(self: VectorAgent<A>, id: string, f: (item: A) => A): Effect.Effect<A, AddError | StateNotFound>
} = Function.dual(3, <A>(self: VectorAgent<A>, id: string, f: (item: A) => A) => self.update(id, f))

/** Removes an item. */
export const remove: {
  (id: string): <A>(self: VectorAgent<A>) => Effect.Effect<void, WriteError>
  <A>(self: VectorAgent<A>, id: string): Effect.Effect<void, WriteError>
} = Function.dual(2, <A>(self: VectorAgent<A>, id: string) => self.remove(id))

/** Removes many items. */
export const removeMany: {
  (ids: Iterable<string>): <A>(self: VectorAgent<A>) => Effect.Effect<void, WriteError>
  <A>(self: VectorAgent<A>, ids: Iterable<string>): Effect.Effect<void, WriteError>
} = Function.dual(2, <A>(self: VectorAgent<A>, ids: Iterable<string>) => self.removeMany(ids))

/** The item under an id. */
export const get: {
  (id: string): <A>(self: VectorAgent<A>) => Effect.Effect<Option.Option<A>, ReadError>
  <A>(self: VectorAgent<A>, id: string): Effect.Effect<Option.Option<A>, ReadError>
} = Function.dual(2, <A>(self: VectorAgent<A>, id: string) => self.get(id))

/** The best hits, best first. */
export const search: {
  <A>(query: Query<A>): (self: VectorAgent<A>) => Effect.Effect<ReadonlyArray<Hit<A>>, SearchError>
  <A>(self: VectorAgent<A>, query: Query<A>): Effect.Effect<ReadonlyArray<Hit<A>>, SearchError>
} = Function.dual(2, <A>(self: VectorAgent<A>, query: Query<A>) => self.search(query))
