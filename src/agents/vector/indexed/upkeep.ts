/**
 * Brings vectors into the index of a library, in the background, so that writing never waits for it: what is not in the
 * index yet is compared one by one. Also makes the index anew when half of it is waste, and for the first time when it
 * has to be trained. Works in short steps, between which others run, and ends when there is nothing left to do.
 */
import { Effect } from "effect"
import type { NativeFile } from "../file/filed.ts"
import { turns } from "../turns.ts"
import { Labelled, type Labels, type Slot } from "./labelled.ts"
import type { NativeKind } from "./NativeIndex.ts"
import type { Rows } from "./rows.ts"

/** An index that the library is to read from a file. */
export interface Reading {
  readonly native: NativeFile
  readonly parts: Labels
}

/** An index that is being made, and what still has to go into it. */
interface Renewal {
  readonly index: Labelled
  readonly todo: Array<Slot>
  at: number
}

// Below this much waste an index is not worth making anew.
const leastWaste = 1024

// Labels taken out in one step, some microseconds each.
const swept = 64

export class Upkeep {
  /** What is in use, but not in the index yet. */
  readonly pending = new Set<Slot>()
  /** The index that is searched; `undefined` while there is none. */
  index: Labelled | undefined
  readonly #kind: NativeKind
  readonly #rows: Rows
  readonly #slots: ReadonlyMap<string, Slot>
  readonly #leastWaste: number
  #renewal: Renewal | undefined
  #reading: Reading | undefined
  /** Rows that went before the library had read which of them it holds. */
  #dropped: Array<number> = []
  #isRunning = false
  /** Since it was told to, or since the library failed. */
  #isStopped = false

  constructor(
    kind: NativeKind,
    rows: Rows,
    slots: ReadonlyMap<string, Slot>,
    { least = leastWaste, reading }: { readonly least?: number | undefined; readonly reading?: Reading | undefined }
  ) {
    this.#reading = reading
    this.#kind = kind
    this.#rows = rows
    this.#slots = slots
    this.#leastWaste = least
  }

  /** Takes note of a slot that has come into use. */
  add(slot: Slot): void {
    this.pending.add(slot)
    this.wake()
  }

