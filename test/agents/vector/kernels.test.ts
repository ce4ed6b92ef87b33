import { expect, it } from "@effect/vitest"
import { Blocks } from "../../../src/agents/vector/blocks.ts"
import { difference, dot } from "../../../src/agents/vector/kernels.ts"
import type { Metric } from "../../../src/agents/vector/Stored.ts"
import { Scan } from "../../../src/agents/vector/scan.ts"
import { type Code, getLocal, i32Const } from "../../../src/agents/vector/wasm/assembler.ts"
import { hostMemory } from "../../../src/agents/vector/wasm/host.ts"
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

/** Rows in memory of WebAssembly, a query, and a key for each row. */
const keysOf = (metric: Metric, dimension: number, codes: "none" | "plain" | "half", number: () => number) => {
  const makeMemory = hostMemory()
  const blocks = new Blocks({ dimension, blockRows: 128, codes, memoryBytes: 0, makeMemory })
  // One row more than an ordinary array takes.
  blocks.reserve(129)
  const vectors = Array.from({ length: rows }, () => vector(dimension, number))
  const length = (of: Float32Array) => Math.sqrt(dot(of, 0, of))
  const divisor = (of: Float32Array) => (metric === "cosine" ? length(of) : 1)
  for (const [row, made] of vectors.entries()) blocks.write(row, made, divisor(made), length(made) / divisor(made))
  const query = vector(dimension, number)
  const scan = new Scan(blocks, metric, query, divisor(query))
  const keys = scan.keys(0, rows) ?? new Float32Array(0)
  return { blocks, scan, vectors, query, keys, length }
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

it("a key over codes is never below the dot product, and above it by no more than the codes are coarse", () => {
  for (const dimension of dimensions)
    for (const codes of ["plain", "half"] as const) {
      const { keys, length, query, vectors } = keysOf("dot", dimension, codes, normal)
      for (const [row, made] of vectors.entries()) {
        const half = codes === "half" ? dot(made, 0, made) / 2 : 0
        const above = (keys[row] ?? Number.NaN) - (dot(made, 0, query) - half)
        // Rounding of the query and of the key itself is what may be missing.
        const slack = length(query) * length(made) * 1e-3 + half * 1e-6
        expect(above).toBeGreaterThanOrEqual(-slack)
        // A code is off by half of a step of 1/127 of the largest number.
        const step = made.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0) / 127
        expect(above).toBeLessThanOrEqual(length(query) * step * Math.sqrt(dimension) + slack)
      }
    }
})

it("what scores as much as the threshold has a key from the cutoff up, and what scores clearly less has not", () => {
  for (const metric of ["cosine", "dot", "euclidean"] as const)
    for (const codes of ["none", metric === "euclidean" ? "half" : "plain"] as const)
      for (const dimension of [3, 64, 384]) {
        const { blocks, keys, query, scan, length } = keysOf(metric, dimension, codes, normal)
        const scores = scan.scores(0, rows).slice(0, rows)
        // What a score may be off by: much for the few bits of a code, next to nothing for a float.
        const size = metric === "cosine" ? 2 : length(query) + blocks.norm
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
  expect(program.length).toBeLessThan(1000)
})
