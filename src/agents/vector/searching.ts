/** From a query to its hits: what is looked for, the best candidates, and the order they come in. */
import { Effect } from "effect"
import type { Codec } from "../../schema/Codec.ts"
import { type ReadError, StateNotFound } from "../StateError.ts"
import type { Texts, Words } from "./bm25.ts"
import { best, type Found, type Items, nearest, type Passes, read } from "./candidates.ts"
import * as Diversity from "./diversity.ts"
import type { Shape } from "./Embedder.ts"
import type { Engine, Match } from "./Engine.ts"
import { embedAll } from "./embedding.ts"
import * as Hybrid from "./hybrid.ts"
import * as Query from "./Query.ts"
import type { Settings } from "./Stored.ts"
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
  readonly score: number
}

/** What searching fails with. */
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
    const count = diversity === 0 ? wanted : Math.max(wanted, Diversity.depth(wanted))
    const ranked = yield* rank(searched, query, vector, count, passes)
    const ordered = diversity === 0 ? ranked : yield* diversified(searched, query, ranked, wanted)
    if (ordered === undefined) return yield* search(searched, query)
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
  if (query.hybrid === undefined || query.hybrid === false)
    return nearest(engine, items, vector, { count, minScore, passes })
  const { words = 0.5 } = query.hybrid === true ? {} : query.hybrid
  const depth = Hybrid.depth(count)
  return Effect.gen(function* () {
    const byVector = yield* nearest(engine, items, vector, { count: depth, minScore: Number.NEGATIVE_INFINITY, passes })
    const byWords = yield* wordRanking(searched, query.text ?? "", depth, passes)
    const { held } = items
    // The two are of different moments: what was removed or replaced in between is not in both as the same.
    const asNow = (found: Found<A>) => held === undefined || held(found.id) === found.owned
    return Hybrid.fuse(byVector.filter(asNow), byWords, words)
      .filter(({ score }) => score >= minScore)
      .slice(0, count)
  })
}

const wordRanking = <A>(
  { ids, items, textOf, words }: Searched<A>,
  text: string,
  depth: number,
  passes: Passes<A>
): Effect.Effect<ReadonlyArray<Found<A>>, ReadError> => {
  const { held, stored } = items
  if (held === undefined) {
    const texts: Texts<ReadError> = {
      ids,
      atOnce: 500,
      read: (ids) =>
        Effect.map(stored(ids), (found) => {
          const all = new Map<string, string>()
          for (const [id, { item }] of found) all.set(id, textOf(item))
          return all
        })
    }
    return Effect.flatMap(
      words.search(text, texts, (ranked) => ranked),
      (ranked) => best(items, ranked, depth, passes)
    )
  }
  const texts: Texts<never> = {
    ids,
    atOnce: 16,
    read: (ids) =>
      Effect.sync(() => {
        const all = new Map<string, string>()
        for (const id of ids) {
          const owned = held(id)
          if (owned !== undefined) all.set(id, textOf(read(owned)))
        }
        return all
      })
  }
  return words.search(text, texts, (ranked: ReadonlyArray<Match>) => {
    const found: Array<Found<A>> = []
    for (const match of ranked) {
      if (found.length >= depth) break
      const owned = held(match.id)
      if (owned !== undefined && (passes.isAll || passes.item(read(owned), match.id))) found.push({ ...match, owned })
    }
    return found
  })
}

/** The candidates in an order of variety; nothing if some went or changed meanwhile, so that others belong in their place. */
const diversified = <A>(
  { items, settings }: Searched<A>,
  { diversity = 0, hybrid }: Query.Query<A>,
  ranked: ReadonlyArray<Found<A>>,
  wanted: number
): Effect.Effect<ReadonlyArray<Found<A>> | undefined, ReadError> =>
  Effect.gen(function* () {
    const depth = Diversity.depth(wanted)
    const front = ranked.slice(0, depth)
    const stored = yield* items.stored(front.map(({ id }) => id))
    const candidates = front.map((found) => ({
      found,
      vector: stored.get(found.id)?.vector ?? new Float32Array(settings.dimension)
    }))
    // Scores of a hybrid search are from 0 to 1, and so is the cosine of vectors that have something to do with each other.
    const metric = hybrid === undefined || hybrid === false ? settings.metric : "cosine"
    const ordered = [...(yield* Diversity.diversify(candidates, diversity, metric)), ...ranked.slice(depth)]
    const { held } = items
    return held === undefined || ordered.every(({ id, owned }) => held(id) === owned) ? ordered : undefined
  })
