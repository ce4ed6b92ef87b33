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

/** Scores slots, wherever they lie. */
export class Scorer {
  readonly #rows: Rows
  readonly #scoreRows: ScoreRows
  readonly #matrix: Float32Array
  readonly #scores = new Float64Array(gathered)

  constructor(rows: Rows, scoreRows: ScoreRows) {
    this.#rows = rows
    this.#scoreRows = scoreRows
    this.#matrix = new Float32Array(gathered * rows.dimension)
  }

  /** Calls `use` with each slot and its score, in their order. */
  each(slots: ReadonlyArray<Slot>, query: Float32Array, use: (slot: Slot, score: number) => void): void {
    for (let start = 0; start < slots.length; start += gathered) {
      const end = Math.min(slots.length, start + gathered)
      // The casts are sound: `i` is below the number of slots, and there is a score for each of them.
      for (let i = start; i < end; i++)
        this.#matrix.set(this.#rows.at((slots[i] as Slot).row), (i - start) * this.#rows.dimension)
      this.#scoreRows(this.#matrix, 0, query, this.#scores, end - start)
      for (let i = start; i < end; i++) use(slots[i] as Slot, this.#scores[i - start] as number)
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
