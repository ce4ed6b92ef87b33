/**
 * Where the vectors of the exact engine lie: in blocks of rows, and blocks in memories. While they are few, they lie in one
 * ordinary array: every memory of WebAssembly takes 8 GiB of addresses, and there may be one small index for each user.
 * After that they lie in memories of WebAssembly, which grow in place, each up to 4 GiB, so that adding never copies what is
 * there. Where WebAssembly is missing, or the system gives it no more, a block is an ordinary array.
 */
import { normOf, scaleInto, unitFactor } from "./kernels.ts"
import { encodeRow, factBytes } from "./quantize.ts"
import type { Snapshot } from "./snapshot.ts"
import type { Kernels, MakeMemory, Memory } from "./wasm/host.ts"
import { stepBytes } from "./wasm/row.ts"

/** What all blocks of an index have in common. */
export interface Layout {
  readonly dimension: number
  /** Rows in a block, a power of two. */
  readonly blockRows: number
  /** Whether rows are made 1 long. */
  readonly isUnit: boolean
  /** Whether rows have 8-bit codes as well, and whether the half of their squared length is kept with them. */
  readonly codes: "none" | "plain" | "half"
  /** How large a memory gets, in bytes. */
  readonly memoryBytes: number
  readonly makeMemory: MakeMemory | undefined
}

/** Numbers that lie in an ordinary array while there are no more of them: 256 KiB. */
const few = 2 ** 16

const pageBytes = 65_536

const roundUp = (n: number, to: number): number => Math.ceil(n / to) * to

/** What holds blocks. */
interface Home {
  floats: Float32Array
  readonly kernels: Kernels | undefined
}

/** Where a block begins. */
export interface Block {
  readonly home: Home
  /** The first number of the first row, in `home.floats`. */
  readonly start: number
}

export class Blocks {
  readonly blockRows: number
  /** Numbers from one row to the next: the dimension, filled up with zeros, which change no score. */
  readonly stride: number
  /** Bytes of the codes of a row, filled up in the same way, without what is kept behind them. */
  readonly codeBytes: number
  /** Bytes from the codes of one row to those of the next. */
  readonly codeStride: number
  /** Where keys are written in a memory, as a number of floats. The query is at 0. */
  readonly keys: number
  readonly #layout: Layout
  readonly #shift: number
  readonly #blockBytes: number
  readonly #headBytes: number
  #blocks: Array<Block> = []
  #memory: Grown | undefined
  /** Told before a row changes. */
  snapshot: Snapshot | undefined
  #norm = 0
  #error = 0

  constructor(layout: Layout) {
    const { blockRows, codes, dimension } = layout
    this.stride = roundUp(dimension, stepBytes / 4)
    this.codeBytes = roundUp(dimension, stepBytes / 2)
    this.codeStride = codes === "none" ? 0 : this.codeBytes + factBytes
    this.#layout = layout
    this.blockRows = blockRows
    this.#shift = Math.log2(blockRows)
    this.#blockBytes = roundUp(blockRows * (4 * this.stride + this.codeStride), stepBytes)
    this.keys = roundUp(this.stride, stepBytes / 4)
    this.#headBytes = roundUp(4 * this.keys + 4 * blockRows, stepBytes)
  }

