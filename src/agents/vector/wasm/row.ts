/**
 * The kernels that prepare a row where it lies in memory.
 *
 * - `norm`: answers its length
 * - `scale`: multiplies it by a factor
 * - `largest`: answers the size of its largest number
 * - `encode`: divides it by a step, writes the nearest whole numbers as bytes, and answers the square of what that is off
 *
 * They compute in 64 bits, and add up in the order of ../kernels.ts: a row is that of plain TypeScript, to the last bit.
 */
import * as Wasm from "./assembler.ts"

/** Rows and queries are read in steps of so many bytes: their length has to be a multiple of it. */
export const stepBytes = 32

// Each kernel takes these first: an address, and a size in bytes.
const [row, rowBytes] = [0, 1] as const

/** Runs `body` for every step of the row; the local `at` has its address. */
const eachStep = (at: number, end: number, body: Wasm.Code): Wasm.Code => [
  ...[...Wasm.getLocal(row), ...Wasm.setLocal(at)],
  ...[...Wasm.getLocal(row), ...Wasm.getLocal(rowBytes), ...Wasm.i32Add, ...Wasm.setLocal(end)],
  ...Wasm.doWhile(
    [...body, ...Wasm.increase(at, Wasm.i32Const(stepBytes))],
    [...Wasm.getLocal(at), ...Wasm.getLocal(end), ...Wasm.i32LessThan]
  )
]

/** The same for every two numbers, which fill a vector in 64 bits. */
const eachPair = (at: number, end: number, body: (offset: number) => Wasm.Code): Wasm.Code =>
  eachStep(at, end, [0, 8, 16, 24].flatMap(body))

const loadPair = (at: number, offset: number): Wasm.Code => [
  ...Wasm.getLocal(at),
  ...Wasm.v128Load64(offset),
  ...Wasm.f64x2FromF32x4
]

/** Adds the squares of a pair to a sum: one lane sums up the even numbers, the other one the odd ones. */
const addSquares = (pair: number, sum: number): Wasm.Code => [
  ...[...Wasm.getLocal(pair), ...Wasm.getLocal(pair), ...Wasm.f64x2Mul],
  ...[...Wasm.getLocal(sum), ...Wasm.f64x2Add, ...Wasm.setLocal(sum)]
]

const total = (sum: number): Wasm.Code => [
  ...[...Wasm.getLocal(sum), ...Wasm.f64x2Lane(0)],
  ...[...Wasm.getLocal(sum), ...Wasm.f64x2Lane(1), ...Wasm.f64Add]
]

const { f32, f64, i32, v128 } = Wasm

const norm = (): Wasm.Func => {
  const [at, end, pair, sum] = [2, 3, 4, 5] as const
  return {
    name: "norm",
    params: [i32, i32],
    results: [f64],
    locals: [i32, i32, v128, v128],
    body: [
      ...eachPair(at, end, (offset) => [...loadPair(at, offset), ...Wasm.setLocal(pair), ...addSquares(pair, sum)]),
      ...[...total(sum), ...Wasm.f64Sqrt]
    ]
  }
}

const scale = (): Wasm.Func => {
  const [factor, at, end, factors] = [2, 3, 4, 5] as const
  return {
    name: "scale",
    params: [i32, i32, f64],
    locals: [i32, i32, v128],
    body: [
      ...[...Wasm.getLocal(factor), ...Wasm.f64x2Splat, ...Wasm.setLocal(factors)],
      ...eachPair(at, end, (offset) => [
        ...Wasm.getLocal(at),
        ...[...loadPair(at, offset), ...Wasm.getLocal(factors), ...Wasm.f64x2Mul, ...Wasm.f32x4FromF64x2],
        ...Wasm.v128Store64(offset)
      ])
    ]
  }
}

const largest = (): Wasm.Func => {
  const [at, end, sizes] = [2, 3, 4] as const
  const lane = (index: number): Wasm.Code => [...Wasm.getLocal(sizes), ...Wasm.f32x4Lane(index)]
  const enlarge = (offset: number): Wasm.Code => [
    ...[...Wasm.getLocal(at), ...Wasm.v128Load(offset), ...Wasm.f32x4Abs],
    ...[...Wasm.getLocal(sizes), ...Wasm.f32x4Max, ...Wasm.setLocal(sizes)]
  ]
  return {
    name: "largest",
    params: [i32, i32],
    results: [f32],
    locals: [i32, i32, v128],
    body: [
      ...eachStep(at, end, [0, 16].flatMap(enlarge)),
      ...[...lane(0), ...lane(1), ...Wasm.f32Max, ...lane(2), ...lane(3), ...Wasm.f32Max, ...Wasm.f32Max]
    ]
  }
}

// Added to a number of 64 bits, it leaves no room for what is behind the point: the nearest whole number is in the lowest bits.
const shift = 1.5 * 2 ** 52

const encode = (): Wasm.Func => {
  const [codes, step, inverse, at, end] = [2, 3, 4, 5, 6] as const
  const [steps, inverses, shifts, pair, left, right, sum] = [7, 8, 9, 10, 11, 12, 13] as const
  const all = (factor: Wasm.Code, factors: number): Wasm.Code => [
    ...factor,
    ...Wasm.f64x2Splat,
    ...Wasm.setLocal(factors)
  ]
  const encodePair = (offset: number, shifted: number): Wasm.Code => [
    ...[...loadPair(at, offset), ...Wasm.setLocal(pair)],
    ...[...Wasm.getLocal(pair), ...Wasm.getLocal(inverses), ...Wasm.f64x2Mul],
    ...[...Wasm.getLocal(shifts), ...Wasm.f64x2Add, ...Wasm.setLocal(shifted)],
    ...[...Wasm.getLocal(pair), ...Wasm.getLocal(shifted), ...Wasm.getLocal(shifts), ...Wasm.f64x2Sub],
    ...[...Wasm.getLocal(steps), ...Wasm.f64x2Mul, ...Wasm.f64x2Sub, ...Wasm.setLocal(pair)],
    ...addSquares(pair, sum)
  ]
  const encodeTwo = (offset: number): Wasm.Code => [
    ...[...encodePair(offset, left), ...encodePair(offset + 8, right)],
    ...[...Wasm.getLocal(codes), ...Wasm.getLocal(left), ...Wasm.getLocal(right), ...Wasm.lowBytesOfI64x2],
    ...Wasm.v128Store32(offset / 4)
  ]
  return {
    name: "encode",
    params: [i32, i32, i32, f64, f64],
    results: [f64],
    locals: [i32, i32, v128, v128, v128, v128, v128, v128, v128],
    body: [
      ...all(Wasm.getLocal(step), steps),
      ...all(Wasm.getLocal(inverse), inverses),
      ...all(Wasm.f64Const(shift), shifts),
      ...eachStep(at, end, [
        ...[...encodeTwo(0), ...encodeTwo(16)],
        ...Wasm.increase(codes, Wasm.i32Const(stepBytes / 4))
      ]),
      ...total(sum)
    ]
  }
}

export const rowKernels: ReadonlyArray<Wasm.Func> = [norm(), scale(), largest(), encode()]
