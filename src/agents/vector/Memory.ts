/**
 * The working part of a vector agent: a family for what lasts, an engine and a map for what is looked up. The family
 * speaks first: an entry is shown once it is durable, and hidden once its removal is acknowledged.
 */
import { Array as Arr, Effect, Option, type Schema, type Scope, Stream } from "effect"
import * as Codec from "../../schema/Codec.ts"
import type { Family } from "../Family.ts"
import { KeyedLock } from "../internal/keyedLock.ts"
import * as Lifetime from "../internal/lifetime.ts"
import { type Owned, own } from "../internal/owned.ts"
import { invalid } from "../internal/stateRegister.ts"
import {
  AgentClosed,
  type ReadError,
  StateCorrupt,
  StateInvalid,
  StateNotFound,
  type WriteError
} from "../StateError.ts"
import { Words } from "./bm25.ts"
import type { Shape } from "./Embedder.ts"
import type { MakeEngine } from "./Engine.ts"
import { embedAll } from "./embedding.ts"
import * as KeptIndex from "./KeptIndex.ts"
import { idOf, itemPrefix, keyOf } from "./keys.ts"
import * as Query from "./Query.ts"
import { Shown, type Entry as ShownEntry } from "./Shown.ts"
import { type Metric, type Settings, Stored, type StoredItem } from "./Stored.ts"
import { type Searched, search } from "./searching.ts"
import { checkSettings } from "./settings.ts"
import * as Stamps from "./stamps.ts"
import { turns } from "./turns.ts"
import { type EmbedderMismatch, EmbeddingFailed } from "./VectorError.ts"
import * as Where from "./where.ts"

/** What opening takes. */
export interface Options<A, E, R> {
  readonly name: string
  readonly schema: Schema.Codec<A, unknown>
  readonly text: (item: A) => string
  readonly items: (schema: Schema.Codec<Stored<A>, unknown>) => Effect.Effect<Family<Stored<A>>, E, R>
  readonly metric: Metric
  readonly engine: MakeEngine
  readonly embedder: Shape
  readonly index?: KeptIndex.IndexOptions | undefined
}

// Items read in one round trip, and round trips under way at once.
const loadBatch = 500
const loadConcurrency = 4

