import type { NativeIndex } from "./NativeIndex.ts"

/** One vector under one id. A replaced vector gets a new slot, so that whoever holds one can tell. */
export interface Slot {
  readonly id: string
  readonly row: number
}

/** What a file says of an index that a library wrote. */
export interface Labels {
  /** The label of each row, -1 where it has none. */
  readonly labels: Int32Array
  /** Labels that stand for nothing any more and are still in the index. */
  readonly gone: Iterable<number>
  readonly nextLabel: number
}

/**
 * An index of a library, and the row in which the vector of each of its labels lies. Two lists of numbers tell that: to look a
 * candidate up costs one read of memory, where a map of objects would cost several, and nothing of it is near.
 */
export class Labelled {
  readonly native: NativeIndex
  /** The row of each label and the label of each row, -1 for none. */
  #rows = new Int32Array(0)
  #labels = new Int32Array(0)
  #size = 0
  #gone: Array<number> = []
  /** Labels that were taken out: they leave holes that slow a search until they are filled. */
  #free: Array<number> = []
  #nextLabel = 0

  constructor(native: NativeIndex) {
    this.native = native
  }

  /** How many rows it holds. */
  get size(): number {
    return this.#size
  }

  /** How much of the index is of no use. */
  get waste(): number {
    return this.#gone.length + this.#free.length
  }

  get nextLabel(): number {
    return this.#nextLabel
  }

  /** The labels still in the index that stand for nothing. */
  get gone(): ReadonlyArray<number> {
    return this.#gone
  }

  /** The label of a row, -1 if it is not in the index. */
  labelOf(row: number): number {
    return this.#labels[row] ?? -1
  }

  /** Adds rows with their vectors, one behind the other. */
  add(rows: ReadonlyArray<number>, vectors: Float32Array): void {
    const labels = rows.map((_, i) => this.#free.at(-1 - i) ?? this.#nextLabel + i - this.#free.length)
    this.native.add(labels, vectors)
    this.#nextLabel += Math.max(0, rows.length - this.#free.length)
    this.#free.length = Math.max(0, this.#free.length - rows.length)
    // Sound: there is a label for each row.
    for (const [i, row] of rows.entries()) this.#stand(labels[i] as number, row)
  }

  #stand(label: number, row: number): void {
    this.#rows = reaching(this.#rows, label)
    this.#labels = reaching(this.#labels, row)
    this.#rows[label] = row
    this.#labels[row] = label
    this.#size++
  }

  /** Takes a row out of all answers from now on. */
  forget(row: number): void {
    const label = this.labelOf(row)
    if (label < 0) return
    this.#labels[row] = -1
    this.#rows[label] = -1
    this.#size--
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
    this.#free.push(...labels)
  }

  /**
   * The nearest rows as the library sees it, `most` of the `count` that it is asked for; whether there may be more if more are asked for.
   */
  nearest(
    query: Float32Array,
    count: number,
    most: number
  ): { readonly rows: ReadonlyArray<number>; readonly isAll: boolean } {
    const held = this.#size + this.#gone.length
    const wanted = Math.min(held, count)
    if (wanted === 0) return { rows: [], isAll: true }
    const rows: Array<number> = []
    for (const label of this.native.search(query, wanted)) {
      const row = this.#rows[label] ?? -1
      if (row >= 0 && rows.push(row) >= most) break
    }
    return { rows, isAll: wanted === held }
  }

  /** An index that was in a file. */
  static restored(native: NativeIndex, { gone, labels, nextLabel }: Labels): Labelled {
    const labelled = new Labelled(native)
    labelled.#nextLabel = nextLabel
    for (const [row, label] of labels.entries()) if (label >= 0) labelled.#stand(label, row)
    labelled.#gone = [...gone]
    const known = new Set(labelled.#gone)
    for (let label = 0; label < nextLabel; label++)
      if ((labelled.#rows[label] ?? -1) < 0 && !known.has(label)) labelled.#free.push(label)
    return labelled
  }
}

/** The same numbers in a list that reaches as far as `at`. */
const reaching = (numbers: Int32Array<ArrayBuffer>, at: number): Int32Array<ArrayBuffer> => {
  if (at < numbers.length) return numbers
  const longer = new Int32Array(2 * at + 64).fill(-1)
  longer.set(numbers)
  return longer
}
