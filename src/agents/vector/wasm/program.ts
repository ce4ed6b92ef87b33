/**
 * The kernels of a search: each takes a query and rows that lie one after the other in memory, and writes a 32-bit key for
 * each row, higher for what is nearer. They read memory as fast as it comes, which is what bounds them; a row at a time,
 * since several rows side by side were measured at a third of the speed once they no longer fit the processor's cache.
 *
 * - `dot`: the dot product
 * - `distance`: minus the squared distance
 * - `codes`: of rows of 8-bit codes, the most that the dot product of the query with the row itself can be, minus half of
 *   the squared length where the metric wants it; see ../quantize.ts
 */
import * as Wasm from "./assembler.ts"
import { rowKernels, stepBytes } from "./row.ts"

// All kernels take the same, in this order: addresses and sizes in bytes.
const [query, rows, rowBytes, queryBytes, count, out, queryScale, queryNorm] = [0, 1, 2, 3, 4, 5, 6, 7] as const
const params = [Wasm.i32, Wasm.i32, Wasm.i32, Wasm.i32, Wasm.i32, Wasm.i32, Wasm.f32, Wasm.f32]

const [row, at, end, sumA, sumB, difference] = [8, 9, 10, 11, 12, 13] as const
const locals = [Wasm.i32, Wasm.i32, Wasm.i32, Wasm.v128, Wasm.v128, Wasm.v128]

/** What tells one kernel from another. */
interface Kernel {
  readonly name: string
  /** How many bytes of a row go with 16 bytes of the query. */
  readonly rowStep: number
  /** Leaves what a step adds to a sum: `half` is 0 or 1, two steps to a turn of the loop. */
  readonly step: (half: number) => Wasm.Code
  readonly add: Wasm.Code
  /** From the sum of four lanes to a number. */
  readonly lane: (lane: number) => Wasm.Code
  readonly addLanes: Wasm.Code
  /** From that number to the key; `row` points behind the row's numbers. */
  readonly finish: Wasm.Code
}

const scan = ({ add, addLanes, finish, lane, name, rowStep, step }: Kernel): Wasm.Func => {
  const accumulate = (sum: number, half: number): Wasm.Code => [
    ...step(half),
    ...Wasm.getLocal(sum),
    ...add,
    ...Wasm.setLocal(sum)
  ]
  const readLane = (index: number): Wasm.Code => [...Wasm.getLocal(sumA), ...lane(index)]
  const rowBody: Wasm.Code = [
    ...[...Wasm.getLocal(rows), ...Wasm.setLocal(row)],
    ...[...Wasm.getLocal(query), ...Wasm.setLocal(at)],
    ...[...Wasm.getLocal(query), ...Wasm.getLocal(queryBytes), ...Wasm.i32Add, ...Wasm.setLocal(end)],
    ...[...Wasm.v128Zero, ...Wasm.setLocal(sumA), ...Wasm.v128Zero, ...Wasm.setLocal(sumB)],
    ...Wasm.doWhile(
      [
        ...accumulate(sumA, 0),
        ...accumulate(sumB, 1),
        ...Wasm.increase(row, Wasm.i32Const(2 * rowStep)),
        ...Wasm.increase(at, Wasm.i32Const(stepBytes))
      ],
      [...Wasm.getLocal(at), ...Wasm.getLocal(end), ...Wasm.i32LessThan]
    ),
    ...[...Wasm.getLocal(sumA), ...Wasm.getLocal(sumB), ...add, ...Wasm.setLocal(sumA)],
    ...Wasm.getLocal(out),
    ...[...readLane(0), ...readLane(1), ...addLanes, ...readLane(2), ...readLane(3), ...addLanes, ...addLanes],
    ...finish,
    ...Wasm.f32Store,
    ...Wasm.increase(rows, Wasm.getLocal(rowBytes)),
    ...Wasm.increase(out, Wasm.i32Const(4)),
    ...[...Wasm.getLocal(count), ...Wasm.i32Const(1), ...Wasm.i32Sub, ...Wasm.setLocal(count)]
  ]
  return { name, params, locals, body: Wasm.doWhile(rowBody, Wasm.getLocal(count)) }
}

const floats = { rowStep: 16, add: Wasm.f32x4Add, lane: Wasm.f32x4Lane, addLanes: Wasm.f32Add }
const rowFloats = (half: number): Wasm.Code => [...Wasm.getLocal(row), ...Wasm.v128Load(16 * half)]
const queryPart = (half: number): Wasm.Code => [...Wasm.getLocal(at), ...Wasm.v128Load(16 * half)]

const dot = scan({
  ...floats,
  name: "dot",
  step: (half) => [...rowFloats(half), ...queryPart(half), ...Wasm.f32x4Mul],
  finish: []
})

const distance = scan({
  ...floats,
  name: "distance",
  step: (half) => [
    ...[...rowFloats(half), ...queryPart(half), ...Wasm.f32x4Sub, ...Wasm.setLocal(difference)],
    ...[...Wasm.getLocal(difference), ...Wasm.getLocal(difference), ...Wasm.f32x4Mul]
  ],
  finish: Wasm.f32Neg
})

const fact = (offset: number): Wasm.Code => [...Wasm.getLocal(row), ...Wasm.f32Load(offset)]

const codes = scan({
  name: "codes",
  rowStep: 8,
  add: Wasm.i32x4Add,
  lane: Wasm.i32x4Lane,
  addLanes: Wasm.i32Add,
  step: (half) => [
    ...[...Wasm.getLocal(row), ...Wasm.v128Load8x8(8 * half)],
    ...queryPart(half),
    ...Wasm.i32x4DotI16x8
  ],
  // Behind the codes of a row: its scale, its error, half of its squared length.
  finish: [
    ...[...Wasm.f32FromI32, ...fact(0), ...Wasm.f32Mul, ...Wasm.getLocal(queryScale), ...Wasm.f32Mul],
    ...[...fact(4), ...Wasm.getLocal(queryNorm), ...Wasm.f32Mul, ...Wasm.f32Add],
    ...[...fact(8), ...Wasm.f32Sub]
  ]
})

/** The module: `dot`, `distance`, `codes`, and what row.ts has. */
export const program: Uint8Array<ArrayBuffer> = Wasm.assemble([dot, distance, codes, ...rowKernels])
