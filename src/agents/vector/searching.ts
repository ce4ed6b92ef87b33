/** From a query to its hits: what is looked for, the best candidates, and the order they come in. */
import { Array as Arr, Effect } from "effect"
import type { Codec } from "../../schema/Codec.ts"
import { type ReadError, StateNotFound } from "../StateError.ts"
import type { Texts, Words } from "./bm25.ts"
import { best, type Found, type Items, type Passes, type Ranking, read } from "./candidates.ts"
import * as Diversity from "./diversity.ts"
import type { Shape } from "./Embedder.ts"
import type { Engine } from "./Engine.ts"
import { embedAll } from "./embedding.ts"
import * as Hybrid from "./hybrid.ts"
import * as Query from "./Query.ts"
import type { Settings, StoredItem } from "./Stored.ts"
import { turns } from "./turns.ts"
import type { EmbeddingFailed, QueryError, QueryInvalid } from "./VectorError.ts"
import * as Where from "./where.ts"

/** What a memory is searched by. */
export interface Searched<in out A> {
  readonly name: string
  readonly settings: Settings
  readonly embedder: Shape
  readonly engine: Engine
  readonly codec: Codec<A>
  readonly textOf: (item: A) => string
  readonly items: Items<A>
  readonly ids: () => Iterable<string>
  readonly words: Words
}

/** An item that was found. */
export interface Hit<out A> {
  readonly id: string
  readonly item: A
  /** Higher is better; see the metric. */
  readonly score: number
}

/** What searching can fail with. */
export type SearchError = QueryError | EmbeddingFailed | StateNotFound | ReadError

/** The hits of a query. */
export const search = <A>(
  searched: Searched<A>,
  query: Query.Query<A>
): Effect.Effect<ReadonlyArray<Hit<A>>, SearchError> =>
  Effect.gen(function* () {
    const { engine, name, settings } = searched
    yield* Query.check(name, settings, query)
    const passes = yield* passesOf(searched, query)
    const { diversity = 0, k = 10, offset = 0 } = query
    const wanted = k + offset
    if (k === 0 || (engine.size() === 0 && query.like === undefined)) return []
    const vector = yield* vectorOf(searched, query)
    const ordered =
      diversity === 0
        ? yield* rank(searched, query, vector, wanted, passes)
        : yield* diverse(searched, query, vector, wanted, passes)
    return ordered.slice(offset, wanted).map(({ id, owned, score }) => ({ id, item: read(owned), score }))
  })

const passesOf = <A>(
  { codec, name }: Searched<A>,
  { filter, like, where }: Query.Query<A>
): Effect.Effect<Passes<A>, QueryInvalid> =>
  Effect.map(
    where === undefined ? Effect.succeed(undefined) : Where.compile(name, codec, where),
    (condition): Passes<A> => {
      const fits = condition === undefined ? undefined : Where.test<A>(condition)
      return {
        isAll: like === undefined && fits === undefined && filter === undefined,
        condition,
        item: (item, id) => id !== like && fits?.(item) !== false && filter?.(item, id) !== false
      }
    }
  )

const vectorOf = <A>(
  { embedder, items, name }: Searched<A>,
  { like, text, vector }: Query.Query<A>
): Effect.Effect<Float32Array, EmbeddingFailed | StateNotFound | ReadError> => {
  if (vector !== undefined) return Effect.succeed(new Float32Array(vector))
  if (text !== undefined)
    return Effect.map(embedAll(embedder, [text]), ([embedded]) => embedded ?? new Float32Array(embedder.dimension))
  const id = like ?? ""
  const notFound = Effect.fail(new StateNotFound({ agent: name, key: id }))
  // A family may still have what is not shown yet, or no more.
  if (items.held !== undefined && items.held(id) === undefined) return notFound
  return Effect.flatMap(items.stored([id]), (stored) => {
    const item = stored.get(id)
    return item === undefined ? notFound : Effect.succeed(item.vector)
  })
}

