/**
 * The working part of a vector agent: a family for what lasts, an engine and a map for what is looked up. The family
 * speaks first: an entry is shown once it is durable, and hidden once its removal is acknowledged.
 */
import { Array as Arr, Effect, type Schema, type Scope, Stream } from "effect"
import * as Codec from "../../schema/Codec.ts"
import type { Family } from "../Family.ts"
import { KeyedLock } from "../internal/keyedLock.ts"
import * as Lifetime from "../internal/lifetime.ts"
import { type Owned, own } from "../internal/owned.ts"
import { invalid } from "../internal/stateRegister.ts"
import { AgentClosed, StateCorrupt, StateInvalid, StateNotFound, type WriteError } from "../StateError.ts"
import type { Shape } from "./Embedder.ts"
import type { Engine, MakeEngine } from "./Engine.ts"
import { embedAll } from "./embedding.ts"
import * as Query from "./Query.ts"
import { type Metric, type Settings, Stored } from "./Stored.ts"
import { checkSettings } from "./settings.ts"
import { type EmbedderMismatch, EmbeddingFailed } from "./VectorError.ts"

/** What opening takes. */
export interface Options<A, E, R> {
  readonly name: string
  readonly schema: Schema.Codec<A, unknown>
  readonly text: (item: A) => string
  readonly items: (schema: Schema.Codec<Stored<A>, unknown>) => Effect.Effect<Family<Stored<A>>, E, R>
  readonly metric: Metric
  readonly engine: MakeEngine
  readonly embedder: Shape
}

// A prefix keeps every id, whatever it is, apart from the settings.
const itemPrefix = "i/"
const keyOf = (id: string): string => itemPrefix + id

// Items read in one round trip at open, and round trips under way at once.
const loadBatch = 500
const loadConcurrency = 4

/** An item on its way into the memory. */
interface Entry<A> {
  readonly id: string
  readonly owned: Owned<A>
  readonly item: A
  readonly text: string
}

type Embedded<A> = Entry<A> & { readonly vector: Float32Array }

export class Memory<in out A> {
  readonly settings: Settings
  readonly family: Family<Stored<A>>
  readonly #name: string
  readonly #codec: Codec.Codec<A>
  readonly #text: (item: A) => string
  readonly #embedder: Shape
  readonly #engine: Engine
  readonly #lifetime: Lifetime.Lifetime
  readonly #locks: KeyedLock
  readonly #items = new Map<string, Owned<A>>()

  private constructor(
    { embedder, engine, metric, name, schema, text }: Options<A, unknown, unknown>,
    family: Family<Stored<A>>,
    lifetime: Lifetime.Lifetime
  ) {
    this.settings = { embedder: embedder.identity, dimension: embedder.dimension, metric }
    this.family = family
    this.#name = name
    this.#codec = Codec.json(schema)
    this.#text = text
    this.#embedder = embedder
    this.#engine = engine({ dimension: embedder.dimension, metric })
    this.#lifetime = lifetime
    this.#locks = new KeyedLock(`memory "${name}"`)
  }

