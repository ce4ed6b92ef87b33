/** A search of the exact engine under way: through all rows, from the last one down, a part a turn. */
import type { Blocks } from "./blocks.ts"
import type { Match, Request } from "./Engine.ts"
import type { Metric } from "./Stored.ts"
import { Scan } from "./scan.ts"
import { TopK } from "./topK.ts"

/** One vector under one id. A replaced vector gets a new slot, so that a running search can tell. */
export interface Slot {
  readonly id: string
  row: number
  /**
   * Searches see it that began at this version or later: none while it is being added with others, none any more once it was
   * replaced.
   */
  shown: number
}

// Rows scored at a time until k of them are found.
const opening = 64

/** What a search is made of. */
export interface Options {
  readonly blocks: Blocks
  readonly metric: Metric
  readonly query: Float32Array
  /** What the query is multiplied by. */
  readonly factor: number
  readonly request: Request
  /** The version at which it begins, and how many rows there are then. */
  readonly version: number
  readonly end: number
}

export class Pass {
  readonly #scan: Scan
  readonly #blockRows: number
  readonly #request: Request
  readonly #best: TopK<Slot>
  readonly #version: number
  /** Rows from here on are done. */
  #end: number
  /** What was among the best, once others have run: it may come up again. */
  #entered: Set<Slot> | undefined
  #rows: ReadonlyArray<Slot> = []

  constructor({ blocks, end, factor, metric, query, request, version }: Options) {
    this.#scan = new Scan(blocks, metric, query, factor)
    this.#blockRows = blocks.blockRows
    this.#request = request
    this.#best = new TopK<Slot>(request.k, request.minScore)
    this.#version = version
    this.#end = end
  }

  get version(): number {
    return this.#version
  }

  /** The slots that were found, best first. */
  get slots(): ReadonlyArray<Slot> {
    return this.#best.ranked().map(({ entry }) => entry)
  }

  get matches(): ReadonlyArray<Match> {
    return this.#best.ranked().map(({ entry, score }) => ({ id: entry.id, score }))
  }

  /** To be called before others run. */
  pause(): void {
    this.#entered ??= new Set(this.slots)
  }

  /**
   * Scans the rows until all is done, which it answers, or the turn is over. From the last row down: a removal moves the last row to
   * a lower one, so that a row not yet seen stays ahead of the scan. One already seen may come up again.
   */
  advance(rows: ReadonlyArray<Slot>, isSpent: () => boolean): boolean {
    this.#rows = rows
    for (;;) {
      // Others may have removed rows.
      const end = Math.min(this.#end, rows.length)
      if (end === 0 || this.#best.threshold === Number.POSITIVE_INFINITY) return true
      const first = Math.floor((end - 1) / this.#blockRows) * this.#blockRows
      // While anything may enter, every row needs its score: so only for as long as that takes.
      const isOpen = this.#best.threshold === Number.NEGATIVE_INFINITY
      const start = isOpen ? Math.max(first, end - Math.max(opening, this.#request.k)) : first
      const keys = isOpen ? undefined : this.#scan.keys(start, end - start)
      if (keys === undefined && !(isOpen && this.#request.accept !== undefined)) this.#scoreAll(start, end)
      else this.#scoreSome(start, end, keys)
      this.#end = start
      if (start > 0 && isSpent()) return false
    }
  }

  /** Scores rows of one block together, which takes half of the time, and asks for those that may enter. */
  #scoreAll(start: number, end: number): void {
    const scores = this.#scan.scores(start, end - start)
    for (let row = end - 1; row >= start; row--) {
      // Sound: there is a score for every row.
      const score = scores[row - start] as number
      const slot = this.#candidate(row, score)
      if (slot !== undefined && this.#request.accept?.(slot.id) !== false) this.#enter(slot, score)
    }
  }

  /** Asks for the rows that have to be asked for in any case, and scores only those that pass. */
  #scoreSome(start: number, end: number, keys: Float32Array | undefined): void {
    const [best, { accept }] = [this.#best, this.#request]
    let { threshold } = best
    let cutoff = this.#scan.cutoff(threshold)
    let scored = 0
    for (let row = end - 1; row >= start; row--) {
      // Sound: there is a key for every row. One that is not a number tells nothing.
      if (keys !== undefined && (keys[row - start] as number) < cutoff) continue
      if (accept === undefined && ++scored > this.#blockRows / 8) {
        this.#scoreAll(start, row + 1)
        return
      }
      const isAsked = keys !== undefined || threshold === Number.NEGATIVE_INFINITY
      const candidate = isAsked ? this.#candidate(row, Number.POSITIVE_INFINITY) : undefined
      if (isAsked && (candidate === undefined || accept?.(candidate.id) === false)) continue
      const score = this.#scan.score(row)
      const slot = this.#candidate(row, score)
      if (slot === undefined || (!isAsked && accept?.(slot.id) === false)) continue
      this.#enter(slot, score)
      threshold = best.threshold
      cutoff = this.#scan.cutoff(threshold)
    }
  }

  /** What is in a row, if it may enter with this score. */
  #candidate(row: number, score: number): Slot | undefined {
    if (score < this.#best.threshold) return undefined
    const slot = this.#rows[row]
    if (slot === undefined || slot.shown > this.#version) return undefined
    return this.#best.admits(slot, score) && this.#entered?.has(slot) !== true ? slot : undefined
  }

  #enter(slot: Slot, score: number): void {
    this.#best.push(slot, score)
    this.#entered?.add(slot)
  }
}
