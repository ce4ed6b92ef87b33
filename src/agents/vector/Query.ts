import { Effect } from "effect"
import type { Predicate } from "../query/expressions.ts"
import type { Fields } from "../query/Field.ts"
import type { EmbeddedVector } from "./Embedder.ts"
import { toVector } from "./embedding.ts"
import type { HybridOptions } from "./hybrid.ts"
import type { Metric } from "./Stored.ts"
import { DimensionMismatch, type QueryError, QueryInvalid } from "./VectorError.ts"

/** What to search for, and which hits are wanted. */
export type Query<A> = QueryOptions<A> &
  (
    | {
        /** Embedded by the memory's embedder. */
        readonly text: string
        readonly vector?: undefined
        readonly like?: undefined
        /** Ranks by the words of the text as well (BM25), see `HybridOptions`. Default: by vectors alone. */
        readonly hybrid?: boolean | HybridOptions | undefined
      }
    | {
        /** A vector of the memory's dimension. */
        readonly vector: EmbeddedVector
        readonly text?: undefined
        readonly like?: undefined
        readonly hybrid?: undefined
      }
    | {
        /** The id of an item: what is like it, without the item itself. */
        readonly like: string
        readonly text?: undefined
        readonly vector?: undefined
        readonly hybrid?: undefined
      }
  )

/** Which hits are wanted. */
export interface QueryOptions<A> {
  /** The most hits: a whole number from 0, or `Infinity` for all that pass. Default: 10. */
  readonly k?: number | undefined
  /** How many of the best hits to leave out: a whole number from 0. A page costs what all pages up to it cost. Default: 0. */
  readonly offset?: number | undefined
  /** Only hits that score at least this much; the metric says what a score is. Default: no limit. */
  readonly minScore?: number | undefined
  /**
   * Only hits within this distance: the Euclidean one, or 1 minus the cosine. A number from 0. Not with the metric `dot`, which
   * is no distance, and not with `hybrid`, whose scores are none. Default: no limit.
   */
  readonly radius?: number | undefined
  /**
   * Only items of which this is true, in the language of `Query`: `(item) => Query.eq(item.year, 2025)`. There are k hits
   * whenever there are k such items.
   */
  readonly where?: ((item: Fields<A>) => Predicate) | undefined
  /**
   * Only items that pass. There are k hits whenever k items pass. It is asked for candidates in no particular order, not
   * for every item, and must not change anything. If it throws, the search dies with what it threw.
   */
  readonly filter?: ((item: A, id: string) => boolean) | undefined
  /**
   * How much hits shall differ from those before them, from 0 to 1: each next hit is the one with the most of
   * `(1 - diversity) * score - diversity * similarity to the nearest hit before it`. Hits then come in this order, with their
   * plain scores. Default: 0, the order of scores. (Maximal marginal relevance: Carbonell and Goldstein, 1998.)
   */
  readonly diversity?: number | undefined
}

/** The least score that a query takes. */
export const leastScore = (
  metric: Metric,
  {
    minScore = Number.NEGATIVE_INFINITY,
    radius
  }: { readonly minScore?: number | undefined; readonly radius?: number | undefined }
): number => (radius === undefined ? minScore : Math.max(minScore, metric === "cosine" ? 1 - radius : -radius))

/** Refuses a query that has no answer. */
export const check = <A>(
  agent: string,
  { dimension, metric }: { readonly dimension: number; readonly metric: Metric },
  query: Query<A>
): Effect.Effect<void, QueryError> => {
  const reason = wrong(metric, query)
  if (reason !== undefined) return Effect.fail(new QueryInvalid({ agent, reason }))
  return query.vector !== undefined && query.vector.length !== dimension
    ? Effect.fail(new DimensionMismatch({ agent, expected: dimension, actual: query.vector.length }))
    : Effect.void
}

const isCount = (n: number): boolean => Number.isSafeInteger(n) && n >= 0

const isShare = (n: number): boolean => n >= 0 && n <= 1

const wrong = <A>(metric: Metric, query: Query<A>): string | undefined => {
  const { diversity = 0, hybrid, k = 10, like, minScore = 0, offset = 0, radius, text, vector } = query
  if (!isCount(k) && k !== Number.POSITIVE_INFINITY) return `k is ${k}; it is a whole number from 0, or Infinity`
  if (!isCount(offset)) return `offset is ${offset}; it is a whole number from 0`
  if (Number.isNaN(minScore)) return "minScore is NaN"
  if (!isShare(diversity)) return `diversity is ${diversity}; it is a number from 0 to 1`
  if (radius !== undefined) {
    if (!(radius >= 0)) return `radius is ${radius}; it is a number from 0`
    if (metric === "dot") return "a dot product is no distance, so that it has no radius; use minScore"
    if (isOn(hybrid)) return "the scores of a hybrid search are no distances, so that it has no radius; use minScore"
  }
  if ([text, vector, like].filter((given) => given !== undefined).length !== 1)
    return "it takes exactly one of text, vector and like"
  if (isOn(hybrid) && text === undefined) return "a hybrid search looks for words, so that it needs a text"
  if (typeof hybrid === "object" && !isShare(hybrid.words ?? 0.5))
    return `hybrid.words is ${hybrid.words}; it is a number from 0 to 1`
  if (text !== undefined && isBlank(text)) return "its text is blank; a query needs text"
  return vector !== undefined && toVector(vector) === undefined
    ? "its vector has a number that is not a finite 32-bit float"
    : undefined
}

const isOn = (hybrid: boolean | HybridOptions | undefined): boolean => hybrid !== undefined && hybrid !== false

/** Whether a text is empty or white space only. */
export const isBlank = (text: string): boolean => text.trim() === ""
