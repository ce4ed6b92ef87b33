/**
 * The index behind the exact engine: ids and rows, and searches that go through all rows, a part a turn of the event loop.
 */
import { Effect } from "effect"
import { Blocks } from "./blocks.ts"
import type { Engine, Entry, Match, Request } from "./Engine.ts"
import { dot } from "./kernels.ts"
import type { Metric } from "./Stored.ts"
import { Scan } from "./scan.ts"
import { TopK } from "./topK.ts"
import { type Turns, turns } from "./turns.ts"
import { hostMemory, type MakeMemory } from "./wasm/host.ts"

/** What making an index takes: what an engine is told, and what tests set to see more of it with fewer vectors. */
export interface ExactOptions {
  readonly dimension: number
  readonly metric: Metric
  /** Whether there are 8-bit codes as well. */
  readonly hasCodes?: boolean | undefined
  /** Rows scanned between two looks at the clock; a power of two. */
  readonly blockRows?: number | undefined
  /** The most that one memory of WebAssembly holds. Default: 4 GiB. */
  readonly memoryBytes?: number | undefined
  /** How memories of WebAssembly are made, if they are. Default: as this machine can. */
  readonly makeMemory?: MakeMemory | "none" | undefined
  readonly turns?: Turns | undefined
}

// A block is scanned in less than a millisecond.
const mostBlockRows = 1024
const mostBlockNumbers = 2 ** 20

// One page less than there can be, so that no address behind the last row overflows.
const mostMemoryBytes = 65_535 * 65_536

// Rows scored at a time until k of them are found.
const opening = 64

// Vectors taken in between two looks at the clock.
const batch = 64

// How often a search that was overtaken by removals begins again before it runs without a pause.
const attempts = 3

/** One vector under one id. A replaced vector gets a new slot, so that a running search can tell. */
interface Slot {
  readonly id: string
  row: number
  /**
   * Searches see it that began at this version or later: none while it is being added with others, none any more once it was
   * replaced.
   */
  shown: number
}

/** A search under way, from the last row down. */
interface Pass {
  readonly scan: Scan
  readonly request: Request
  readonly best: TopK<Slot>
  /** The version at which it began. */
  readonly version: number
  /** Rows from here on are done. */
  end: number
  /** What was among the best, once others have run: it may come up again. */
  entered: Set<Slot> | undefined
}

export class ExactIndex implements Engine {
  readonly #metric: Metric
  readonly #blockRows: number
  readonly #blocks: Blocks
  readonly #turns: Turns
  readonly #byId = new Map<string, Slot>()
  #byRow: Array<Slot> = []
  /** Counts how often many were added, and says when some of them last replaced others. */
  #version = 0
  #replacedAt = 0

