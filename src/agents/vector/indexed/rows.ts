/** Vectors by row number. They lie in blocks, so that growing copies nothing, and a row never changes while it is in use. */
export class Rows {
  readonly dimension: number
  readonly rowsPerBlock: number
  readonly #blocks: Array<Float32Array> = []
  /** Rows that can be used again, and those that can be once nobody reads them any more. */
  #free: Array<number> = []
  #released: Array<number> = []
  #readers = 0
  #end = 0

  constructor(dimension: number) {
    this.dimension = dimension
    this.rowsPerBlock = 2 ** Math.max(0, Math.floor(Math.log2(2 ** 20 / dimension)))
  }

  /** The row behind the last one that was ever used. */
  get end(): number {
    return this.#end
  }

  /** A row for a vector, to be written by the caller before anybody reads it. */
  add(): number {
    const reused = this.#readers === 0 ? this.#free.pop() : undefined
    if (reused !== undefined) return reused
    const row = this.#end++
    // Without zeros, which would take longer than to read vectors from a file.
    if (row % this.rowsPerBlock === 0)
      this.#blocks.push(new Float32Array(Buffer.allocUnsafeSlow(4 * this.rowsPerBlock * this.dimension).buffer))
    return row
  }

  release(row: number): void {
    if (this.#readers === 0) this.#free.push(row)
    else this.#released.push(row)
  }

  /** The block of a row. */
  block(row: number): Float32Array {
    // Sound: there is a block for each row that `add` gave.
    return this.#blocks[Math.floor(row / this.rowsPerBlock)] as Float32Array
  }

  /** Where in its block a row begins. */
  offset(row: number): number {
    return (row % this.rowsPerBlock) * this.dimension
  }

  /** The vector of a row, not a copy. */
  at(row: number): Float32Array {
    const offset = this.offset(row)
    return this.block(row).subarray(offset, offset + this.dimension)
  }

  /** Keeps every row as it is, also those that are released, until the function that comes back is called. */
  hold(): () => void {
    this.#readers++
    return () => {
      if (--this.#readers > 0) return
      for (const row of this.#released) this.#free.push(row)
      this.#released = []
    }
  }
}
