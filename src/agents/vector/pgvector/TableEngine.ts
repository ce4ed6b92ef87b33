/**
 * The engine over a table. Ids are in memory, and vectors only until the table has them. The database proposes candidates; what is
 * answered is scored again from the vectors themselves, so that scores, their order and ties are those of the exact engine.
 */
import { Effect } from "effect"
import type { ReadError } from "../../StateError.ts"
import type { Engine, Entry, IndexTable, Match, Request } from "../Engine.ts"
import { scorers } from "../indexed/scan.ts"
import { dot } from "../kernels.ts"
import type { Metric } from "../Stored.ts"
import type { Stamp } from "../stamps.ts"
import { TopK } from "../topK.ts"
import { turns } from "../turns.ts"
import { type Changes, Known } from "./known.ts"
import type { Score, Table } from "./table.ts"
import { Upkeep } from "./upkeep.ts"

/** What an engine is made of. */
export interface Options {
  readonly table: Table
  readonly dimension: number
  readonly metric: Metric
  /** The most candidates to ask an index for, where there are so many vectors. Default: one in 20, and 2048 at most. */
  readonly mostCandidates?: ((size: number) => number) | undefined
  /** Where a filter leaves so few, they are asked for by their ids. Default: 1000. */
  readonly few?: number | undefined
}

// Candidates scored again for each match that is wanted: distances in the database are of 32 bits.
const rescored = 1.2

// The most rows put in order by the database; where more are wanted, all are read.
const mostOrdered = 2048

const all = Number.POSITIVE_INFINITY

// Vectors scored or copied in one go, and vectors on their way to the table that adding waits for.
const piece = 256
const mostPending = 4096

export class TableEngine implements Engine {
  readonly #options: Options
  readonly #known = new Known()
  readonly #upkeep: Upkeep
  readonly #mostCandidates: (size: number) => number
  readonly #few: number

  constructor(options: Options) {
    this.#options = options
    this.#upkeep = new Upkeep(options.table, this.#known)
    this.#few = options.few ?? 1000
    this.#mostCandidates = options.mostCandidates ?? ((size) => Math.min(mostOrdered, size / 20))
  }

  size(): number {
    return this.#known.size
  }

  reserve(): void {}

  set(id: string, vector: Float32Array, stamp?: Stamp): void {
    this.#known.set(id, this.#prepare(vector), stamp)
    this.#upkeep.wake()
  }

  setMany(entries: ReadonlyArray<Entry>): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      const { generation } = this.#known
      const prepared: Array<readonly [string, Float32Array | undefined, Stamp | undefined]> = []
      for (const [id, vector, stamp] of entries) {
        if (prepared.length % piece === 0 && !turns.begin()) yield* turns.next
        prepared.push([id, this.#prepare(vector), stamp])
      }
      if (generation !== this.#known.generation) return
      for (const entry of prepared) this.#known.set(...entry)
      this.#upkeep.wake()
      // What comes faster than the table takes it would only take memory and make searches slow.
      yield* this.#upkeep.below(mostPending)
    })
  }

  delete(id: string): void {
    this.#known.delete(id)
    this.#upkeep.wake()
  }

  clear(): void {
    this.#known.clear()
    this.#upkeep.stop()
  }

