/**
 * One query against the rows of an index. Scores are those of the plain kernels, summed in 64 bits, wherever a row lies and
 * whatever the machine can do. What WebAssembly does faster is to tell which rows need no score: it computes a key for each
 * row in 32 bits, or from 8-bit codes, and how far a key can be off is known. A row whose key says that it scores below
 * what is needed, even so, is left out; the few others are scored plainly. So the answer is the same to the last bit.
 */
import type { Blocks } from "./blocks.ts"
import { cosineRows, dotRows, euclideanRows, normOf, type ScoreRows, scaleInto } from "./kernels.ts"
import { encodeQuery, type QueryCodes } from "./quantize.ts"
import type { Metric } from "./Stored.ts"

const plain: Record<Metric, ScoreRows> = { cosine: cosineRows, dot: dotRows, euclidean: euclideanRows }

// Between these norms no product of 32 bits overflows, and none that counts vanishes. Others are scored plainly.
const smallest = 1e-18
const largest = 1e18

// Far below what a squared distance within those norms is rounded by, far above what vanishes of it.
const tiny = 1e-36

export class Scan {
  readonly #blocks: Blocks
  readonly #metric: Metric
  readonly #query: Float32Array
  readonly #norm: number
  readonly #codes: QueryCodes | undefined
  /** What rounding takes from a key, as a part of the largest that it can be (Higham, Accuracy and Stability, 3.1). */
  readonly #rounding: number
  readonly #scores: Float64Array
  readonly #keys: Float32Array
  readonly #score = new Float64Array(1)

  /** The query is multiplied by `factor`. */
  constructor(blocks: Blocks, metric: Metric, query: Float32Array, factor: number) {
    this.#blocks = blocks
    this.#metric = metric
    this.#query = new Float32Array(blocks.stride)
    scaleInto(this.#query, 0, query, factor)
    this.#norm = normOf(this.#query)
    this.#codes = blocks.codeStride === 0 ? undefined : encodeQuery(this.#query)
    this.#rounding = (blocks.stride / 4 + 16) * 2 ** -24
    const most = Math.min(blocks.blockRows, blocks.capacity)
    this.#scores = new Float64Array(most)
    this.#keys = new Float32Array(most)
  }

  /** The score of a row. */
  score(row: number): number {
    plain[this.#metric](this.#blocks.of(row).home.floats, this.#blocks.startOf(row), this.#query, this.#score, 1)
    // Sound: it was just written.
    return this.#score[0] as number
  }

  /** The scores of rows of one block. They last until the next call. */
  scores(first: number, count: number): Float64Array {
    const { home } = this.#blocks.of(first)
    plain[this.#metric](home.floats, this.#blocks.startOf(first), this.#query, this.#scores, count)
    return this.#scores
  }

  /** The keys of rows of one block, if they are to be had. They last until the next call. */
  keys(first: number, count: number): Float32Array | undefined {
    const { floats, kernels } = this.#blocks.of(first).home
    if (kernels === undefined || !this.#isWithinRange()) return undefined
    const { codeBytes, codeStride, keys, stride } = this.#blocks
    const out = 4 * keys
    if (this.#codes !== undefined) {
      const { codes, scale } = this.#codes
      // What lies behind them is multiplied by the zeros that fill up a row.
      new Int16Array(floats.buffer, 0, codes.length).set(codes)
      kernels.codes(0, this.#blocks.codesOf(first), codeStride, 2 * codeBytes, count, out, scale, this.#norm)
    } else {
      floats.set(this.#query)
      const kernel = this.#metric === "euclidean" ? kernels.distance : kernels.dot
      kernel(0, 4 * this.#blocks.startOf(first), 4 * stride, 4 * stride, count, out, 0, 0)
    }
    // A copy, since whoever else scans this memory overwrites them, and so would a search inside a filter.
    this.#keys.set(floats.subarray(keys, keys + count))
    return this.#keys
  }

  /** A row with a key below this one scores below `threshold`. */
  cutoff(threshold: number): number {
    const [rows, query] = [this.#blocks.norm, this.#norm]
    if (this.#metric !== "euclidean") return threshold - this.#margin(rows * query)
    // No score is above 0, and a threshold that is leaves it to the score.
    const squared = threshold * threshold
    return this.#codes === undefined
      ? -squared * (1 + this.#rounding) - tiny
      : (query * query - squared) / 2 - this.#margin(rows * query + rows * rows)
  }

  /** How far a key that comes of sums of at most `size` may lie below what it stands for. */
  #margin(size: number): number {
    const lost = this.#codes === undefined ? 0 : this.#codes.error * (this.#blocks.norm + this.#blocks.error)
    return 2 * this.#rounding * size + lost
  }

  #isWithinRange(): boolean {
    const [rows, query] = [this.#blocks.norm, this.#norm]
    const isAnyDistance = this.#metric === "euclidean" && this.#codes === undefined
    return Math.max(rows, query) <= largest && (isAnyDistance || Math.min(rows, query) >= smallest)
  }
}