// A family may answer at once, and other fibers want to run.
const turn = Effect.suspend(() => (turns.begin() ? Effect.void : turns.next))

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
  readonly #shown: Shown<A>
  readonly #lifetime: Lifetime.Lifetime
  readonly #locks: KeyedLock
  /** Told of every item that is shown or hidden, for searches by words. */
  readonly #words: Words

  private constructor(
    { embedder, name, schema, text }: Options<A, unknown, unknown>,
    settings: Settings,
    family: Family<Stored<A>>,
    shown: Shown<A>,
    words: Words,
    lifetime: Lifetime.Lifetime
  ) {
    this.settings = settings
    this.family = family
    this.#name = name
    this.#codec = Codec.json(schema)
    this.#text = text
    this.#embedder = embedder
    this.#shown = shown
    this.#words = words
    this.#lifetime = lifetime
    this.#locks = new KeyedLock(`memory "${name}"`)
  }

  static open<A, E, R>(
    options: Options<A, E, R>
  ): Effect.Effect<Memory<A>, E | WriteError | EmbedderMismatch | EmbeddingFailed, R | Scope.Scope> {
    return Effect.gen(function* () {
      const { embedder, metric, name } = options
      const { dimension, identity } = embedder
      if (!Number.isSafeInteger(dimension) || dimension < 1) {
        const reason = `its dimension is ${dimension} and not a whole number from 1`
        return yield* Effect.fail(new EmbeddingFailed({ embedder: identity, reason, retryable: false }))
      }
      const family = yield* options.items(Stored(options.schema))
      const lifetime = yield* Lifetime.make
      const settings: Settings = { embedder: identity, dimension, metric }
      const id = yield* checkSettings(name, family, settings)
      const engine = options.engine({ dimension, metric })
      const index = options.index === undefined ? undefined : yield* KeptIndex.make(name, id, engine, options.index)
      const words = new Words()
      const shown = new Shown<A>(engine, words, index)
      const memory = new Memory<A>(options, settings, family, shown, words, lifetime)
      yield* Effect.addFinalizer(() =>
        Effect.andThen(
          index?.save ?? Effect.void,
          Effect.sync(() => shown.clear())
        )
      )
      yield* index?.load ?? Effect.void
      yield* memory.refresh
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
  // Reading: from memory, and from the family what is not there

  get size(): number {
    return this.#shown.size
  }

  ids(): ReadonlyArray<string> {
    return [...this.#shown.ids()]
  }

  get(id: string): Effect.Effect<Option.Option<A>, ReadError> {
    return Effect.map(this.#itemsOf([id]), (items) => Option.fromUndefinedOr(items.get(id)))
  }

  entries(): Effect.Effect<ReadonlyArray<readonly [string, A]>, ReadError> {
    return Effect.map(
      Effect.forEach(Arr.chunksOf(this.ids(), loadBatch), (ids) => Effect.andThen(turn, this.#itemsOf(ids))),
      (batches) => batches.flatMap((items) => [...items])
    )
  }

  #itemsOf(ids: ReadonlyArray<string>): Effect.Effect<ReadonlyMap<string, A>, ReadError> {
    if (this.#shown.index !== undefined)
      return Effect.map(this.#storedOf(ids.filter((id) => this.#shown.has(id))), (found) => {
        const items = new Map<string, A>()
        for (const [id, { item }] of found) items.set(id, item)
        return items
      })
    const items = new Map<string, A>()
    for (const id of ids) {
      const owned = this.#shown.held(id)
      if (owned !== undefined) items.set(id, read(owned))
    }
    return Effect.succeed(items)
  }

  /** Items as the family has them. */
  #storedOf(ids: ReadonlyArray<string>): Effect.Effect<ReadonlyMap<string, StoredItem<A>>, ReadError> {
    return Effect.flatMap(this.family.loadMany(ids.map(keyOf)), (found) => {
      const items = new Map<string, StoredItem<A>>()
      for (const [key, stored] of found) {
        const id = idOf(key)
        if (stored._tag !== "Item") return Effect.fail(this.#corrupt(id, "it holds settings, not an item"))
        if (stored.vector.length !== this.settings.dimension) {
          const lengths = `${stored.vector.length} numbers instead of ${this.settings.dimension}`
          return Effect.fail(this.#corrupt(id, `its vector has ${lengths}`))
        }
        items.set(id, stored)
      }
      return Effect.succeed(items)
    })
  }

  search(query: Query.Query<A>) {
    const searched: Searched<A> = {
      name: this.#name,
      settings: this.settings,
      embedder: this.#embedder,
      engine: this.#shown.engine,
      codec: this.#codec,
      textOf: this.#text,
      words: this.#words,
      ids: () => this.#shown.ids(),
      items: {
        held: this.#shown.index === undefined ? (id) => this.#shown.held(id) : undefined,
        stored: (ids) => this.#storedOf(ids),
        matching: (condition) => Effect.map(Where.keys(this.family, condition), (keys) => keys.map(idOf))
      }
    }
    const found = search(searched, query)
    // Where items are read after they were scored, both have to be of the same moment.
    return this.#shown.index?.unchanged(found, (hits) => hits.map(({ id }) => id)) ?? found
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
      const before = (yield* this.#itemsOf([id])).get(id)
      if (before === undefined) return yield* Effect.fail(new StateNotFound({ agent: this.#name, key: id }))
      const text = this.#text(before)
      const entry = yield* this.#take(id, f(before))
      const kept = entry.text === text ? yield* this.#storedOf([id]) : undefined
      const vector = kept?.get(id)?.vector ?? (yield* embedAll(this.#embedder, [entry.text]))[0]
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
    const hide = Effect.sync(() => {
      for (const id of all) this.#shown.hide(id)
    })
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
    return Effect.clockWith((clock) => {
      const begun = clock.currentTimeMillisUnsafe()
      const show = Effect.flatMap(this.#stampsOf(ids), (stamps) => {
        const ended = clock.currentTimeMillisUnsafe()
        return this.#shown.show(
          entries.map((entry) => {
            const stamp = stamps?.get(entry.id)
            // What was saved at another time somebody else has saved.
            const isMine = stamp !== undefined && begun <= stamp.savedAt && stamp.savedAt <= ended
            return { ...entry, stamp: isMine ? stamp : undefined }
          })
        )
      })
      return this.#write(ids, save, show)
    })
  }

  /** Where an index is kept, the stamps of items. Without them an item is read again at the next open, and that is all. */
  #stampsOf(ids: ReadonlyArray<string>): Effect.Effect<ReadonlyMap<string, Stamps.Stamp> | undefined> {
    if (this.#shown.index === undefined) return Effect.succeed(undefined)
    return Effect.catch(Stamps.of(this.family, ids), () => Effect.succeed(undefined))
  }

  /**
   * Writes to the family, then to the index. Runs to its end once begun, so that an interrupt cannot come between. After
   * a failure the index shows what the family answers: part of a batch may be stored, and an indeterminate write may be.
   */
  #write(ids: ReadonlyArray<string>, write: Effect.Effect<void, WriteError>, show: Effect.Effect<void>) {
    const written = Effect.andThen(
      Effect.onError(write, () => Effect.ignore(this.#loadItems(ids))),
      show
    )
    return Effect.andThen(Effect.uninterruptible(written), this.#shown.index?.saveIfDue ?? Effect.void)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Catching up with the family

  /** Shows what the family holds, whoever wrote it. Where an index is kept, only what differs from it is read. */
  get refresh(): Effect.Effect<void, ReadError> {
    return Effect.gen({ self: this }, function* () {
      const { engine, index } = this.#shown
      const stamps = index === undefined ? undefined : yield* Stamps.all(this.family)
      const ids =
        index === undefined || stamps === undefined
          ? new Set([...(yield* this.#storedIds), ...this.#shown.ids()])
          : index.stale(stamps)
      const all = [...ids]
      engine.reserve(stamps?.size ?? all.length)
      let done = 0
      const load = (batch: ReadonlyArray<string>) =>
        Effect.map(Effect.andThen(turn, this.#locks.holdAll(batch, this.#loadItems(batch, stamps))), () => {
          done += batch.length
          index?.options.progress?.(done, all.length)
        })
      yield* Effect.forEach(Arr.chunksOf(all, loadBatch), load, { concurrency: loadConcurrency, discard: true })
      yield* index?.saveIfDue ?? Effect.void
    })
  }

  get #storedIds(): Effect.Effect<ReadonlyArray<string>, ReadError> {
    return Effect.map(Stream.runCollect(this.family.keys({ prefix: itemPrefix })), (keys) => keys.map(idOf))
  }

  /** Shows what the family holds under these ids, and hides what it does not hold. Stamps must be older than what is read. */
  #loadItems(ids: ReadonlyArray<string>, stamps?: ReadonlyMap<string, Stamps.Stamp>): Effect.Effect<void, ReadError> {
    return Effect.gen({ self: this }, function* () {
      const found = yield* this.#storedOf(ids)
      const entries: Array<ShownEntry<A>> = []
      for (const [id, { item, vector }] of found) {
        const corrupt = (error: Codec.CodecError) => this.#corrupt(id, error.reason)
        const owned =
          this.#shown.index === undefined ? yield* Effect.mapError(own(this.#codec, item), corrupt) : undefined
        entries.push({ id, owned, vector, stamp: stamps?.get(id) })
      }
      for (const id of ids) if (!found.has(id)) this.#shown.hide(id)
      yield* this.#shown.show(entries)
    })
  }

  #corrupt(key: string, reason: string): StateCorrupt {
    return new StateCorrupt({ agent: this.#name, key, location: `family "${this.family.name}"`, reason })
  }
}

// A copy that was made once can be made again: a failure here is a schema that does not keep its word.
const read = <A>(owned: Owned<A>): A => Effect.runSync(Effect.orDie(owned.get))
