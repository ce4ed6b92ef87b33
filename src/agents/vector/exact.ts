/**
 * The exact engine: compares the query with every vector, in plain TypeScript. One `Float32Array` holds all vectors, a
 * row each; for cosine they are normalised once, when they come in. Sums are taken in 64 bits.
 *
 * Costs 4 bytes a number, and a scan a search. A scan of up to `burst` numbers runs in one go; a longer one lets other
 * fibers run in between.
 */
import { Effect } from "effect"
import type { Engine, MakeEngine, Match, Request } from "./Engine.ts"
import { cosineRows, dot, dotRows, euclideanRows, type ScoreRows } from "./kernels.ts"
import type { Metric } from "./Stored.ts"
import { TopK } from "./topK.ts"

// About 100 000 vectors of 384 numbers, some 40 ms.
const burst = 100_000 * 384

// Rows scored in one call.
const block = 1024

/** One vector under one id. A replaced vector gets a new slot, so that a running search can tell. */
interface Slot {
  readonly id: string
  row: number
}

/** An exact engine; `yieldAfter` is how many numbers a scan reads before it lets other fibers run. */
export const make = (options: {
  readonly dimension: number
  readonly metric: Metric
  readonly yieldAfter?: number | undefined
}): Engine => new Exact(options.dimension, options.metric, options.yieldAfter ?? burst)

/** `make` as an engine for `VectorAgent`. */
export const exact: MakeEngine = make

class Exact implements Engine {
  readonly #dimension: number
  readonly #metric: Metric
  readonly #chunk: number
  readonly #scoreRows: ScoreRows
  readonly #byId = new Map<string, Slot>()
  readonly #byRow: Array<Slot> = []
  #matrix = new Float32Array(0)

  constructor(dimension: number, metric: Metric, yieldAfter: number) {
    this.#dimension = dimension
    this.#metric = metric
    this.#chunk = Math.max(1, Math.floor(yieldAfter / dimension))
    this.#scoreRows = kernels[metric]
  }

  size(): number {
    return this.#byRow.length
  }

  reserve(size: number): void {
    const length = size * this.#dimension
    if (length <= this.#matrix.length) return
    const grown = new Float32Array(length)
    grown.set(this.#matrix)
    this.#matrix = grown
  }

  set(id: string, vector: Float32Array): void {
    const row = this.#byId.get(id)?.row ?? this.#byRow.length
    if ((row + 1) * this.#dimension > this.#matrix.length) this.reserve(Math.max(64, Math.ceil(row * 1.5)))
    const slot: Slot = { id, row }
    this.#byId.set(id, slot)
    this.#byRow[row] = slot
    this.#matrix.set(this.#prepare(vector), row * this.#dimension)
  }

  delete(id: string): void {
    const slot = this.#byId.get(id)
    if (slot === undefined) return
    this.#byId.delete(id)
    const last = this.#byRow.pop()
    if (last === undefined || last === slot) return
    // The last row fills the gap.
    const d = this.#dimension
    this.#matrix.copyWithin(slot.row * d, last.row * d, (last.row + 1) * d)
    last.row = slot.row
    this.#byRow[slot.row] = last
  }

  clear(): void {
    this.#byId.clear()
    this.#byRow.length = 0
    this.#matrix = new Float32Array(0)
  }

  search<B>(query: Float32Array, request: Request, answer: (matches: ReadonlyArray<Match>) => B): Effect.Effect<B> {
    return Effect.suspend(() => {
      const prepared = this.#prepare(query)
      if (this.#byRow.length <= this.#chunk) return Effect.succeed(answer(this.#searchAtOnce(prepared, request)))
      return Effect.map(this.#searchInChunks(prepared, request), (found) => {
        const best = found.ranked()
        // What was removed or replaced while the scan let others run must not show: look again, without a pause.
        const holds = best.every(({ entry }) => this.#byId.get(entry.id) === entry)
        return answer(holds ? best.map(toMatch) : this.#searchAtOnce(prepared, request))
      })
    })
  }

  #searchAtOnce(query: Float32Array, request: Request): ReadonlyArray<Match> {
    const best = new TopK<Slot>(request.k, request.minScore)
    this.#scan(this.#byRow.length, 0, query, request, best)
    return best.ranked().map(toMatch)
  }

  // From the last row down: a removal moves the last row to a lower one, so that a row not yet seen stays ahead of the
  // scan. One already seen may come up again.
  #searchInChunks(query: Float32Array, request: Request) {
    return Effect.gen({ self: this }, function* () {
      const best = new TopK<Slot>(request.k, request.minScore)
      const entered = new Set<Slot>()
      for (let end = this.#byRow.length; end > 0; end -= this.#chunk) {
        this.#scan(Math.min(end, this.#byRow.length), Math.max(0, end - this.#chunk), query, request, best, entered)
        if (end > this.#chunk) yield* Effect.yieldNow
      }
      return best
    })
  }

  #scan(end: number, start: number, query: Float32Array, request: Request, best: TopK<Slot>, entered?: Set<Slot>) {
    const { accept } = request
    const scores = new Float64Array(Math.min(block, Math.max(0, end - start)))
    for (let top = end; top > start; top -= block) {
      const bottom = Math.max(start, top - block)
      this.#scoreRows(this.#matrix, bottom * this.#dimension, query, scores, top - bottom)
      for (let row = top - 1; row >= bottom; row--) {
        // Sound: there is a score for every row of the block.
        const score = scores[row - bottom] as number
        if (score < best.threshold) continue
        const slot = this.#byRow[row]
        if (slot === undefined || !best.admits(slot, score) || entered?.has(slot) === true) continue
        if (accept !== undefined && !accept(slot.id)) continue
        best.push(slot, score)
        entered?.add(slot)
      }
    }
  }

  #prepare(vector: Float32Array): Float32Array {
    if (this.#metric !== "cosine") return vector
    const norm = Math.sqrt(dot(vector, 0, vector))
    // A zero vector points nowhere: it stays zero and scores 0 with everything.
    if (norm === 0) return vector
    const unit = new Float32Array(vector.length)
    // Sound: `i` is below the length. `vector.map` takes ten times as long.
    for (let i = 0; i < unit.length; i++) unit[i] = (vector[i] as number) / norm
    return unit
  }
}

const toMatch = ({ entry, score }: { readonly entry: Slot; readonly score: number }): Match => ({ id: entry.id, score })

const kernels: Record<Metric, ScoreRows> = { cosine: cosineRows, dot: dotRows, euclidean: euclideanRows }