  get capacity(): number {
    const [first] = this.#blocks
    if (this.#blocks.length === 1 && first !== undefined) return this.#rowsOf(first)
    return this.#blocks.length * this.blockRows
  }

  /** The largest norm of all rows that were ever written. */
  get norm(): number {
    return this.#norm
  }

  /** For rows that were written where they lie. */
  set norm(norm: number) {
    this.#norm = Math.max(this.#norm, norm)
  }

  /** The largest error of their codes. */
  get error(): number {
    return this.#error
  }

  /** The block of a row, which is below the capacity. */
  of(row: number): Block {
    // Sound: by what is said above.
    return this.#blocks[row >> this.#shift] as Block
  }

  /** Where a row begins, in the floats of its block. */
  startOf(row: number): number {
    return this.of(row).start + (row & (this.blockRows - 1)) * this.stride
  }

  /** The address of a row's codes, in the bytes of its block. */
  codesOf(row: number): number {
    const { blockRows } = this
    return 4 * (this.of(row).start + blockRows * this.stride) + (row & (blockRows - 1)) * this.codeStride
  }

  /** The numbers of a row, not a copy. */
  at(row: number): Float32Array {
    const start = this.startOf(row)
    return this.of(row).home.floats.subarray(start, start + this.stride)
  }

  /** All numbers of the first so many rows, for which there is room, by blocks; not a copy. */
  first(count: number): ReadonlyArray<Float32Array> {
    return Array.from({ length: Math.ceil(count / this.blockRows) }, (_, i) => {
      const first = i * this.blockRows
      const start = this.startOf(first)
      const rows = Math.min(this.blockRows, count - first)
      return this.of(first).home.floats.subarray(start, start + rows * this.stride)
    })
  }

  /** Makes room for so many rows in all. */
  reserve(rows: number): void {
    if (rows <= this.capacity) return
    const small = Math.min(this.blockRows, Math.floor(few / this.stride))
    if (rows <= small) this.#takeOver(ordinary(Math.min(small, Math.max(rows, 2 * this.capacity, 8)) * this.stride))
    else {
      const [first] = this.#blocks
      if (this.#blocks.length === 1 && first?.home.kernels === undefined) this.#takeOver(this.#allocate())
      while (this.capacity < rows) this.#blocks.push(this.#allocate())
    }
  }

  /** Writes a row: the same bits with kernels and without. */
  write(row: number, vector: Float32Array): void {
    this.snapshot?.keep(row)
    const { floats, kernels } = this.of(row).home
    const start = this.startOf(row)
    const [at, bytes] = [4 * start, 4 * this.stride]
    floats.set(vector, start)
    const norm = kernels === undefined ? normOf(vector) : kernels.norm(at, bytes)
    if (this.#layout.isUnit) {
      if (kernels === undefined) scaleInto(floats, start, vector, unitFactor(norm))
      else kernels.scale(at, bytes, unitFactor(norm))
    }
    this.norm = this.#layout.isUnit ? 1 : norm
    this.encode(row)
  }

  /** Copies a row over another one. */
  copy(from: number, to: number): void {
    this.snapshot?.keep(to)
    this.of(to).home.floats.set(this.at(from), this.startOf(to))
    this.encode(to)
  }

  /** Puts a block in the place of the only one. */
  #takeOver(block: Block): void {
    const [old] = this.#blocks
    this.#blocks = [block]
    if (old === undefined) return
    block.home.floats.set(old.home.floats, block.start)
    for (let row = 0; row < this.#rowsOf(old); row++) this.encode(row)
  }

  /** Whether rows have codes. */
  get hasCodes(): boolean {
    return this.#layout.codes !== "none" && this.#blocks[0]?.home.kernels !== undefined
  }

  /** Makes the codes of a row, where there are any. */
  encode(row: number): void {
    const { floats, kernels } = this.of(row).home
    if (this.#layout.codes === "none" || kernels === undefined) return
    const codes = this.codesOf(row)
    const place = { at: 4 * this.startOf(row), bytes: 4 * this.stride, codes, facts: codes + this.codeBytes }
    this.#error = Math.max(this.#error, encodeRow({ floats, kernels, ...place }, this.#layout.codes === "half"))
  }

  #rowsOf({ home }: Block): number {
    const { blockRows } = this
    return home.kernels === undefined ? Math.min(blockRows, Math.floor(home.floats.length / this.stride)) : blockRows
  }

  #allocate(): Block {
    const { makeMemory, memoryBytes } = this.#layout
    try {
      if (makeMemory !== undefined) {
        if (this.#memory === undefined || !this.#memory.hasRoom(this.#blockBytes))
          this.#memory = new Grown(makeMemory, this.#headBytes, this.#blockBytes, memoryBytes)
        return this.#memory.allocate(this.#blockBytes)
      }
    } catch (error) {
      // No memory, or no addresses: an ordinary array may be smaller than what a memory reserves.
      if (!(error instanceof RangeError)) throw error
    }
    return ordinary(this.blockRows * this.stride)
  }
}

const ordinary = (length: number): Block => {
  try {
    return { home: { floats: new Float32Array(length), kernels: undefined }, start: 0 }
  } catch (cause) {
    const wanted = `${Math.ceil(length / 2 ** 18)} MiB`
    throw new RangeError(
      `The index of vectors needs ${wanted} more memory, and the system gives none. Give the process more, keep fewer vectors, or take an engine that compresses them.`,
      { cause }
    )
  }
}

/** A memory of WebAssembly, filled from the head on. */
class Grown implements Home {
  floats: Float32Array
  readonly kernels: Kernels
  readonly #memory: Memory
  readonly #maximum: number
  #used: number

  constructor(makeMemory: MakeMemory, headBytes: number, blockBytes: number, memoryBytes: number) {
    // At least one block fits, whatever the limit is.
    this.#maximum = Math.ceil(Math.max(memoryBytes, headBytes + blockBytes) / pageBytes)
    const { kernels, memory } = makeMemory(Math.ceil(headBytes / pageBytes), this.#maximum)
    this.kernels = kernels
    this.#memory = memory
    this.#used = headBytes
    this.floats = new Float32Array(memory.buffer)
  }

  hasRoom(bytes: number): boolean {
    return this.#used + bytes <= this.#maximum * pageBytes
  }

  /** Throws a `RangeError` if the system gives no memory. */
  allocate(bytes: number): Block {
    const end = this.#used + bytes
    const missing = Math.ceil((end - this.#memory.buffer.byteLength) / pageBytes)
    if (missing > 0) {
      this.#memory.grow(missing)
      this.floats = new Float32Array(this.#memory.buffer)
    }
    const start = this.#used / 4
    this.#used = end
    return { home: this, start }
  }
}
