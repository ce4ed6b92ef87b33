import type { Found } from "./scan.ts"

/** Where each record of a log is, in memory: 24 bytes a record. */
export class Positions {
  readonly #positions: Array<number> = []
  readonly #lengths: Array<number> = []
  /** The offset of the frame that each one is in. */
  readonly #frames: Array<number> = []

  add(offset: number, positions: ReadonlyArray<number>, lengths: ReadonlyArray<number>): void {
    for (const [i, position] of positions.entries()) {
      this.#positions.push(position)
      this.#lengths.push(lengths[i] ?? 0)
      this.#frames.push(offset)
    }
  }

  readonly addFound = ({ header, offset }: Found): void => this.add(offset, header.positions, header.lengths)

  get count(): number {
    return this.#positions.length
  }

  get first(): number | undefined {
    return this.#positions[0]
  }

  get last(): number | undefined {
    return this.#positions.at(-1)
  }

  /** The frame of the first record at a position or after it. */
  frameFrom(position: number): number | undefined {
    return this.#frames[this.#search(position)]
  }

  /** The frame of the last record before a position. */
  frameBefore(position: number): number | undefined {
    return this.#frames[this.#search(position) - 1]
  }

  /** The frame of the record at a position. */
  frameAt(position: number): number | undefined {
    const i = this.#search(position)
    return this.#positions[i] === position ? this.#frames[i] : undefined
  }

  list(): ReadonlyArray<{ readonly position: number; readonly bytes: number }> {
    return this.#positions.map((position, i) => ({ position, bytes: this.#lengths[i] ?? 0 }))
  }

  /** The index of the first record at a position or after it. */
  #search(position: number): number {
    let low = 0
    let high = this.#positions.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#positions[middle] ?? 0) < position) low = middle + 1
      else high = middle
    }
    return low
  }
}
