/** The kernels over a memory of WebAssembly, where the machine has them. */
import { program } from "./program.ts"

/** Writes `count` keys at `out`, one for each row from the address `rows` on; see program.ts. At least one row. */
export type Kernel = (
  query: number,
  rows: number,
  rowBytes: number,
  queryBytes: number,
  count: number,
  out: number,
  queryScale: number,
  queryNorm: number
) => void

export interface Kernels {
  readonly dot: Kernel
  readonly distance: Kernel
  readonly codes: Kernel
  /** The length of the row at an address, which has so many bytes. */
  readonly norm: (row: number, rowBytes: number) => number
  /** Multiplies that row by a factor, where it lies. */
  readonly scale: (row: number, rowBytes: number, factor: number) => void
  /** The size of the largest number of that row. */
  readonly largest: (row: number, rowBytes: number) => number
  /** Writes that row divided by `step`, in whole numbers, as bytes at the address `codes`. Answers the squared distance of the two. */
  readonly encode: (row: number, rowBytes: number, codes: number, step: number, inverse: number) => number
}

/** A memory that grows in place, in pages of 64 KiB. Growing it detaches the buffer that it had. */
export interface Memory {
  readonly buffer: ArrayBuffer
  readonly grow: (pages: number) => number
}

/** The part of WebAssembly that is used: TypeScript has its types only together with those of a browser. */
export interface WebAssembly {
  readonly validate: (bytes: Uint8Array<ArrayBuffer>) => boolean
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => object
  readonly Memory: new (size: { readonly initial: number; readonly maximum: number }) => Memory
  readonly Instance: new (
    module: object,
    imports: { readonly host: { readonly memory: Memory } }
  ) => { readonly exports: Kernels }
}

/** Makes a memory with its kernels. Throws a `RangeError` if the system gives none. */
export type MakeMemory = (pages: number, maximum: number) => { readonly memory: Memory; readonly kernels: Kernels }

/** How to make memories with what a global object has, or undefined where WebAssembly or its SIMD instructions are missing. */
export const memoryOf = ({ WebAssembly: host }: { readonly WebAssembly?: WebAssembly }): MakeMemory | undefined => {
  // Whoever does not know the SIMD instructions finds the module invalid.
  if (host === undefined || !host.validate(program)) return undefined
  const module = new host.Module(program)
  return (initial, maximum) => {
    const memory = new host.Memory({ initial, maximum })
    return { memory, kernels: new host.Instance(module, { host: { memory } }).exports }
  }
}

let found: { readonly make: MakeMemory | undefined } | undefined

/** The same of this machine, looked at when it is needed first. */
export const hostMemory = (): MakeMemory | undefined => {
  // Sound: the types above are those of the standard, and it may be absent: `--jitless` takes it away.
  found ??= { make: memoryOf(globalThis as { readonly WebAssembly?: WebAssembly }) }
  return found.make
}
