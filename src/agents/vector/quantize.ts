/**
 * Vectors in 8-bit codes, a quarter of the bytes to read, with a bound on what that loses. A row x becomes whole numbers c
 * from -127 to 127 times a scale s, and beside them is kept how far that is off: e = |x - s c|. A query q becomes 16-bit
 * numbers in the same way, which costs nothing more and loses next to nothing. Then, by Cauchy and Schwarz,
 *
 *     q·x <= (its codes)·(s c) + |q| e + |q - its codes| |s c|
 *
 * so that a row whose right side is below the score that is needed can be left out for sure.
 */
import type { Kernels } from "./wasm/host.ts"

const most = 127

// The smallest number whose scale keeps its 24 bits.
const smallest = 2 ** -110

/** Bytes behind the codes of a row: scale, error, half of the squared length, each a 32-bit float, and 4 spare ones. */
export const factBytes = 16

// Rounding to 32 bits may lower a bound; this much more makes up for it.
const up = 1 + 2 ** -20

/** A row in a memory, by addresses. */
export interface Row {
  readonly floats: Float32Array
  readonly kernels: Kernels
  readonly at: number
  readonly bytes: number
  readonly codes: number
  /** Where what belongs to the codes is written. */
  readonly facts: number
}

/** Encodes a row. `half` says whether the half of its squared length counts or is 0. Answers its error. */
export const encodeRow = ({ at, bytes, codes, facts, floats, kernels }: Row, half: boolean): number => {
  const { inverse, scale } = scaleOf(kernels.largest(at, bytes), most)
  const error = Math.sqrt(kernels.encode(at, bytes, codes, scale, inverse)) * up
  floats[facts / 4] = scale
  floats[facts / 4 + 1] = error
  floats[facts / 4 + 2] = half ? kernels.norm(at, bytes) ** 2 / 2 : 0
  return error
}

/** What codes up to `limit` are multiplied by, and the inverse of it. What is too small for a scale of 32 bits is all error. */
const scaleOf = (largest: number, limit: number) => {
  const scale = largest < smallest ? 0 : Math.fround(largest / limit)
  return { scale, inverse: scale === 0 ? 0 : 1 / scale }
}

/** A query in codes. */
export interface QueryCodes {
  readonly codes: Int16Array
  readonly scale: number
  /** How far the codes are off. */
  readonly error: number
}

/** Encodes a query as finely as sums of products in 32 bits allow. */
export const encodeQuery = (query: Float32Array): QueryCodes => {
  const limit = Math.max(1, Math.min(32_767, Math.floor((2 ** 31 - 1) / (most * query.length))))
  let largest = 0
  for (const value of query) largest = Math.max(largest, Math.abs(value))
  const { inverse, scale } = scaleOf(largest, limit)
  const codes = new Int16Array(query.length)
  let lost = 0
  for (const [i, value] of query.entries()) {
    const code = Math.max(-limit, Math.min(limit, Math.round(value * inverse)))
    codes[i] = code
    lost += (value - code * scale) ** 2
  }
  return { codes, scale, error: Math.sqrt(lost) * up }
}