  constructor({ blockRows, dimension, hasCodes, makeMemory, memoryBytes, metric, turns: given }: ExactOptions) {
    this.#metric = metric
    const fitting = 2 ** Math.max(0, Math.floor(Math.log2(mostBlockNumbers / dimension)))
    this.#blockRows = blockRows ?? Math.min(mostBlockRows, fitting)
    this.#turns = given ?? turns
    this.#blocks = new Blocks({
      dimension,
      blockRows: this.#blockRows,
      codes: hasCodes !== true ? "none" : metric === "euclidean" ? "half" : "plain",
      memoryBytes: memoryBytes ?? mostMemoryBytes,
      makeMemory: makeMemory === "none" ? undefined : (makeMemory ?? hostMemory())
    })
  }

  size(): number {
    return this.#byId.size
  }

  /** Rows in use, also those of vectors that are not shown. */
  get rows(): number {
    return this.#byRow.length
  }

  reserve(size: number): void {
    this.#blocks.reserve(size)
  }

  set(id: string, vector: Float32Array): void {
    const row = this.#byId.get(id)?.row ?? this.#byRow.length
    this.#show([this.#write(id, row, vector)])
  }

  setMany(entries: ReadonlyArray<Entry>): Effect.Effect<void> {
    return Effect.suspend(() => {
      // Whoever clears the index puts another array in its place.
      const rows = this.#byRow
      // Slots that are not shown: those that are being added, then those that they replaced.
      let hidden: Array<Slot> = []
      const add = Effect.gen({ self: this }, function* () {
        if (!this.#turns.begin()) yield* this.#turns.next
        for (const [id, vector] of entries) {
          if (hidden.length % batch === 0 && this.#turns.isSpent()) yield* this.#turns.next
          if (rows !== this.#byRow) return
          if (hidden.length === 0) this.#blocks.reserve(rows.length + entries.length)
          hidden.push(this.#write(id, rows.length, vector))
        }
        this.#version++
        hidden = this.#show(hidden)
        if (hidden.length > 0) this.#replacedAt = this.#version
        while (rows === this.#byRow && hidden.length > 0) {
          this.#vacate(hidden.splice(-batch))
          if (this.#turns.isSpent()) yield* this.#turns.next
        }
      })
      const vacate = Effect.sync(() => {
        if (rows === this.#byRow) this.#vacate(hidden)
      })
      return Effect.ensuring(add, vacate)
    })
  }

  delete(id: string): void {
    const slot = this.#byId.get(id)
    if (slot === undefined) return
    this.#byId.delete(id)
    this.#vacate([slot])
  }

  clear(): void {
    this.#byId.clear()
    this.#byRow = []
    this.#blocks.clear()
  }

  #write(id: string, row: number, vector: Float32Array): Slot {
    this.#blocks.reserve(row + 1)
    const norm = normOf(vector)
    const divisor = this.#divisor(norm)
    this.#blocks.write(row, vector, divisor, norm / divisor)
    const slot: Slot = { id, row, shown: Number.POSITIVE_INFINITY }
    this.#byRow[row] = slot
    return slot
  }

  /** Shows slots, all at once, and answers those that they replace. */
  #show(slots: ReadonlyArray<Slot>): Array<Slot> {
    const replaced: Array<Slot> = []
    for (const slot of slots) {
      const old = this.#byId.get(slot.id)
      if (old !== undefined) {
        old.shown = Number.POSITIVE_INFINITY
        replaced.push(old)
      }
      slot.shown = this.#version
      this.#byId.set(slot.id, slot)
    }
    return replaced
  }

  /** Lets the last rows fill the gaps that others leave. */
  #vacate(slots: ReadonlyArray<Slot>): void {
    for (const slot of slots.toReversed()) {
      const last = this.#byRow.pop()
      if (last === undefined || last === slot) continue
      this.#blocks.copy(last.row, slot.row)
      last.row = slot.row
      this.#byRow[slot.row] = last
    }
  }

  search<B>(query: Float32Array, request: Request, answer: (matches: ReadonlyArray<Match>) => B): Effect.Effect<B> {
    return Effect.suspend(() => {
      const pass = this.#pass(query, request)
      if (this.#turns.begin() && this.#advance(pass)) return Effect.succeed(answer(matchesOf(pass)))
      return this.#finish(pass, query, request, answer)
    })
  }

  /** Goes on with a search, turn by turn. */
  #finish<B>(begun: Pass, query: Float32Array, request: Request, answer: (matches: ReadonlyArray<Match>) => B) {
    return Effect.gen({ self: this }, function* () {
      let pass = begun
      for (let attempt = 0; attempt < attempts; attempt++) {
        do {
          pass.entered ??= new Set(pass.best.ranked().map(({ entry }) => entry))
          yield* this.#turns.next
        } while (!this.#advance(pass))
        if (this.#holds(pass)) return answer(matchesOf(pass))
        pass = this.#pass(query, request)
      }
      while (!this.#advance(pass)) {}
      return answer(matchesOf(pass))
    })
  }

  /**
   * What was removed or replaced while others ran must not show, and something else takes its place. Where many were replaced
   * at once, the old ones may have been ahead of the scan, and the new ones behind it.
   */
  #holds({ best, version }: Pass): boolean {
    return this.#replacedAt <= version && best.ranked().every(({ entry }) => this.#byId.get(entry.id) === entry)
  }

  #pass(query: Float32Array, request: Request): Pass {
    const scan = new Scan(this.#blocks, this.#metric, query, this.#divisor(normOf(query)))
    const best = new TopK<Slot>(request.k, request.minScore)
    return { scan, request, best, version: this.#version, end: this.#byRow.length, entered: undefined }
  }

  /**
   * Scans until all is done, which it answers, or the turn is over. From the last row down: a removal moves the last row to
   * a lower one, so that a row not yet seen stays ahead of the scan. One already seen may come up again.
   */
  #advance(pass: Pass): boolean {
    for (;;) {
      // Others may have removed rows.
      const end = Math.min(pass.end, this.#byRow.length)
      if (end === 0 || pass.best.threshold === Number.POSITIVE_INFINITY) return true
      const first = Math.floor((end - 1) / this.#blockRows) * this.#blockRows
      // While anything may enter, every row needs its score: so only for as long as that takes.
      const isOpen = pass.best.threshold === Number.NEGATIVE_INFINITY
      const start = isOpen ? Math.max(first, end - Math.max(opening, pass.request.k)) : first
      const keys = isOpen ? undefined : pass.scan.keys(start, end - start)
      if (keys === undefined && !(isOpen && pass.request.accept !== undefined)) this.#scoreAll(start, end, pass)
      else this.#scoreSome(start, end, keys, pass)
      pass.end = start
      if (start > 0 && this.#turns.isSpent()) return false
    }
  }

  /** Scores rows of one block together, which takes half of the time, and asks for those that may enter. */
  #scoreAll(start: number, end: number, pass: Pass): void {
    const { request, scan } = pass
    const scores = scan.scores(start, end - start)
    for (let row = end - 1; row >= start; row--) {
      // Sound: there is a score for every row.
      const score = scores[row - start] as number
      const slot = this.#candidate(row, score, pass)
      if (slot !== undefined && request.accept?.(slot.id) !== false) this.#enter(slot, score, pass)
    }
  }

  /** Asks for the rows that have to be asked for in any case, and scores only those that pass. */
  #scoreSome(start: number, end: number, keys: Float32Array | undefined, pass: Pass): void {
    const { best, request, scan } = pass
    let { threshold } = best
    let cutoff = scan.cutoff(threshold)
    let scored = 0
    for (let row = end - 1; row >= start; row--) {
      // Sound: there is a key for every row. One that is not a number tells nothing.
      if (keys !== undefined && (keys[row - start] as number) < cutoff) continue
      if (request.accept === undefined && ++scored > this.#blockRows / 8) {
        this.#scoreAll(start, row + 1, pass)
        return
      }
      const isAsked = keys !== undefined || threshold === Number.NEGATIVE_INFINITY
      const candidate = isAsked ? this.#candidate(row, Number.POSITIVE_INFINITY, pass) : undefined
      if (isAsked && (candidate === undefined || request.accept?.(candidate.id) === false)) continue
      const score = scan.score(row)
      const slot = this.#candidate(row, score, pass)
      if (slot === undefined || (!isAsked && request.accept?.(slot.id) === false)) continue
      this.#enter(slot, score, pass)
      threshold = best.threshold
      cutoff = scan.cutoff(threshold)
    }
  }

  /** What is in a row, if it may enter with this score. */
  #candidate(row: number, score: number, { best, entered, version }: Pass): Slot | undefined {
    if (score < best.threshold) return undefined
    const slot = this.#byRow[row]
    if (slot === undefined || slot.shown > version) return undefined
    return best.admits(slot, score) && entered?.has(slot) !== true ? slot : undefined
  }

  #enter(slot: Slot, score: number, { best, entered }: Pass): void {
    best.push(slot, score)
    entered?.add(slot)
  }

  /** What a vector is divided by where only its direction counts. A zero vector points nowhere: it scores 0 with everything. */
  #divisor(norm: number): number {
    return this.#metric === "cosine" ? norm || 1 : 1
  }
}

const normOf = (vector: Float32Array): number => Math.sqrt(dot(vector, 0, vector))

const matchesOf = ({ best }: Pass): ReadonlyArray<Match> =>
  best.ranked().map(({ entry, score }) => ({ id: entry.id, score }))
