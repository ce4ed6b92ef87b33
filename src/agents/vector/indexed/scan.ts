/** Comparing with every vector, in pieces, for the questions that an index of a library answers badly. */
import { Effect } from "effect"
import type { Request } from "../Engine.ts"
import {
  clamp,
  cosineRows,
  difference,
  dot,
  dotFour,
  dotRows,
  euclideanRows,
  type ScoreRows,
  scoreOf
} from "../kernels.ts"
import type { Metric } from "../Stored.ts"
import { TopK } from "../topK.ts"
import { turns } from "../turns.ts"
import type { Slot } from "./labelled.ts"
import type { Rows } from "./rows.ts"

/** How the rows of a metric are scored. */
export const scorers: Record<Metric, ScoreRows> = { cosine: cosineRows, dot: dotRows, euclidean: euclideanRows }

// Numbers read in one go, about a millisecond.
const burst = 2 ** 20

// Rows whose beginnings are asked for at a time.
const fetched = 64

/** Scores rows, wherever they lie. */
export class Scorer {
  readonly #rows: Rows
  readonly #metric: Metric
  #scores = new Float64Array(fetched)

  constructor(rows: Rows, metric: Metric) {
    this.#rows = rows
    this.#metric = metric
  }

  /** The scores of rows, in their order, until it is called again. */
  of(rows: ReadonlyArray<number>, query: Float32Array): Float64Array {
    if (rows.length > this.#scores.length) this.#scores = new Float64Array(2 * rows.length)
    const score = this.#metric === "euclidean" ? this.#difference : this.#dot
    for (let from = 0; from < rows.length; from += fetched) {
      const end = Math.min(from + fetched, rows.length)
      this.#fetch(rows, from, end)
      score.call(this, rows, from, end, query)
    }
    if (this.#metric === "cosine") clamp(this.#scores, rows.length)
    return this.#scores
  }

  /** Offers slots to the best. */
  offer(slots: ReadonlyArray<Slot>, query: Float32Array, best: TopK<Slot>, accept: Request["accept"]): void {
    const rows = slots.map(({ row }) => row)
    const scores = this.of(rows, query)
    for (const [i, slot] of slots.entries()) {
      // Sound: there is a score for each row.
      const score = scores[i] as number
      if (accept?.(slot.id) !== false && score >= best.threshold && best.admits(slot, score)) best.push(slot, score)
    }
  }

  // The casts below are sound: indexes are below the number of rows, and a row has numbers.

  /**
   * Rows that a library proposes lie far from each other. Who asks for the beginning of all of them first does not wait for each: that
   * saves a tenth of the time.
   */
  #fetch(rows: ReadonlyArray<number>, from: number, end: number): void {
    let sum = 0
    for (let i = from; i < end; i++) {
      const row = rows[i] as number
      sum += this.#rows.block(row)[this.#rows.offset(row)] as number
    }
    // What nobody uses would not be read.
    this.#scores[from] = sum
  }

  #dot(rows: ReadonlyArray<number>, from: number, end: number, query: Float32Array): void {
    const all = this.#rows
    let i = from
    for (; i + 3 < end; i += 4) {
      const [a, b, c, d] = [rows[i], rows[i + 1], rows[i + 2], rows[i + 3]] as [number, number, number, number]
      const [atA, atB, atC, atD] = [all.offset(a), all.offset(b), all.offset(c), all.offset(d)]
      const [p, q, r, s] = [all.block(a), all.block(b), all.block(c), all.block(d)]
      dotFour(p, atA, q, atB, r, atC, s, atD, query, this.#scores, i)
    }
    for (; i < end; i++) {
      const row = rows[i] as number
      this.#scores[i] = dot(all.block(row), all.offset(row), query)
    }
  }

  #difference(rows: ReadonlyArray<number>, from: number, end: number, query: Float32Array): void {
    for (let i = from; i < end; i++) {
      const row = rows[i] as number
      this.#scores[i] = scoreOf(difference(this.#rows.block(row), this.#rows.offset(row), query))
    }
  }
}

/** The best slots, of all that are there during the whole scan. `slotAt` says what is in a row now. */
export const scan = (
  rows: Rows,
  slotAt: (row: number) => Slot | undefined,
  scoreRows: ScoreRows,
  query: Float32Array,
  request: Request
): Effect.Effect<TopK<Slot>> =>
  Effect.gen(function* () {
    const best = new TopK<Slot>(request.k, request.minScore)
    const step = Math.max(1, Math.min(rows.rowsPerBlock, Math.floor(burst / rows.dimension)))
    const scores = new Float64Array(step)
    for (let start = 0; start < rows.end; ) {
      if (turns.isSpent()) yield* turns.next
      const inBlock = rows.rowsPerBlock - (start % rows.rowsPerBlock)
      const end = Math.min(rows.end, start + Math.min(step, inBlock))
      scoreRows(rows.block(start), rows.offset(start), query, scores, end - start)
      for (let row = start; row < end; row++) {
        // Sound: there is a score for each row of the step.
        const score = scores[row - start] as number
        if (score < best.threshold) continue
        const slot = slotAt(row)
        if (slot === undefined || !best.admits(slot, score)) continue
        if (request.accept?.(slot.id) !== false) best.push(slot, score)
      }
      start = end
    }
    return best
  })
