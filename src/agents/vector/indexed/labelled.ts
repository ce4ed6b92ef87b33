import type { NativeIndex } from "./NativeIndex.ts"

/** One vector under one id. A replaced vector gets a new slot, so that whoever holds one can tell. */
export interface Slot {
  readonly id: string
  readonly row: number
}

/** An index of a library, and which slot each of its labels stands for. */
export class Labelled {
  readonly native: NativeIndex
  readonly #slots = new Map<number, Slot>()
  readonly #labels = new Map<Slot, number>()
  /** Labels that stand for nothing any more and are still in the index. */
  #gone: Array<number> = []
  /** How many were taken out: they leave holes that slow a search until they are filled. */
  #holes: number
  #nextLabel: number

  constructor(native: NativeIndex, holes = 0, nextLabel = 0) {
    this.native = native
    this.#holes = holes
    this.#nextLabel = nextLabel
  }

  /** How many slots it holds. */
  get size(): number {
    return this.#slots.size
  }

  /** How much of the index is of no use. */
  get waste(): number {
    return this.#gone.length + this.#holes
  }

  get nextLabel(): number {
    return this.#nextLabel
  }

  /** The label of a slot, if it is in the index. */
  labelOf(slot: Slot): number | undefined {
    return this.#labels.get(slot)
  }

  /** Adds slots with their vectors, one behind the other. */
  add(slots: ReadonlyArray<Slot>, vectors: Float32Array): void {
    this.native.add(this.#nextLabel, vectors)
    for (const slot of slots) this.restore(slot, this.#nextLabel++)
    this.#holes = Math.max(0, this.#holes - slots.length)
  }

  /** Says what a label of a loaded index stands for. */
  restore(slot: Slot, label: number): void {
    this.#slots.set(label, slot)
    this.#labels.set(slot, label)
  }

  /** Takes a slot out of all answers from now on. */
  forget(slot: Slot): void {
    const label = this.#labels.get(slot)
    if (label === undefined) return
    this.#labels.delete(slot)
    this.#slots.delete(label)
    this.#gone.push(label)
  }

  /** Whether the library has labels to take out. */
  get canSweep(): boolean {
    return this.native.remove !== undefined && this.#gone.length > 0
  }

  /** Lets the library take out some of what was forgotten. */
  sweep(count: number): void {
    const labels = this.#gone.slice(-count)
    this.native.remove?.(labels)
    this.#gone.length -= labels.length
    this.#holes += labels.length
  }

  /** The nearest slots as the library sees it; whether there may be more if more are asked for. */
  nearest(query: Float32Array, count: number): { readonly slots: ReadonlyArray<Slot>; readonly isAll: boolean } {
    const held = this.#slots.size + this.#gone.length
    const wanted = Math.min(held, count)
    if (wanted === 0) return { slots: [], isAll: true }
    const slots: Array<Slot> = []
    for (const label of this.native.search(query, wanted)) {
      const slot = this.#slots.get(label)
      if (slot !== undefined) slots.push(slot)
    }
    return { slots, isAll: wanted === held }
  }

  /** The labels still in the index that stand for nothing, for a file. */
  get gone(): ReadonlyArray<number> {
    return this.#gone
  }

  static restored(native: NativeIndex, holes: number, nextLabel: number, gone: ReadonlyArray<number>): Labelled {
    const labelled = new Labelled(native, holes, nextLabel)
    labelled.#gone = [...gone]
    return labelled
  }
}
