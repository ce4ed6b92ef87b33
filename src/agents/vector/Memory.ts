/**
 * The working part of a vector agent: a family for what lasts, an engine and a map for what is looked up. The family
 * speaks first: an entry is shown once it is durable, and hidden once its removal is acknowledged.
 */
import { Array as Arr, Effect, Option, type Schema, type Scope } from "effect"
import * as Codec from "../../schema/Codec.ts"
import type { Claims } from "../Claims.ts"
import type { Family } from "../Family.ts"
import { KeyedLock } from "../internal/keyedLock.ts"
import * as Lifetime from "../internal/lifetime.ts"
import { type Owned, own } from "../internal/owned.ts"
import { invalid } from "../internal/stateRegister.ts"
import { AgentClosed, type ReadError, StateInvalid, StateNotFound, type WriteError } from "../StateError.ts"
import { Words } from "./bm25.ts"
import { read } from "./candidates.ts"
import type { Shape } from "./Embedder.ts"
import type { MakeEngine } from "./Engine.ts"
import { embedAll } from "./embedding.ts"
import * as Kept from "./Kept.ts"
import type { IndexOptions } from "./KeptIndex.ts"
import * as Query from "./Query.ts"
import { gently, loadBatch, Refreshing } from "./Refreshing.ts"
import { Shown } from "./Shown.ts"
import { type Metric, type Settings, Stored } from "./Stored.ts"
import { StoredItems } from "./StoredItems.ts"
import { type Searched, search } from "./searching.ts"
import { checkSettings } from "./settings.ts"
import { turns } from "./turns.ts"
import { type EmbedderMismatch, EmbeddingFailed } from "./VectorError.ts"
import { Writes } from "./Writes.ts"

/** What opening takes. */
export interface Options<A, E, R> {
  readonly name: string
  readonly schema: Schema.Codec<A, unknown>
  readonly text: (item: A) => string
  readonly items: (schema: Schema.Codec<Stored<A>, unknown>) => Effect.Effect<Family<Stored<A>>, E, R>
  readonly metric: Metric
  readonly engine: MakeEngine
  readonly embedder: Shape
  readonly index?: IndexOptions | undefined
}

// Fewer items than this are added in one go.
const few = 16

