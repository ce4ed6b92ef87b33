import { Effect } from "effect"
import type { EmbeddedVector, Shape } from "./Embedder.ts"
import { embedAll, toVector } from "./embedding.ts"
import { DimensionMismatch, type EmbeddingFailed, type QueryError, QueryInvalid } from "./VectorError.ts"

/** What to search for: a text, embedded by the memory's embedder, or a vector of its dimension. */
export type Query<A> = QueryOptions<A> &
  (
    | { readonly text: string; readonly vector?: undefined }
    | { readonly vector: EmbeddedVector; readonly text?: undefined }
  )

/** Which hits are wanted. */
export interface QueryOptions<A> {
  /** The most hits: a whole number from 0, or `Infinity` for all that pass. Default: 10. */
  readonly k?: number | undefined
  /** Only hits that score at least this much; the metric says what a score is. Default: no limit. */
  readonly minScore?: number | undefined
  /**
   * Only items that pass. There are k hits whenever k items pass. It is asked for candidates in no particular order, not
   * for every item, and must not change anything. If it throws, the search dies with what it threw.
   */
  readonly filter?: ((item: A, id: string) => boolean) | undefined
}

/** Refuses a query that has no answer. */
export const check = <A>(
  agent: string,
  dimension: number,
  { k = 10, minScore = 0, text, vector }: Query<A>
): Effect.Effect<void, QueryError> => {
  const invalid = (reason: string) => Effect.fail(new QueryInvalid({ agent, reason }))
  if (!(k >= 0) || (!Number.isInteger(k) && k !== Number.POSITIVE_INFINITY))
    return invalid(`k is ${k}; it is a whole number from 0, or Infinity`)
  if (Number.isNaN(minScore)) return invalid("minScore is NaN")
  if (vector === undefined) return isBlank(text) ? invalid("its text is blank; a query needs text") : Effect.void
  if (vector.length !== dimension)
    return Effect.fail(new DimensionMismatch({ agent, expected: dimension, actual: vector.length }))
  return toVector(vector) === undefined
    ? invalid("its vector has a number that is not a finite 32-bit float")
    : Effect.void
}

/** Whether a text is empty or white space only. */
export const isBlank = (text: string): boolean => text.trim() === ""

/** The vector of a query that was checked. */
export const embed = <A>(embedder: Shape, { text, vector }: Query<A>): Effect.Effect<Float32Array, EmbeddingFailed> =>
  vector === undefined
    ? Effect.map(embedAll(embedder, [text]), (vectors) => vectors[0] ?? new Float32Array(embedder.dimension))
    : Effect.succeed(new Float32Array(vector))
