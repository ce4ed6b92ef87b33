import { dimension, type Points } from "./points.ts"

/** The numbers of the nearest by definition: all products, one after the other. */
export const scan = ({ vectors }: Points, query: Float32Array, k: number): ReadonlyArray<number> => {
  const count = vectors.length / dimension
  const scores = new Float64Array(count)
  for (let row = 0; row < count; row++) {
    let sum = 0
    // Sound: both have as many numbers.
    for (let i = 0; i < dimension; i++) sum += (vectors[row * dimension + i] as number) * (query[i] as number)
    scores[row] = sum
  }
  const least = scores.toSorted()[Math.max(0, count - k)] ?? Number.NEGATIVE_INFINITY
  return Array.from(scores.entries())
    .filter(([, score]) => score >= least)
    .map(([row]) => row)
}
