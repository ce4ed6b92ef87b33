/**
 * One ranking out of two, by the places that items have in them (reciprocal rank fusion: Cormack, Clarke and Büttcher, 2009): scores
 * of vectors and of words have nothing to do with each other, and places can be compared.
 */
import { byScore } from "./bm25.ts"
import type { Match } from "./Engine.ts"

/**
 * How words take part. The score of a hit is then a number from 0 to 1, whatever the metric is: with n as its place among the best
 * by vectors, m as its place among the best by words, both from 0, and nothing where it has no place,
 * `(1 - words) * 60 / (60 + n) + words * 60 / (60 + m)`.
 */
export interface HybridOptions {
  /** How much words count beside vectors, from 0 to 1. Default: 0.5. */
  readonly words?: number | undefined
}

/** How many of each ranking are looked at, for this many hits. */
export const depth = (wanted: number): number => Math.max(100, 4 * wanted)

// The constant of the paper: the first few places count much the same, so that one list alone does not decide.
const flatness = 60

/** All that has a place in one of the rankings, best first. Equal ones come in the order of their ids. */
export const fuse = <T extends Match>(
  byVector: ReadonlyArray<T>,
  byWords: ReadonlyArray<T>,
  words: number
): ReadonlyArray<T> => {
  const fused = new Map<string, T>()
  for (const [ranking, weight] of [
    [byVector, 1 - words],
    [byWords, words]
  ] as const)
    for (const [place, found] of ranking.entries()) {
      const score = (fused.get(found.id)?.score ?? 0) + (weight * flatness) / (flatness + place)
      fused.set(found.id, { ...found, score })
    }
  return [...fused.values()].sort(byScore)
}
