/** Comparing with every vector, in pieces, for the questions that an index of a library answers badly. */
import { Effect } from "effect"
import type { Request } from "../Engine.ts"
import { cosineRows, dotRows, euclideanRows, type ScoreRows } from "../kernels.ts"
import type { Metric } from "../Stored.ts"
import { TopK } from "../topK.ts"
import { turns } from "../turns.ts"
import type { Slot } from "./labelled.ts"
import type { Rows } from "./rows.ts"

/** How the rows of a metric are scored. */
export const scorers: Record<Metric, ScoreRows> = { cosine: cosineRows, dot: dotRows, euclidean: euclideanRows }

// Numbers read in one go, about a millisecond.
const burst = 2 ** 20

// Rows gathered at a time: the kernels are twice as fast on rows that lie behind each other.
const gathered = 64

/** Scores rows, wherever they lie. */
export class Scorer {
  readonly #rows: Rows
  readonly #scoreRows: ScoreRows
  readonly #matrix: Float32Array
  readonly #some = new Float64Array(gathered)
  #scores = new Float64Array(gathered)

  constructor(rows: Rows, scoreRows: ScoreRows) {
    this.#rows = rows
    this.#scoreRows = scoreRows
    this.#matrix = new Float32Array(gathered * rows.dimension)
  }

  /** The scores of rows, in their order, until it is called again. */
  of(rows: ReadonlyArray<number>, query: Float32Array): Float64Array {
    if (rows.length > this.#scores.length) this.#scores = new Float64Array(2 * rows.length)
    for (let start = 0; start < rows.length; start += gathered) {
      const count = Math.min(gathered, rows.length - start)
      this.#fetch(rows, start, count)
      // The casts are sound: `i` is below the number of rows, and there is a score for each of them.
      for (let i = 0; i < count; i++)
        this.#matrix.set(this.#rows.at(rows[start + i] as number), i * this.#rows.dimension)
      this.#scoreRows(this.#matrix, 0, query, this.#some, count)
      for (let i = 0; i < count; i++) this.#scores[start + i] = this.#some[i] as number
    }
    return this.#scores
  }

  /** Offers slots to the best. */
  offer(slots: ReadonlyArray<Slot>, query: Float32Array, best: TopK<Slot>, accept: Request["accept"]): void {
    const rows = slots.map(({ row }) => row)
    const scores = this.of(rows, query)
    // Sound: there is a score for each row.
    for (const [i, slot] of slots.entries()) offer(best, slot, scores[i] as number, accept)
  }

  /**
   * Rows that a library proposes lie far from each other. Who asks for the beginning of all of them first does not wait for each: that
   * saves a tenth of the time.
   */
  #fetch(rows: ReadonlyArray<number>, start: number, count: number): void {
    let sum = 0
    for (let i = start; i < start + count; i++) {
      // The casts are sound: `i` is below the number of rows, and a row has numbers.
      const row = rows[i] as number
      sum += this.#rows.block(row)[this.#rows.offset(row)] as number
    }
    // What nobody uses would not be read.
    this.#some[0] = sum
  }
}

/** Takes a slot among the best if it belongs there and passes; whether it passes, as far as it was asked. */
export const offer = (best: TopK<Slot>, slot: Slot, score: number, accept: Request["accept"]): boolean => {
  if (accept?.(slot.id) === false) return false
  if (score >= best.threshold && best.admits(slot, score)) best.push(slot, score)
  return true
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
