import { expect, it } from "@effect/vitest"
import { Blocks, type Layout } from "../../../src/agents/vector/blocks.ts"
import { difference, dot, normOf, unitFactor } from "../../../src/agents/vector/kernels.ts"
import type { Metric } from "../../../src/agents/vector/Stored.ts"
import { Scan } from "../../../src/agents/vector/scan.ts"
import { type Code, getLocal, i32Const } from "../../../src/agents/vector/wasm/assembler.ts"
import { hostMemory, type MakeMemory } from "../../../src/agents/vector/wasm/host.ts"
import { program } from "../../../src/agents/vector/wasm/program.ts"

const rows = 100

const vector = (dimension: number, number: () => number) => Float32Array.from({ length: dimension }, number)
let state = 1
const random = () => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0
  return state / 2 ** 32
}
const wholeNumber = () => Math.floor(random() * 15) - 7
const normal = () => random() + random() + random() - 1.5

const wide = () => normal() * 10 ** (38 * (2 * random() - 1))
const tiniest = 2 ** -149
const bits = (of: Float32Array) => [...new Uint32Array(of.slice().buffer)]

/** Rows in memory of WebAssembly, or where there is none. */
const blocksOf = (
  vectors: ReadonlyArray<Float32Array>,
  options: Pick<Layout, "dimension" | "isUnit" | "codes">,
  makeMemory: MakeMemory | "none" | undefined = hostMemory()
) => {
  const blocks = new Blocks({
    ...options,
    blockRows: 128,
    memoryBytes: 0,
    makeMemory: makeMemory === "none" ? undefined : makeMemory
  })
  // One row more than an ordinary array takes.
  blocks.reserve(129)
  for (const [row, made] of vectors.entries()) blocks.write(row, made)
  return blocks
}

/** Rows in memory of WebAssembly, a query, and a key for each row. */
const keysOf = (metric: Metric, dimension: number, codes: "none" | "plain" | "half", number: () => number) => {
  const vectors = Array.from({ length: rows }, () => vector(dimension, number))
  const blocks = blocksOf(vectors, { dimension, isUnit: metric === "cosine", codes })
  const query = vector(dimension, number)
  const scan = new Scan(blocks, metric, query, metric === "cosine" ? unitFactor(normOf(query)) : 1)
  const keys = scan.keys(0, rows) ?? new Float32Array(0)
  return { blocks, scan, vectors, query, keys }
}

const dimensions = [1, 2, 7, 8, 9, 16, 17, 31, 384, 1000]

it("the kernels over floats compute dot products and squared distances, to the last bit of sums that need no rounding", () => {
  for (const dimension of dimensions) {
    const products = keysOf("dot", dimension, "none", wholeNumber)
    expect([...products.keys].slice(0, rows)).toEqual(products.vectors.map((row) => dot(row, 0, products.query)))
    const distances = keysOf("euclidean", dimension, "none", wholeNumber)
    expect([...distances.keys].slice(0, rows)).toEqual(
      distances.vectors.map((row) => -difference(row, 0, distances.query))
    )
  }
})

it("a row is as long with WebAssembly as without, to the last bit", () => {
  for (const dimension of dimensions)
    for (const isUnit of [true, false]) {
      const made = Array.from({ length: 20 }, () => vector(dimension, normal))
      const extremes = [() => 0, () => -0, () => 1e-45, () => 1e-44 * normal(), () => 1e37 * normal(), wide, wide]
      const vectors = [...made, ...extremes.map((number) => vector(dimension, number))]
      const options = { dimension, isUnit, codes: "none" } as const
      const [fast, plain] = [blocksOf(vectors, options), blocksOf(vectors, options, "none")]
      expect(plain.of(0).home.kernels).toBeUndefined()
      expect(fast.norm).toBe(plain.norm)
      for (const row of vectors.keys()) {
        expect(bits(fast.at(row))).toEqual(bits(plain.at(row)))
        // What lies behind the numbers of a row counts in no score.
        expect([...fast.at(row).subarray(dimension)].every((value) => value === 0)).toBe(true)
        const length = normOf(fast.at(row))
        if (!isUnit) expect(length).toBe(normOf(vectors[row] ?? new Float32Array(0)))
        else if (length !== 0) expect(length).toBeCloseTo(1, 6)
      }
    }
})

