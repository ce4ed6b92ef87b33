/**
 * What finds the nearest vectors. A vector agent keeps items durable, embeds and checks; an engine only ranks. `exact`
 * compares with every vector; an approximate one fits behind the same interface.
 */
import type { Effect } from "effect"
import type { Metric } from "./Stored.ts"

/** An id with its score, higher is better. */
export interface Match {
  readonly id: string
  readonly score: number
}

/** What to look for. */
export interface Request {
  /** The most matches wanted; 0 or more, `Infinity` for all. */
  readonly k: number
  /** Matches below this score are left out. */
  readonly minScore: number
  /** Which ids may match; asked for the candidates only, not for every id. */
  readonly accept?: ((id: string) => boolean) | undefined
}

/** Vectors by id. Vectors that come in have the engine's dimension and hold finite numbers only; they are copied. */
export interface Engine {
  readonly size: () => number
  /** Adds a vector, or replaces the one under this id. Seen by every search that begins later. */
  readonly set: (id: string, vector: Float32Array) => void
  /** Forgets an id. It is in no answer that is given later, not even of a search that began before. */
  readonly delete: (id: string) => void
  /**
   * The best matches, best first, equal scores by id in code-unit order. `answer` runs in the same instant in which they
   * are known to hold, so that what it looks up by id is what was scored.
   */
  readonly search: <B>(
    query: Float32Array,
    request: Request,
    answer: (matches: ReadonlyArray<Match>) => B
  ) => Effect.Effect<B>
  /** Makes room for this many vectors in all, so that loading them does not grow step by step. */
  readonly reserve: (size: number) => void
  /** Forgets everything. */
  readonly clear: () => void
}

/** Makes an engine. */
export type MakeEngine = (options: { readonly dimension: number; readonly metric: Metric }) => Engine
