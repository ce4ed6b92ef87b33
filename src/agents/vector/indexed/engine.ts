/**
 * An engine over a library of approximate search. The library proposes candidates; what is answered is scored again from the
 * vectors themselves, so that scores, their order and ties are those of the exact engine.
 *
 * - Promises: what `Engine` says, whatever the library does. It answers k matches whenever k pass; which ones is up to the
 *   recall of the library. It compares with every vector instead where that is no slower or the library cannot tell:
 *   few vectors, a large k, a filter that few pass, more equal scores than candidates, a library that fails.
 * - Costs: 4 bytes a number for the vectors, besides what the library holds of them. Writing is a copy; the library takes
 *   vectors in the background, in steps of milliseconds, and until then they are compared one by one. So it reads its part of a file.
 * - Fails: never; a file of an index, with `IndexUnusable` and `IndexUnsaved`.
 */
import { Effect } from "effect"
import type { Engine, Entry, IndexFile, Match, Request } from "../Engine.ts"
import { filed } from "../file/filed.ts"
import { normOf, type ScoreRows, scaleInto, unitFactor } from "../kernels.ts"
import type { Metric } from "../Stored.ts"
import { TopK } from "../topK.ts"
import { turns } from "../turns.ts"
import * as Filed from "./filed.ts"
import type { Slot } from "./labelled.ts"
import type { NativeKind } from "./NativeIndex.ts"
import { Rows } from "./rows.ts"
import { Scorer, scan, scorers } from "./scan.ts"
import { type Reading, Upkeep } from "./upkeep.ts"

/** What `make` takes. */
export interface Options {
  readonly dimension: number
  readonly metric: Metric
  readonly kind: NativeKind
  /**
   * The most candidates to ask the library for, where there are so many vectors: beyond it, comparing with all of them takes no
   * longer. Default: one in 20, and 2048 at most, which keeps the event loop for some 10 ms.
   */
  readonly mostCandidates?: ((size: number) => number) | undefined
  /** Below this much waste the library's index is not made anew. Default: 1024. */
  readonly leastWaste?: number | undefined
}

// Vectors that are compared one by one, besides the candidates, before comparing with all is the better way.
const mostPending = 4096

// Vectors copied in a piece.
const copied = 256

/** An engine over a library. */
export interface IndexedEngine extends Engine {
  readonly setMany: NonNullable<Engine["setMany"]>
  readonly index: IndexFile
  /** Waits until the library has all vectors, and nothing is being made anew. */
  readonly settled: Effect.Effect<void>
}

export const make = (options: Options): IndexedEngine => new Indexed(options)

class Indexed implements IndexedEngine {
  readonly index: IndexFile
  readonly #metric: Metric
  readonly #scoreRows: ScoreRows
  readonly #unit: Float32Array
  readonly #kind: NativeKind
  readonly #mostCandidates: (size: number) => number
  readonly #slots = new Map<string, Slot>()
  #rows: Rows
  #scorer: Scorer
  #byRow: Array<Slot | undefined> = []
  #upkeep: Upkeep
  #scans = 0
  /** What was set while a scan was under way: it may have passed the row. */
  #arrivals: Array<Slot> = []
  /** How often everything was replaced. */
  #generation = 0
  readonly #leastWaste: number | undefined