// To note thousands of items in one place takes milliseconds, and there are a number of such places: from so many items on, each
// place has a turn of its own.
const many = 256

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
  readonly #stored: StoredItems<A>
  readonly #name: string
  readonly #codec: Codec.Codec<A>
  readonly #text: (item: A) => string
  readonly #embedder: Shape
  readonly #shown: Shown<A>
  readonly #lifetime: Lifetime.Lifetime
  readonly #locks: KeyedLock
  readonly #writes = new Writes()
  readonly #refreshing: Refreshing<A>
  /** Told of every item that is shown or hidden, for searches by words. */
  readonly #words: Words

  private constructor(
    { embedder, name, schema, text }: Options<A, unknown, unknown>,
    settings: Settings,
    stored: StoredItems<A>,
    shown: Shown<A>,
    words: Words,
    lifetime: Lifetime.Lifetime
  ) {
    this.settings = settings
    this.#stored = stored
    this.#name = name
    this.#codec = Codec.json(schema)
    this.#text = text
    this.#embedder = embedder
    this.#shown = shown
    this.#words = words
    this.#lifetime = lifetime
    this.#locks = new KeyedLock(`memory "${name}"`)
    this.#refreshing = new Refreshing({ shown, stored, locks: this.#locks, codec: this.#codec })
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
      const index = yield* Kept.make(name, id, engine, options.index)
      const words = new Words()
      const shown = new Shown<A>(engine, words, index)
      const memory = new Memory<A>(options, settings, new StoredItems(name, family, dimension), shown, words, lifetime)
      yield* Effect.addFinalizer(() =>
        Effect.andThen(
          index?.save ?? Effect.void,
          Effect.sync(() => shown.clear())
        )
      )
      yield* memory.#refreshing.run(index === undefined ? Effect.void : Effect.andThen(index.load, index.reload))
      return memory
    })
  }

  get claims(): Claims {
    return this.#stored.family.claims
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

  /** Shows what the family holds, whoever wrote it. Where an index is kept, only what differs from it is read. */
  get refresh(): Effect.Effect<void, ReadError> {
    return this.#refreshing.run(this.#shown.index?.reload ?? Effect.void)
  }

  ids(): ReadonlyArray<string> {
    return [...this.#shown.ids()]
  }

  get(id: string): Effect.Effect<Option.Option<A>, ReadError> {
    return Effect.map(this.#itemsOf([id]), (items) => Option.fromUndefinedOr(items.get(id)))
  }

  entries(): Effect.Effect<ReadonlyArray<readonly [string, A]>, ReadError> {
    return Effect.map(
      Effect.forEach(Arr.chunksOf(this.ids(), loadBatch), (ids) => Effect.andThen(turns.ready, this.#itemsOf(ids))),
      (batches) => batches.flatMap((items) => [...items])
    ).pipe(gently)
  }

  #itemsOf(ids: ReadonlyArray<string>): Effect.Effect<ReadonlyMap<string, A>, ReadError> {
    if (this.#shown.index !== undefined)
      return Effect.map(this.#stored.read(ids.filter((id) => this.#shown.has(id))), (found) => {
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
        stored: (ids) => this.#stored.read(ids),
        matching: (condition) => this.#stored.matching(condition)
      }
    }
    const found = search(searched, query)
    if (this.#shown.index === undefined) return found
    const idsOf = (hits: Effect.Success<typeof found>) => hits.map(({ id }) => id)
    return this.#writes.apart(found, idsOf, (ids) => this.#locks.holdAll(ids, Effect.void))
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Writing: embedded before the lock, durable in the family, then shown

  add(entries: Iterable<readonly [string, A]>) {
    const given = new Map(entries)
    const pause = given.size < many ? Effect.void : turns.next
    const added = Effect.gen({ self: this }, function* () {
      const all = yield* Effect.forEach(given, ([id, item]) => this.#take(id, item))
      const vectors = yield* embedAll(
        this.#embedder,
        all.map(({ text }) => text)
      )
      yield* pause
      const embedded = all.map((entry, i) => ({ ...entry, vector: vectors[i] ?? new Float32Array(0) }))
      yield* pause
      yield* this.#locks.holdAll(
        all.map(({ id }) => id),
        Effect.andThen(pause, this.#save(embedded, pause))
      )
    })
    return given.size < few ? added : gently(added)
  }

  update(id: string, f: (item: A) => A) {
    const change = Effect.gen({ self: this }, function* () {
      const before = (yield* this.#itemsOf([id])).get(id)
      if (before === undefined) return yield* Effect.fail(new StateNotFound({ agent: this.#name, key: id }))
      const text = this.#text(before)
      const entry = yield* this.#take(id, f(before))
      const kept = entry.text === text ? yield* this.#stored.read([id]) : undefined
      const vector = kept?.get(id)?.vector ?? (yield* embedAll(this.#embedder, [entry.text]))[0]
      yield* this.#save([{ ...entry, vector: vector ?? new Float32Array(0) }])
      return entry.item
    })
    return this.#locks.at(id).hold(change)
  }

  remove(ids: Iterable<string>) {
    const all = [...new Set(ids)]
    if (all.length === 0) return Effect.void
    const hide = Effect.sync(() => {
      for (const id of all) this.#shown.hide(id)
    })
    return this.#locks.holdAll(all, this.#write(all, this.#stored.remove(all), hide))
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

  #save(
    entries: ReadonlyArray<Embedded<A>>,
    pause: Effect.Effect<void> = Effect.void
  ): Effect.Effect<void, WriteError> {
    if (entries.length === 0) return Effect.void
    const ids = entries.map(({ id }) => id)
    return Effect.clockWith((clock) => {
      const begun = clock.currentTimeMillisUnsafe()
      const stamps = this.#shown.index === undefined ? Effect.undefined : this.#stored.stampsSince(begun, ids)
      const save = Effect.flatMap(pause, () => this.#stored.save(entries))
      const show = Effect.flatMap(Effect.andThen(pause, stamps), (stamps) =>
        this.#shown.show(entries.map((entry) => ({ ...entry, stamp: stamps?.get(entry.id) })))
      )
      return Effect.andThen(this.#write(ids, save, Effect.andThen(show, pause)), pause)
    })
  }

  /**
   * Writes to the family, then to the index. Runs to its end once begun, so that an interrupt cannot come between. After
   * a failure the index shows what the family answers: part of a batch may be stored, and an indeterminate write may be.
   */
  #write(ids: ReadonlyArray<string>, write: Effect.Effect<void, WriteError>, show: Effect.Effect<void>) {
    const written = Effect.andThen(
      Effect.onError(write, () => Effect.ignore(this.#refreshing.load(ids))),
      show
    )
    return Effect.andThen(
      Effect.uninterruptible(this.#writes.during(ids, written)),
      this.#shown.index?.saveIfDue ?? Effect.void
    )
  }
}