  /** Takes note of a slot that is no longer in use. */
  remove(slot: Slot): void {
    this.#renewal?.index.forget(slot.row)
    if (this.pending.delete(slot)) return
    if (this.#reading !== undefined) this.#dropped.push(slot.row)
    this.index?.forget(slot.row)
    this.wake()
  }

  /** Waits until a slot is in the index, or no index is to be had at the moment. */
  indexed(slot: Slot): Effect.Effect<void> {
    return Effect.suspend(() =>
      this.#isRunning && this.pending.has(slot) && (this.index !== undefined || this.#kind.trainedBy === 0)
        ? Effect.andThen(turns.next, this.indexed(slot))
        : Effect.void
    )
  }

  /** Waits until there is nothing left to do. */
  readonly settled: Effect.Effect<void> = Effect.suspend(() =>
    this.#isRunning ? Effect.andThen(turns.next, this.settled) : Effect.void
  )

  /** Does nothing more: the vectors are other ones now. */
  stop(): void {
    this.#isStopped = true
    this.#reading = undefined
    this.pending.clear()
  }

  /** The library threw: its index is not used any more, and every search compares with all vectors. */
  fail(cause: unknown): void {
    for (const slot of this.#slots.values()) this.pending.add(slot)
    this.#renewal = undefined
    this.index = undefined
    this.#isStopped = true
    const message = `${this.#kind.library} failed: every search compares with all vectors until the index is opened again`
    Effect.runFork(Effect.logError(message, cause))
  }

  wake(): void {
    if (this.#isRunning || !this.#hasWork) return
    this.#isRunning = true
    Effect.runFork(this.#work)
  }

  get #hasWork(): boolean {
    if (this.#isStopped) return false
    if (this.#reading !== undefined) return true
    if (this.#renewal !== undefined || this.#needsRenewal) return true
    return this.index !== undefined && (this.pending.size > 0 || this.index.canSweep)
  }

  get #needsRenewal(): boolean {
    if (this.index === undefined) return this.#slots.size > 0 && this.#slots.size >= this.#kind.trainedBy
    return this.index.waste > Math.max(this.#leastWaste, this.index.size)
  }

  get #work(): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      while (this.#hasWork) {
        if (this.#reading !== undefined) yield* this.#read(this.#reading)
        yield* turns.next
        try {
          while (this.#hasWork && !turns.isSpent()) this.#step()
        } catch (cause) {
          this.fail(cause)
        }
      }
      this.#isRunning = false
    })
  }

  // -------------------------------------------------------------------------------------------------------------------
  // An index in a file

  #read(reading: Reading): Effect.Effect<void> {
    const checked = Effect.tryPromise({ try: () => reading.native.part.check(), catch: (cause) => cause })
    return Effect.match(checked, {
      onSuccess: () => this.#finish(reading, () => {}),
      onFailure: (cause) =>
        this.#finish(reading, () => {
          throw cause
        })
    })
  }

  /** The index, which the library reads now if it has not yet: for who is to write it again. */
  readNow(): Labelled | undefined {
    const reading = this.#reading
    if (reading !== undefined) this.#finish(reading, () => reading.native.part.checkNow())
    return this.index
  }

  /** Reads an index if it passes a check; otherwise it is made anew. Does nothing if that was done, or is of no use any more. */
  #finish(reading: Reading, check: () => void): void {
    if (this.#reading !== reading) return
    this.#reading = undefined
    const { native, parts } = reading
    try {
      check()
      const index = Labelled.restored(native.part.load(this.#kind.load), parts)
      for (const row of this.#dropped) index.forget(row)
      this.index = index
    } catch (cause) {
      for (const slot of this.#slots.values()) this.pending.add(slot)
      native.unread(native.part.unusable(cause))
    }
    this.#dropped = []
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Steps

  #step(): void {
    if (this.index !== undefined && this.pending.size > 0) this.#index(this.index)
    else if (this.index?.canSweep === true) this.index.sweep(swept)
    else if (this.#renewal !== undefined) this.#renew(this.#renewal)
    else if (this.#needsRenewal) this.#beginRenewal()
  }

  /** The first of what is pending goes into the index, and later into the one that is being made. */
  #index(index: Labelled): void {
    const slots = first(this.pending, this.#kind.batch)
    this.#addTo(index, slots)
    for (const slot of slots) {
      this.pending.delete(slot)
      this.#renewal?.todo.push(slot)
    }
  }

  #beginRenewal(): void {
    const todo = [...this.#slots.values()]
    const needed = this.#kind.trainedBy
    if (todo.length < needed) {
      // Too few are left to train another index, and few enough to do without.
      for (const slot of todo) this.pending.add(slot)
      this.index = undefined
      return
    }
    // Spread over all of them, since neighbours may have come together.
    const sample = Array.from({ length: needed }, (_, i) => todo[Math.floor((i * todo.length) / needed)])
    const index = new Labelled(this.#kind.make(this.#vectors(sample.filter((slot) => slot !== undefined))))
    // Nothing has to be carried over into the first index where it needs no training.
    if (this.index === undefined && needed === 0) this.index = index
    else this.#renewal = { index, todo, at: 0 }
  }

  #renew(renewal: Renewal): void {
    const slots: Array<Slot> = []
    while (slots.length < this.#kind.batch && renewal.at < renewal.todo.length) {
      const slot = renewal.todo[renewal.at++]
      if (slot !== undefined && this.#slots.get(slot.id) === slot) slots.push(slot)
    }
    if (slots.length > 0) this.#addTo(renewal.index, slots)
    // While there is no index, they have been pending all along.
    for (const slot of slots) this.pending.delete(slot)
    if (renewal.at < renewal.todo.length) return
    this.index = renewal.index
    this.#renewal = undefined
  }

  #addTo(index: Labelled, slots: ReadonlyArray<Slot>): void {
    index.add(
      slots.map(({ row }) => row),
      this.#vectors(slots)
    )
  }

  #vectors(slots: ReadonlyArray<Slot>): Float32Array {
    const d = this.#rows.dimension
    const vectors = new Float32Array(slots.length * d)
    slots.forEach((slot, i) => {
      vectors.set(this.#rows.at(slot.row), i * d)
    })
    return vectors
  }
}

const first = <A>(all: Iterable<A>, count: number): ReadonlyArray<A> => {
  const taken: Array<A> = []
  for (const a of all) {
    if (taken.length === count) break
    taken.push(a)
  }
  return taken
}
