/** Maximal marginal relevance (Carbonell and Goldstein, 1998): hits that differ from those before them. */
import { Effect } from "effect"
import type { Match } from "./Engine.ts"
import { cosineRows, dotRows, euclideanRows, type ScoreRows } from "./kernels.ts"
import type { Metric } from "./Stored.ts"
import { turns } from "./turns.ts"

/** How many of the best are put in another order, for this many hits; those behind them keep theirs. */
export const depth = (wanted: number): number => Math.min(512, Math.max(100, 4 * wanted))

/** How alike two vectors are, on the scale of the metric; unit vectors for `cosine`. */
const scorers: Record<Metric, ScoreRows> = { cosine: cosineRows, dot: dotRows, euclidean: euclideanRows }

/** A candidate with its vector. */
export interface Candidate<T> {
  readonly found: T
  readonly vector: Float32Array
}

/**
 * Of candidates, given best first, those that gain most, in the order of their gain; of equal ones the earlier comes first. Computes
 * in steps.
 */
export const diversify = <T extends Match>(
  candidates: ReadonlyArray<Candidate<T>>,
  count: number,
  diversity: number,
  metric: Metric
): Effect.Effect<ReadonlyArray<T>> =>
  Effect.gen(function* () {
    const scoreRows = scorers[metric]
    const score = new Float64Array(1)
    const left = candidates.map(({ found, vector }) => ({
      found,
      vector: metric === "cosine" ? unit(vector) : vector,
      nearest: Number.NEGATIVE_INFINITY
    }))
    const ordered: Array<T> = []
    while (left.length > 0 && ordered.length < count) {
      if (turns.isSpent()) yield* turns.next
      let best = 0
      let most = Number.NEGATIVE_INFINITY
      for (const [i, { found, nearest }] of left.entries()) {
        // Before the first hit there is nothing to differ from.
        const gain = ordered.length === 0 ? found.score : (1 - diversity) * found.score - diversity * nearest
        if (gain > most) [best, most] = [i, gain]
      }
      const [chosen] = left.splice(best, 1)
      if (chosen === undefined) break
      ordered.push(chosen.found)
      for (const other of left) {
        scoreRows(other.vector, 0, chosen.vector, score, 1)
        other.nearest = Math.max(other.nearest, score[0] ?? 0)
      }
    }
    return ordered
  })

const unit = (vector: Float32Array): Float32Array => {
  let squares = 0
  for (const x of vector) squares += x * x
  const norm = Math.sqrt(squares)
  return norm === 0 ? vector : vector.map((x) => x / norm)
}