  static open<A, E, R>(
    options: Options<A, E, R>
  ): Effect.Effect<Memory<A>, E | WriteError | EmbedderMismatch | EmbeddingFailed, R | Scope.Scope> {
    return Effect.gen(function* () {
      const { dimension, identity } = options.embedder
      if (!Number.isSafeInteger(dimension) || dimension < 1) {
        const reason = `its dimension is ${dimension} and not a whole number from 1`
        return yield* Effect.fail(new EmbeddingFailed({ embedder: identity, reason, retryable: false }))
      }
      const family = yield* options.items(Stored(options.schema))
      const memory = new Memory<A>(options, family, yield* Lifetime.make)
      yield* Effect.addFinalizer(() => Effect.sync(() => memory.#clear()))
      yield* checkSettings(options.name, family, memory.settings)
      yield* memory.#load()
      return memory
    })
  }

  /** Runs an operation unless the scope has closed. */
  whenOpen<B, E, R>(run: () => Effect.Effect<B, E, R>): Effect.Effect<B, E | AgentClosed, R> {
    return Effect.suspend(
      (): Effect.Effect<B, E | AgentClosed, R> =>
        this.#lifetime.isClosed() ? Effect.fail(new AgentClosed({ agent: this.#name })) : run()
    )
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Reading: all from memory

  get size(): number {
    return this.#items.size
  }

  get(id: string): A | undefined {
    const owned = this.#items.get(id)
    return owned === undefined ? undefined : read(owned)
  }

  ids(): ReadonlyArray<string> {
    return [...this.#items.keys()]
  }

  entries(): ReadonlyArray<readonly [string, A]> {
    return Array.from(this.#items, ([id, owned]) => [id, read(owned)] as const)
  }

  search(query: Query.Query<A>) {
    const { filter, k = 10, minScore = Number.NEGATIVE_INFINITY } = query
    const passes = (id: string): boolean => {
      const owned = this.#items.get(id)
      return owned !== undefined && (filter === undefined || filter(read(owned), id))
    }
    return Effect.flatMap(Query.check(this.#name, this.settings.dimension, query), () => {
      if (k === 0 || this.size === 0) return Effect.succeed([])
      return Effect.flatMap(Query.embed(this.#embedder, query), (vector) =>
        this.#engine.search(vector, { k, minScore, accept: filter && passes }, (matches) =>
          matches.flatMap(({ id, score }) => {
            const owned = this.#items.get(id)
            return owned === undefined ? [] : [{ id, item: read(owned), score }]
          })
        )
      )
    })
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Writing: embedded before the lock, durable in the family, then shown

  add(entries: Iterable<readonly [string, A]>) {
    return Effect.gen({ self: this }, function* () {
      const all = yield* Effect.forEach(new Map(entries), ([id, item]) => this.#take(id, item))
      const vectors = yield* embedAll(
        this.#embedder,
        all.map(({ text }) => text)
      )
      const embedded = all.map((entry, i) => ({ ...entry, vector: vectors[i] ?? new Float32Array(0) }))
      yield* this.#locks.holdAll(
        all.map(({ id }) => id),
        this.#save(embedded)
      )
    })
  }

  update(id: string, f: (item: A) => A) {
    const change = Effect.gen({ self: this }, function* () {
      const owned = this.#items.get(id)
      if (owned === undefined) return yield* Effect.fail(new StateNotFound({ agent: this.#name, key: id }))
      const text = this.#text(read(owned))
      const entry = yield* this.#take(id, f(read(owned)))
      const kept = entry.text === text ? yield* this.family.loadMany([keyOf(id)]) : undefined
      const stored = kept?.get(keyOf(id))
      const vector = stored?._tag === "Item" ? stored.vector : (yield* embedAll(this.#embedder, [entry.text]))[0]
      yield* this.#save([{ ...entry, vector: vector ?? new Float32Array(0) }])
      return entry.item
    })
    return this.#locks.at(id).hold(change)
  }

  remove(ids: Iterable<string>) {
    const all = [...new Set(ids)]
    const [first] = all
    if (first === undefined) return Effect.void
    const keys = all.map(keyOf)
    const remove = all.length === 1 ? this.family.at(keyOf(first)).delete : this.family.deleteMany(keys)
    const hide = () => {
      for (const id of all) this.#hide(id)
    }
    return this.#locks.holdAll(all, this.#write(all, remove, hide))
  }

  /** A private copy of an item that fits its schema and has a text. */
  #take(id: string, item: A): Effect.Effect<Entry<A>, StateInvalid> {
    const where = { agent: this.#name, key: id }
    return Effect.flatMap(
      Effect.mapError(own(this.#codec, item), (error) => invalid(where, error)),
      (owned) => {
        const copy = read(owned)
        const text = this.#text(copy)
        const reason = "its text is blank, so that no search could find it"
        return Query.isBlank(text)
          ? Effect.fail(new StateInvalid({ ...where, path: [], reason }))
          : Effect.succeed({ id, owned, item: copy, text })
      }
    )
  }

  #save(entries: ReadonlyArray<Embedded<A>>): Effect.Effect<void, WriteError> {
    const states = entries.map(
      ({ id, item, vector }) => [keyOf(id), { _tag: "Item", item, vector } satisfies Stored<A>] as const
    )
    const [first] = states
    if (first === undefined) return Effect.void
    const save = states.length === 1 ? this.family.at(first[0]).save(first[1]) : this.family.saveMany(states)
    const ids = entries.map(({ id }) => id)
    return this.#write(ids, save, () => {
      for (const { id, owned, vector } of entries) this.#show(id, owned, vector)
    })
  }

  /**
   * Writes to the family, then to the index. Runs to its end once begun, so that an interrupt cannot come between. After
   * a failure the index shows what the family answers: part of a batch may be stored, and an indeterminate write may be.
   */
  #write(ids: ReadonlyArray<string>, write: Effect.Effect<void, WriteError>, show: () => void) {
    return Effect.uninterruptible(
      Effect.map(
        Effect.onError(write, () => Effect.ignore(this.#loadItems(ids, true))),
        show
      )
    )
  }

  #show(id: string, owned: Owned<A>, vector: Float32Array): void {
    this.#engine.set(id, vector)
    this.#items.set(id, owned)
  }

  #hide(id: string): void {
    this.#engine.delete(id)
    this.#items.delete(id)
  }

  #clear(): void {
    this.#engine.clear()
    this.#items.clear()
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Opening

  #load() {
    return Effect.gen({ self: this }, function* () {
      const keys = yield* Stream.runCollect(this.family.keys({ prefix: itemPrefix }))
      this.#engine.reserve(keys.length)
      const ids = keys.map((key) => key.slice(itemPrefix.length))
      yield* Effect.forEach(Arr.chunksOf(ids, loadBatch), (batch) => this.#loadItems(batch, false), {
        concurrency: loadConcurrency,
        discard: true
      })
    })
  }

  /** Shows what the family holds under these ids; hides those it does not hold, where any could be shown already. */
  #loadItems(ids: ReadonlyArray<string>, hide: boolean) {
    return Effect.gen({ self: this }, function* () {
      const found = yield* this.family.loadMany(ids.map(keyOf))
      for (const id of ids) {
        const stored = found.get(keyOf(id))
        if (stored === undefined) {
          if (hide) this.#hide(id)
        } else if (stored._tag !== "Item") {
          return yield* Effect.fail(this.#corrupt(id, "it holds settings, not an item"))
        } else if (stored.vector.length !== this.settings.dimension) {
          const lengths = `${stored.vector.length} numbers instead of ${this.settings.dimension}`
          return yield* Effect.fail(this.#corrupt(id, `its vector has ${lengths}`))
        } else {
          const owned = yield* Effect.mapError(own(this.#codec, stored.item), (error) =>
            this.#corrupt(id, error.reason)
          )
          this.#show(id, owned, stored.vector)
        }
      }
    })
  }

  #corrupt(key: string, reason: string): StateCorrupt {
    return new StateCorrupt({ agent: this.#name, key, location: `family "${this.family.name}"`, reason })
  }
}

// A copy that was made once can be made again: a failure here is a schema that does not keep its word.
const read = <A>(owned: Owned<A>): A => Effect.runSync(Effect.orDie(owned.get))