  constructor({ dimension, kind, leastWaste, metric, mostCandidates }: Options) {
    this.#metric = metric
    this.#scoreRows = scorers[metric]
    this.#unit = new Float32Array(dimension)
    this.#kind = kind
    this.#leastWaste = leastWaste
    this.#mostCandidates = mostCandidates ?? ((size) => Math.min(2048, size / 20))
    this.#rows = new Rows(dimension)
    this.#scorer = new Scorer(this.#rows, metric)
    this.#upkeep = new Upkeep(kind, this.#rows, this.#slots, { least: leastWaste })
    this.index = filed({
      ...Filed.made(kind, metric, dimension),
      take: () => Filed.take({ rows: this.#rows, slots: [...this.#slots.values()], labelled: this.#upkeep.readNow() }),
      place: () => {
        const generation = this.#generation
        return (count) =>
          Filed.place(dimension, count, (...read) => generation === this.#generation && this.#replace(...read))
      }
    })
  }

  size(): number {
    return this.#slots.size
  }

  get settled(): Effect.Effect<void> {
    return Effect.suspend(() => this.#upkeep.settled)
  }

  // Blocks come one by one as they are needed.
  reserve(): void {}

  set(id: string, vector: Float32Array): void {
    this.#show({ id, row: this.#write(vector) })
  }

  delete(id: string): void {
    const slot = this.#slots.get(id)
    if (slot === undefined) return
    this.#slots.delete(id)
    this.#drop(slot)
  }

  clear(): void {
    this.#empty(new Rows(this.#rows.dimension))
  }

  setMany(entries: ReadonlyArray<Entry>): Effect.Effect<void> {
    return Effect.suspend(() => {
      const [rows, generation, written] = [this.#rows, this.#generation, [] as Slot[]]
      const write = Effect.gen({ self: this }, function* () {
        for (let start = 0; start < entries.length; start += copied) {
          yield* turns.ready
          if (generation !== this.#generation) return
          for (const [id, vector] of entries.slice(start, start + copied))
            written.push({ id, row: this.#write(vector) })
        }
        yield* turns.ready
        if (generation !== this.#generation) return
        for (const slot of written) this.#show(slot)
        const last = written.pop()
        written.length = 0
        // What comes faster than the library takes it would only make searches slow.
        if (last !== undefined) yield* this.#upkeep.indexed(last)
      })
      return Effect.onInterrupt(write, () =>
        Effect.sync(() => {
          for (const { row } of written) rows.release(row)
        })
      )
    })
  }

  search<B>(query: Float32Array, request: Request, answer: (matches: ReadonlyArray<Match>) => B): Effect.Effect<B> {
    return Effect.suspend(() => {
      const now = (): Effect.Effect<B> => {
        this.#prepare(query, this.#unit, 0)
        const found = this.#candidates(this.#unit, request)
        return found === undefined ? this.#scan(this.#unit.slice(), request, answer) : Effect.succeed(answer(found))
      }
      return turns.begin() ? now() : Effect.flatMap(turns.next, now)
    })
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Searching

  /** The best of the library's candidates and of what it does not have yet; `undefined` if that need not be the answer. */
  #candidates(query: Float32Array, { accept, k, minScore }: Request): ReadonlyArray<Match> | undefined {
    const { index, pending } = this.#upkeep
    const size = this.#slots.size
    const wanted = Math.min(k, size)
    if (wanted === 0) return []
    const most = this.#mostCandidates(size)
    // Two more, to see where equal scores end.
    const rescored = Math.ceil(this.#kind.rescored * wanted) + 2
    // With a filter, enough to tell how many pass.
    let count = Math.max(rescored, this.#kind.breadth, accept === undefined ? 1 : 64)
    if (index === undefined || pending.size > mostPending) return undefined
    const late = pending.size === 0 ? [] : this.#late(pending, query, wanted, accept)
    while (count <= most) {
      // Without a filter those behind are not needed, and are asked for only to make the library look further.
      const nearest = this.#nearest(query, count, accept === undefined ? rescored : count)
      if (nearest === undefined) return undefined
      const { rows } = nearest
      const scores = this.#scorer.of(rows, query)
      // The library gives them in an order that is nearly right already.
      const found: Array<Match> = []
      let worst = Number.POSITIVE_INFINITY
      for (let i = 0; i < rows.length; i++) {
        // The casts are sound: there is a score for each row, and a slot for each that the index knows.
        const score = scores[i] as number
        const { id } = this.#byRow[rows[i] as number] as Slot
        if (score < worst) worst = score
        if (accept?.(id) !== false) found.push({ id, score })
      }
      const passed = found.length
      for (const match of late) found.push(match)
      found.sort(byScore)
      const last = found[wanted - 1]?.score
      // Equal scores rank by id, so all of them have to be there; and of those that a filter leaves, as many as without one.
      const isFull =
        last !== undefined && last > worst && (accept === undefined || passed >= Math.min(rescored, count / 2))
      if (isFull || (worst < minScore && rows.length > 0))
        return found.slice(0, wanted).filter(({ score }) => score >= minScore)
      if (nearest.isAll) return undefined
      const rate = accept === undefined ? 0.25 : Math.max(passed, 0.5) / Math.max(1, rows.length)
      count = Math.max(2 * count, Math.ceil((1.5 * rescored) / rate))
    }
    return undefined
  }

  /** The best of what the library does not have yet. */
  #late(pending: Iterable<Slot>, query: Float32Array, wanted: number, accept: Request["accept"]): ReadonlyArray<Match> {
    const best = new TopK<Slot>(wanted, Number.NEGATIVE_INFINITY)
    this.#scorer.offer([...pending], query, best, accept)
    return best.ranked().map(toMatch)
  }

  #nearest(query: Float32Array, count: number, most: number) {
    try {
      return this.#upkeep.index?.nearest(query, Math.ceil(count), most)
    } catch (cause) {
      this.#upkeep.fail(cause)
      return undefined
    }
  }

  #scan<B>(query: Float32Array, request: Request, answer: (matches: ReadonlyArray<Match>) => B): Effect.Effect<B> {
    return Effect.suspend(() => {
      const rows = this.#rows
      const release = rows.hold()
      const seen = this.#arrivals.length
      this.#scans++
      const end = Effect.sync(() => {
        release()
        if (--this.#scans === 0) this.#arrivals = []
      })
      const slotAt = (row: number) => (this.#rows === rows ? this.#byRow[row] : undefined)
      const scanned = Effect.flatMap(scan(rows, slotAt, this.#scoreRows, query, request), (best) => {
        const passed = new Set(best.ranked().map(({ entry }) => entry))
        const late = this.#arrivals.slice(seen).filter((slot) => this.#holds(slot) && !passed.has(slot))
        this.#scorer.offer(late, query, best, request.accept)
        const ranked = best.ranked()
        // What was removed or replaced meanwhile must not show, and something else comes in its place.
        return ranked.every(({ entry }) => this.#holds(entry))
          ? Effect.succeed(answer(ranked.map(toMatch)))
          : this.#scan(query, request, answer)
      })
      return Effect.ensuring(scanned, end)
    })
  }

  #holds(slot: Slot): boolean {
    return this.#slots.get(slot.id) === slot
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Writing

  #empty(rows: Rows, reading?: Reading): void {
    this.#generation++
    this.#slots.clear()
    this.#byRow = []
    this.#rows = rows
    this.#scorer = new Scorer(rows, this.#metric)
    this.#upkeep.stop()
    this.#upkeep = new Upkeep(this.#kind, rows, this.#slots, { reading, least: this.#leastWaste })
  }

  /** Puts what was in a file in the place of all there is; slots in the order of their rows. */
  #replace(rows: Rows, slots: ReadonlyArray<Slot>, reading: Reading | undefined): boolean {
    this.#empty(rows, reading)
    for (const slot of slots) {
      this.#slots.set(slot.id, slot)
      if ((reading?.parts.labels[slot.row] ?? -1) < 0) this.#upkeep.pending.add(slot)
      if (this.#scans > 0) this.#arrivals.push(slot)
    }
    this.#byRow = [...slots]
    this.#upkeep.wake()
    return true
  }

  #write(vector: Float32Array): number {
    const row = this.#rows.add()
    this.#prepare(vector, this.#rows.block(row), this.#rows.offset(row))
    return row
  }

  #show(slot: Slot): void {
    const old = this.#slots.get(slot.id)
    this.#slots.set(slot.id, slot)
    this.#byRow[slot.row] = slot
    this.#upkeep.add(slot)
    if (this.#scans > 0) this.#arrivals.push(slot)
    if (old !== undefined) this.#drop(old)
  }

  #drop(slot: Slot): void {
    this.#byRow[slot.row] = undefined
    this.#rows.release(slot.row)
    this.#upkeep.remove(slot)
  }

  /** Writes a vector into a matrix as it is compared. */
  #prepare(vector: Float32Array, into: Float32Array, offset: number): void {
    if (this.#metric === "cosine") scaleInto(into, offset, vector, unitFactor(normOf(vector)))
    else into.set(vector, offset)
  }
}

// Best first; equal scores rank by id.
const byScore = (a: Match, b: Match): number => b.score - a.score || (a.id < b.id ? -1 : 1)

const toMatch = ({ entry, score }: { readonly entry: Slot; readonly score: number }): Match => ({ id: entry.id, score })