/** The best candidates of a query by its scores, best first. */
const rank = <A>(
  searched: Searched<A>,
  query: Query.Query<A>,
  vector: Float32Array,
  count: number,
  passes: Passes<A>
): Effect.Effect<ReadonlyArray<Found<A>>, ReadError> => {
  const { engine, items, settings } = searched
  const minScore = Query.leastScore(settings.metric, query)
  const byVector: Ranking<ReadError> = {
    search: (request, answer) => engine.search(vector, request, answer),
    size: () => engine.size()
  }
  if (query.hybrid === undefined || query.hybrid === false) return best(byVector, items, { count, minScore, passes })
  const { words = 0.5 } = query.hybrid === true ? {} : query.hybrid
  const { text } = query
  const byWords: Ranking<ReadError> = {
    search: (request, answer) => searched.words.search(text, textsOf(searched), request, answer),
    size: () => engine.size()
  }
  return Effect.gen(function* () {
    const wanted = { count: Hybrid.depth(count), minScore: Number.NEGATIVE_INFINITY, passes }
    const near = yield* best(byVector, items, wanted)
    const said = yield* best(byWords, items, wanted)
    // The two are of different moments: what was removed or replaced in between is not in both as the same.
    return Hybrid.fuse(
      near.filter((found) => isAsItWas(items, found)),
      said,
      words
    )
      .filter(({ score }) => score >= minScore)
      .slice(0, count)
  })
}

// Items in memory are read a few at a time, so that fibers come in between.
const textsOf = <A>({ ids, items, textOf }: Searched<A>): Texts<ReadError> => ({
  ids,
  atOnce: items.held === undefined ? 500 : 16,
  read: (ids) => {
    const { held, stored } = items
    const texts = new Map<string, string>()
    if (held === undefined)
      return Effect.map(stored(ids), (found) => {
        for (const [id, { item }] of found) texts.set(id, textOf(item))
        return texts
      })
    for (const id of ids) {
      const owned = held(id)
      if (owned !== undefined) texts.set(id, textOf(read(owned)))
    }
    return Effect.succeed(texts)
  }
})

// Reading the vectors of so many items takes a few milliseconds.
const readAtOnce = 100

/** The best candidates in an order of variety. */
const diverse = <A>(
  searched: Searched<A>,
  query: Query.Query<A>,
  vector: Float32Array,
  wanted: number,
  passes: Passes<A>
): Effect.Effect<ReadonlyArray<Found<A>>, ReadError> =>
  Effect.gen(function* () {
    const { items, settings } = searched
    const { diversity = 0, hybrid } = query
    const depth = Diversity.depth(wanted)
    // Scores of a hybrid search are from 0 to 1, and so is the cosine of vectors that have something to do with each other.
    const metric = hybrid === undefined || hybrid === false ? settings.metric : "cosine"
    for (let left = 3; ; left--) {
      const ranked = yield* rank(searched, query, vector, Math.max(wanted, depth), passes)
      const front = ranked.slice(0, depth)
      const stored = new Map<string, StoredItem<A>>()
      for (const batch of Arr.chunksOf(front, readAtOnce)) {
        if (!turns.begin()) yield* turns.next
        for (const [id, item] of yield* items.stored(batch.map(({ id }) => id))) stored.set(id, item)
      }
      const vectorOf = (id: string) => stored.get(id)?.vector ?? new Float32Array(settings.dimension)
      const candidates = front.map((found) => ({ found, vector: vectorOf(found.id) }))
      const chosen = yield* Diversity.diversify(candidates, wanted, diversity, metric)
      const ordered = chosen.length < wanted ? [...chosen, ...ranked.slice(depth)] : chosen
      const now = ordered.filter((found) => isAsItWas(items, found))
      // Others belong in the place of what went meanwhile. Where items keep going, there are fewer hits in the end.
      if (now.length === ordered.length || left === 0) return now
    }
  })

/** Whether an item in memory is still there, and the one that was scored. */
const isAsItWas = <A>({ held }: Items<A>, { id, owned }: Found<A>): boolean => held === undefined || held(id) === owned