  readonly table: IndexTable = {
    open: (memory) =>
      Effect.map(this.#open(memory), () => {
        this.#upkeep.wake()
      }),
    load: (use) => this.#load(use),
    save: Effect.suspend(() => this.#upkeep.flush),
    complete: Effect.suspend(() => Effect.andThen(this.#upkeep.flush, this.#options.table.ensureIndex))
  }

  #open(memory: string): Effect.Effect<void, ReadError> {
    return this.#options.table.open(memory)
  }

  #load(use: (stamps: ReadonlyMap<string, Stamp>) => void): Effect.Effect<void, ReadError> {
    return Effect.suspend(() => {
      const { generation } = this.#known
      const { changes, end } = this.#known.watch()
      const loaded = Effect.map(this.#options.table.rows, (rows) => {
        if (generation === this.#known.generation) use(this.#known.load(rows, changes))
      })
      return Effect.ensuring(loaded, Effect.sync(end))
    })
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Searching

  search<B>(
    query: Float32Array,
    request: Request,
    answer: (matches: ReadonlyArray<Match>) => B
  ): Effect.Effect<B, ReadError> {
    return Effect.suspend(() => {
      const prepared = this.#prepare(query)
      // Everything scores 0 with what points nowhere.
      if (prepared === undefined) return Effect.succeed(answer(this.#nowhere(request)))
      const { changes, end } = this.#known.watch()
      const found = Effect.gen({ self: this }, function* () {
        if (!turns.begin()) yield* turns.next
        return yield* this.#find(prepared, request, changes, answer)
      })
      return Effect.ensuring(found, Effect.sync(end))
    })
  }

  /** What is best is found and answered in one instant: no turn of others comes in between. */
  #find<B>(
    query: Float32Array,
    request: Request,
    changes: Changes,
    answer: (matches: ReadonlyArray<Match>) => B
  ): Effect.Effect<B, ReadError> {
    return Effect.gen({ self: this }, function* () {
      const { table } = this.#options
      const { accept, k } = request
      const score = this.#scoring(query)
      if (this.#isAllInMemory(changes)) return answer(this.#best([], all, query, request, changes) ?? [])
      const size = this.#known.size
      const first = Math.ceil(rescored * Math.min(k, size)) + 2
      const most = table.isIndexed ? this.#mostCandidates(size) : mostOrdered
      // Ids are in memory, so that it takes little to know all that pass.
      const ids = accept === undefined ? undefined : [...this.#known.ids()].filter((id) => accept(id))
      const share = ids === undefined ? 1 : (2 * ids.length) / (3 * size)
      const isFew = ids !== undefined && ids.length <= this.#few
      for (let count = Math.ceil(first / share); count <= most && !isFew; count *= 4) {
        const rows = yield* table.nearest(query, count, false, score)
        const enough = !table.isIndexed && rows.length < count ? all : first
        const best = this.#best(rows, enough, query, request, changes)
        if (best !== undefined) return answer(best)
        // The index has no more, or tells no more.
        if (rows.length < count) break
      }
      if (ids === undefined)
        for (let count = first; count <= mostOrdered; count *= 4) {
          const rows = yield* table.nearest(query, count, true, score)
          const enough = rows.length < count ? all : first
          const best = this.#best(rows, enough, query, request, changes)
          if (best !== undefined) return answer(best)
        }
      const rows = yield* table.scan(ids, score)
      return answer(this.#best(rows, all, query, request, changes) ?? [])
    })
  }

  #isAllInMemory(changes: Changes): boolean {
    let inTable = this.#known.size - this.#known.nowhere.size
    for (const fresh of changes.values()) if (fresh?.vector !== undefined) inTable--
    return inTable === 0
  }

  /**
   * The best of some rows and of what is in memory; `undefined` if rows that were not asked for may belong there. That so many of the
   * rows pass is enough, or `all` where these are all rows that there are.
   */
  #best(
    rows: ReadonlyArray<Match>,
    enough: number,
    query: Float32Array,
    { accept, k, minScore }: Request,
    changes: Changes
  ): ReadonlyArray<Match> | undefined {
    const wanted = Math.min(k, this.#known.size)
    const best = new TopK<{ readonly id: string }>(wanted, Number.NEGATIVE_INFINITY)
    const offer = (entry: Match) => {
      if (entry.score >= best.threshold && best.admits(entry, entry.score)) best.push(entry, entry.score)
    }
    for (const match of this.#fresh(query, changes)) if (accept?.(match.id) !== false) offer(match)
    for (const id of this.#known.nowhere) if (!changes.has(id) && accept?.(id) !== false) offer({ id, score: 0 })
    let worst = Number.POSITIVE_INFINITY
    let passed = 0
    for (const match of rows) {
      if (match.score < worst) worst = match.score
      if (!this.#known.has(match.id) || changes.has(match.id) || accept?.(match.id) === false) continue
      passed++
      offer(match)
    }
    const ranked = best.ranked()
    const last = ranked[wanted - 1]?.score
    // Equal scores rank by id, so all of them have to be there; and of those that a filter leaves, as many as without one.
    const isFull =
      last !== undefined && last > worst && (accept === undefined || passed >= Math.min(enough, rows.length / 2))
    if (enough !== all && !isFull && !(rows.length > 0 && worst < minScore)) return undefined
    return ranked.map(({ entry: { id }, score }) => ({ id, score })).filter(({ score }) => score >= minScore)
  }

  /** What the table may not have yet, scored. */
  #fresh(query: Float32Array, changes: Changes): ReadonlyArray<Match> {
    const ids: Array<string> = []
    const vectors: Array<Float32Array> = []
    const found: Array<Match> = []
    for (const [id, fresh] of changes) {
      if (fresh === undefined) continue
      if (fresh.vector === undefined) found.push({ id, score: 0 })
      else {
        ids.push(id)
        vectors.push(fresh.vector)
      }
    }
    const { dimension } = this.#options
    const score = this.#scoring(query)
    for (let at = 0; at < ids.length; at += piece) {
      const some = vectors.slice(at, at + piece)
      const matrix = new Float32Array(some.length * dimension)
      for (const [i, vector] of some.entries()) matrix.set(vector, i * dimension)
      for (const match of score(ids.slice(at, at + piece), matrix)) found.push(match)
    }
    return found
  }

  #scoring(query: Float32Array): Score {
    const scoreRows = scorers[this.#options.metric]
    return (ids, vectors) => {
      const scores = new Float64Array(ids.length)
      scoreRows(vectors, 0, query, scores, ids.length)
      // Sound: there is a score for each of them.
      return ids.map((id, i) => ({ id, score: scores[i] as number }))
    }
  }

  #nowhere({ accept, k, minScore }: Request): ReadonlyArray<Match> {
    if (minScore > 0) return []
    const best = new TopK<{ readonly id: string }>(Math.min(k, this.#known.size), Number.NEGATIVE_INFINITY)
    for (const id of this.#known.ids()) {
      const entry = { id }
      if (0 >= best.threshold && best.admits(entry, 0) && accept?.(id) !== false) best.push(entry, 0)
    }
    return best.ranked().map(({ entry: { id }, score }) => ({ id, score }))
  }

  /** A copy as it is compared; none of a vector that points nowhere where only directions count. */
  #prepare(vector: Float32Array): Float32Array | undefined {
    if (this.#options.metric !== "cosine") return vector.slice()
    const norm = Math.sqrt(dot(vector, 0, vector))
    if (norm === 0) return undefined
    const unit = new Float32Array(vector.length)
    // Sound: `i` is below the length.
    for (let i = 0; i < unit.length; i++) unit[i] = (vector[i] as number) / norm
    return unit
  }
}