it("a code is a number of the row in steps of its scale, and beside the codes stands how far they are off", () => {
  for (const dimension of dimensions)
    for (const codes of ["plain", "half"] as const) {
      const vectors = [normal, () => 1e-40 * normal(), () => 1e30 * normal(), () => 0, wide].flatMap((number) =>
        Array.from({ length: 20 }, () => vector(dimension, number))
      )
      const blocks = blocksOf(vectors, { dimension, isUnit: false, codes })
      const { floats } = blocks.of(0).home
      for (const [row, made] of vectors.entries()) {
        const at = blocks.codesOf(row)
        const found = new Int8Array(floats.buffer, at, blocks.codeBytes)
        const [scale = 0, error = 0, half = 0] = new Float32Array(floats.buffer, at + blocks.codeBytes, 3)
        let lost = 0
        for (const [i, value] of made.entries()) {
          const off = Math.abs(value - (found[i] ?? Number.NaN) * scale)
          // A number so small that there is no scale for it has the code 0.
          expect(off).toBeLessThanOrEqual(scale === 0 ? 2 ** -110 : scale * (0.5 + 1e-5))
          lost += off * off
        }
        expect(found.subarray(dimension).every((code) => code === 0)).toBe(true)
        // Rounding to 32 bits takes nothing from it, but of the smallest numbers that there are, and adds little.
        expect(error).toBeGreaterThanOrEqual(Math.sqrt(lost) - tiniest)
        expect(error).toBeLessThanOrEqual(Math.sqrt(lost) * (1 + 1e-5) + tiniest)
        expect(half).toBe(codes === "half" ? Math.fround(dot(made, 0, made) / 2) : 0)
      }
    }
})

it("a key over codes is never below the dot product, and above it by no more than the codes are coarse", () => {
  for (const dimension of dimensions)
    for (const codes of ["plain", "half"] as const) {
      const { keys, query, vectors } = keysOf("dot", dimension, codes, normal)
      for (const [row, made] of vectors.entries()) {
        const half = codes === "half" ? dot(made, 0, made) / 2 : 0
        const above = (keys[row] ?? Number.NaN) - (dot(made, 0, query) - half)
        // Rounding of the query and of the key itself is what may be missing.
        const slack = normOf(query) * normOf(made) * 1e-3 + half * 1e-6
        expect(above).toBeGreaterThanOrEqual(-slack)
        // A code is off by half of a step of 1/127 of the largest number.
        const step = made.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0) / 127
        expect(above).toBeLessThanOrEqual(normOf(query) * step * Math.sqrt(dimension) + slack)
      }
    }
})

it("what scores as much as the threshold has a key from the cutoff up, and what scores clearly less has not", () => {
  for (const metric of ["cosine", "dot", "euclidean"] as const)
    for (const codes of ["none", metric === "euclidean" ? "half" : "plain"] as const)
      for (const dimension of [3, 64, 384]) {
        const { blocks, keys, query, scan } = keysOf(metric, dimension, codes, normal)
        const scores = scan.scores(0, rows).slice(0, rows)
        // What a score may be off by: much for the few bits of a code, next to nothing for a float.
        const size = metric === "cosine" ? 2 : normOf(query) + blocks.norm
        const room = (codes === "none" ? 1e-5 : 2e-2) * size * size
        for (const threshold of scores) {
          const cutoff = scan.cutoff(threshold)
          for (const [row, score] of scores.entries()) {
            const key = keys[row] ?? Number.NaN
            if (score >= threshold) expect(key).toBeGreaterThanOrEqual(cutoff)
            else if (metric !== "euclidean" && score < threshold - room) expect(key).toBeLessThan(cutoff)
            else if (metric === "euclidean" && score ** 2 > threshold ** 2 + 2 * room) expect(key).toBeLessThan(cutoff)
          }
        }
      }
})

it("a number is written in as few bytes as it takes", () => {
  const bytes = (code: Code) => [...code]
  expect(bytes(getLocal(127))).toEqual([0x20, 0x7f])
  expect(bytes(getLocal(300))).toEqual([0x20, 0xac, 0x02])
  expect(bytes(i32Const(63))).toEqual([0x41, 0x3f])
  expect(bytes(i32Const(64))).toEqual([0x41, 0xc0, 0x00])
  expect(bytes(i32Const(-64))).toEqual([0x41, 0x40])
  expect(bytes(i32Const(-65))).toEqual([0x41, 0xbf, 0x7f])
  expect(program.length).toBeLessThan(1600)
})
