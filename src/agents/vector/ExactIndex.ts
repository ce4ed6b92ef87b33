/**
 * The index behind the exact engine: ids and rows, and searches that go through all rows, a part a turn of the event loop.
 */
import { Effect } from "effect"
import { Blocks, type Layout } from "./blocks.ts"
import type { Engine, Entry, IndexFile, Match, Request } from "./Engine.ts"
import { filed, type Place, type Taken } from "./file/filed.ts"
import { normOf, unitFactor } from "./kernels.ts"
import { Pass, type Slot } from "./pass.ts"
import type { Metric } from "./Stored.ts"
import { Snapshot } from "./snapshot.ts"
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

// Vectors taken in between two looks at the clock.
const batch = 64

// How often a search that was overtaken by removals begins again before it runs without a pause.
const attempts = 3

export class ExactIndex implements Engine {
  readonly index: IndexFile
  readonly #metric: Metric
  readonly #layout: Layout
  #blocks: Blocks
  readonly #turns: Turns
  readonly #byId = new Map<string, Slot>()
  #byRow: Array<Slot> = []
  /** Counts how often many were added, and says when some of them last replaced others. */
  #version = 0
  #replacedAt = 0

  constructor({ blockRows, dimension, hasCodes, makeMemory, memoryBytes, metric, turns: given }: ExactOptions) {
    this.#metric = metric
    const fitting = 2 ** Math.max(0, Math.floor(Math.log2(mostBlockNumbers / dimension)))
    this.#turns = given ?? turns
    this.#layout = {
      dimension,
      blockRows: blockRows ?? Math.min(mostBlockRows, fitting),
      isUnit: metric === "cosine",
      codes: hasCodes !== true ? "none" : metric === "euclidean" ? "half" : "plain",
      memoryBytes: memoryBytes ?? mostMemoryBytes,
      makeMemory: makeMemory === "none" ? undefined : (makeMemory ?? hostMemory())
    }
    this.#blocks = new Blocks(this.#layout)
    this.index = filed({
      library: "exact",
      settings: "",
      metric,
      dimension,
      stride: this.#blocks.stride,
      take: () => this.#take(),
      place: () => this.#place()
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
        yield* this.#turns.ready
        for (const [id, vector] of entries) {
          if (hidden.length % batch === 0 && this.#turns.isSpent()) yield* this.#turns.next
          if (rows !== this.#byRow) return
          if (hidden.length === 0) this.#blocks.reserve(rows.length + entries.length)
          hidden.push(this.#write(id, rows.length, vector))
        }
        if (this.#turns.isSpent()) yield* this.#turns.next
        if (rows !== this.#byRow) return
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
    this.#replace(new Blocks(this.#layout), [])
  }

  /** A search under way has other rows before it from now on: it begins again. */
  #replace(blocks: Blocks, ids: ReadonlyArray<string>): void {
    this.#replacedAt = ++this.#version
    this.#blocks = blocks
    this.#byId.clear()
    this.#byRow = ids.map((id, row): Slot => ({ id, row, shown: this.#version }))
    for (const slot of this.#byRow) this.#byId.set(slot.id, slot)
  }

  #write(id: string, row: number, vector: Float32Array): Slot {
    this.#blocks.reserve(row + 1)
    this.#blocks.write(row, vector)
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

  // -------------------------------------------------------------------------------------------------------------------
  // The file

  #take(): Taken {
    const blocks = this.#blocks
    const slots = this.#byRow.filter((slot) => this.#byId.get(slot.id) === slot)
    const snapshot = new Snapshot(
      blocks,
      slots.map(({ row }) => row)
    )
    blocks.snapshot = snapshot
    return {
      ids: slots.map(({ id }) => id),
      labels: new Int32Array(0),
      gone: new Int32Array(0),
      nextLabel: 0,
      norm: blocks.norm,
      vectors: snapshot.pieces(),
      native: undefined,
      release: () => {
        blocks.snapshot = undefined
      }
    }
  }

  #place(): (count: number) => Place {
    // Whoever replaces all there is puts another array in its place.
    const rows = this.#byRow
    return (count) => {
      const blocks = new Blocks(this.#layout)
      blocks.reserve(count)
      return {
        vectors: blocks.first(count),
        put: ({ ids, norm }, _path, told) =>
          Effect.gen({ self: this }, function* () {
            blocks.norm = norm
            for (let row = 0; blocks.hasCodes && row < count; row++) {
              if (row % batch === 0 && this.#turns.isSpent()) yield* this.#turns.next
              blocks.encode(row)
            }
            if (rows !== this.#byRow) return
            this.#replace(blocks, ids)
            told()
          })
      }
    }
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Searching

  search<B>(query: Float32Array, request: Request, answer: (matches: ReadonlyArray<Match>) => B): Effect.Effect<B> {
    return Effect.suspend(() => {
      const pass = this.#pass(query, request)
      if (this.#turns.begin() && this.#advance(pass)) return Effect.succeed(answer(pass.matches))
      return this.#finish(pass, query, request, answer)
    })
  }

  /** Goes on with a search, turn by turn. */
  #finish<B>(begun: Pass, query: Float32Array, request: Request, answer: (matches: ReadonlyArray<Match>) => B) {
    return Effect.gen({ self: this }, function* () {
      let pass = begun
      for (let attempt = 0; attempt < attempts; attempt++) {
        do {
          pass.pause()
          yield* this.#turns.next
        } while (!this.#advance(pass))
        if (this.#holds(pass)) return answer(pass.matches)
        pass = this.#pass(query, request)
      }
      while (!this.#advance(pass)) {}
      return answer(pass.matches)
    })
  }

  #advance(pass: Pass): boolean {
    return pass.advance(this.#byRow, () => this.#turns.isSpent())
  }

  /**
   * What was removed or replaced while others ran must not show, and something else takes its place. Where many were replaced
   * at once, the old ones may have been ahead of the scan, and the new ones behind it.
   */
  #holds({ slots, version }: Pass): boolean {
    return this.#replacedAt <= version && slots.every((slot) => this.#byId.get(slot.id) === slot)
  }

  #pass(query: Float32Array, request: Request): Pass {
    return new Pass({
      blocks: this.#blocks,
      metric: this.#metric,
      query,
      factor: this.#layout.isUnit ? unitFactor(normOf(query)) : 1,
      request,
      version: this.#version,
      end: this.#byRow.length
    })
  }
}
