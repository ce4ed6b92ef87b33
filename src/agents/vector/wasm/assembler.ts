/**
 * Just enough of an assembler to write WebAssembly in TypeScript: instructions are functions, and what they answer are the
 * bytes of the binary format (WebAssembly Core Specification, chapter 5). So the kernels are read where they are made, and
 * no tool and no file of bytes is needed.
 */

/** Bytes of instructions. */
export type Code = ReadonlyArray<number>

/** A function of a module: `params` and `locals` are value types, counted together from 0. It answers `results`, or nothing. */
export interface Func {
  readonly name: string
  readonly params: ReadonlyArray<number>
  readonly results?: ReadonlyArray<number> | undefined
  readonly locals: ReadonlyArray<number>
  readonly body: Code
}

// Value types.
export const i32 = 0x7f
export const f32 = 0x7d
export const f64 = 0x7c
export const v128 = 0x7b

const unsigned = (value: number): Code => (value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)])

const signed = (value: number): Code =>
  value >= -0x40 && value < 0x40 ? [value & 0x7f] : [(value & 0x7f) | 0x80, ...signed(value >> 7)]

const simd = (opcode: number): Code => [0xfd, ...unsigned(opcode)]

// A load or store says how its address is aligned, as a power of two, and what is added to it.
const memory = (opcode: Code, alignment: number, offset: number): Code => [...opcode, alignment, ...unsigned(offset)]

export const getLocal = (index: number): Code => [0x20, ...unsigned(index)]
export const setLocal = (index: number): Code => [0x21, ...unsigned(index)]
export const i32Const = (value: number): Code => [0x41, ...signed(value)]
export const i32Add: Code = [0x6a]
export const i32Sub: Code = [0x6b]
export const i32LessThan: Code = [0x49]
export const f32Load = (offset: number): Code => memory([0x2a], 2, offset)
export const f32Store: Code = memory([0x38], 2, 0)
export const f32Add: Code = [0x92]
export const f32Sub: Code = [0x93]
export const f32Mul: Code = [0x94]
export const f32Max: Code = [0x97]
export const f32Neg: Code = [0x8c]
export const f32FromI32: Code = [0xb2]
export const f64Const = (value: number): Code => {
  const view = new DataView(new ArrayBuffer(8))
  view.setFloat64(0, value, true)
  return [0x44, ...new Uint8Array(view.buffer)]
}
export const f64Add: Code = [0xa0]
export const f64Sqrt: Code = [0x9f]
export const v128Load = (offset: number): Code => memory(simd(0x00), 2, offset)
/** Eight bytes as eight 16-bit numbers. */
export const v128Load8x8 = (offset: number): Code => memory(simd(0x01), 0, offset)
/** Eight bytes, and zeros behind them. */
export const v128Load64 = (offset: number): Code => memory(simd(0x5d), 2, offset)
/** The first eight bytes. */
export const v128Store64 = (offset: number): Code => [...memory(simd(0x5b), 2, offset), 0]
/** The first four bytes. */
export const v128Store32 = (offset: number): Code => [...memory(simd(0x5a), 2, offset), 0]
export const v128Zero: Code = [...simd(0x0c), ...new Array<number>(16).fill(0)]
export const i32x4Lane = (lane: number): Code => [...simd(0x1b), lane]
export const f32x4Lane = (lane: number): Code => [...simd(0x1f), lane]
export const i32x4Add: Code = simd(0xae)
/** Products of 16-bit numbers, two and two added up to 32 bits. */
export const i32x4DotI16x8: Code = simd(0xba)
/** The lowest bytes of the four numbers of 64 bits in two vectors, one after the other. */
export const lowBytesOfI64x2: Code = [...simd(0x0d), 0, 8, 16, 24, ...new Array<number>(12).fill(0)]
export const f32x4Abs: Code = simd(0xe0)
/** `pmax`, which cares for no NaN and so is one instruction of the machine. */
export const f32x4Max: Code = simd(0xeb)
export const f32x4Add: Code = simd(0xe4)
export const f32x4Sub: Code = simd(0xe5)
export const f32x4Mul: Code = simd(0xe6)
export const f64x2Splat: Code = simd(0x14)
export const f64x2Lane = (lane: number): Code => [...simd(0x21), lane]
export const f64x2Add: Code = simd(0xf0)
export const f64x2Sub: Code = simd(0xf1)
export const f64x2Mul: Code = simd(0xf2)
/** The first two of four numbers of 32 bits as numbers of 64 bits, and the other way round. */
export const f64x2FromF32x4: Code = simd(0x5f)
export const f32x4FromF64x2: Code = simd(0x5e)

/** Adds to a local. */
export const increase = (local: number, by: Code): Code => [...getLocal(local), ...by, ...i32Add, ...setLocal(local)]

/** Runs `body` once, and again for as long as `condition` leaves something other than 0. */
export const doWhile = (body: Code, condition: Code): Code => [0x03, 0x40, ...body, ...condition, 0x0d, 0, 0x0b]

const vector = (items: ReadonlyArray<Code>): Code => [...unsigned(items.length), ...items.flat()]
const sized = (bytes: Code): Code => [...unsigned(bytes.length), ...bytes]
const section = (id: number, items: ReadonlyArray<Code>): Code => [id, ...sized(vector(items))]
const text = (value: string): Code => sized([...Buffer.from(value)])

/** A module that exports its functions and imports its memory, of up to 65 536 pages, as `host.memory`. */
export const assemble = (functions: ReadonlyArray<Func>): Uint8Array<ArrayBuffer> =>
  new Uint8Array([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(
      1,
      functions.map(({ params, results = [] }) => [0x60, ...sized(params), ...sized(results)])
    ),
    ...section(2, [[...text("host"), ...text("memory"), 0x02, 0x01, ...unsigned(1), ...unsigned(65_536)]]),
    ...section(
      3,
      functions.map((_, index) => unsigned(index))
    ),
    ...section(
      7,
      functions.map(({ name }, index) => [...text(name), 0x00, ...unsigned(index)])
    ),
    ...section(
      10,
      functions.map(({ body, locals }) => sized([...vector(locals.map((type) => [1, type])), ...body, 0x0b]))
    )
  ])
