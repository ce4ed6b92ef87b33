/** Rows of blocks as they are at one moment, read piece by piece while others change them. */
import type { Blocks } from "./blocks.ts"
import { piece } from "./file/bytes.ts"

export class Snapshot {
  readonly #blocks: Blocks
  readonly #rows: ReadonlyArray<number>
  #read = 0
  /** Rows that were changed before they were read, as they were. */
  readonly #changed = new Map<number, Float32Array>()

  /** Of these rows, in ascending order. */
  constructor(blocks: Blocks, rows: ReadonlyArray<number>) {
    this.#blocks = blocks
    this.#rows = rows
  }

  /** To be called before a row changes. */
  keep(row: number): void {
    const isRead = row < (this.#rows[this.#read] ?? Number.POSITIVE_INFINITY)
    if (!isRead && !this.#changed.has(row)) this.#changed.set(row, this.#blocks.at(row).slice())
  }

  /** Copies of the rows, some at a time. */
  *pieces(): Generator<Float32Array> {
    const { stride } = this.#blocks
    const atOnce = Math.max(1, Math.floor(piece / (4 * stride)))
    while (this.#read < this.#rows.length) {
      const rows = this.#rows.slice(this.#read, this.#read + atOnce)
      const copies = new Float32Array(rows.length * stride)
      for (const [i, row] of rows.entries()) copies.set(this.#changed.get(row) ?? this.#blocks.at(row), i * stride)
      this.#read += rows.length
      yield copies
    }
  }
}
