import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import type { Engine, Request } from "../../../src/agents/vector/Engine.ts"
import { ExactIndex, type ExactOptions } from "../../../src/agents/vector/ExactIndex.ts"
import type { Metric } from "../../../src/agents/vector/Stored.ts"
import { hostMemory, type MakeMemory, memoryOf } from "../../../src/agents/vector/wasm/host.ts"

const metrics: ReadonlyArray<Metric> = ["cosine", "dot", "euclidean"]

const random = (seed: number) => {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

type Next = () => number
const vector = (dimension: number, number: (i: number) => number) =>
  Float32Array.from({ length: dimension }, (_, i) => number(i))
const around = (next: Next) => 2 * next() - 1

/** Vectors that are hard on 32 bits, or on 8. */
const kinds: Readonly<Record<string, (next: Next, dimension: number) => () => Float32Array>> = {
  "all around the origin": (next, dimension) => () => vector(dimension, () => around(next)),
  "of very different lengths": (next, dimension) => () => {
    const length = 10 ** (8 * around(next))
    return vector(dimension, () => length * around(next))
  },
  "far away and close together": (next, dimension) => () => vector(dimension, () => 1000 + around(next) / 100),
  "in tight clusters": (next, dimension) => {
    const centres = Array.from({ length: 5 }, () => vector(dimension, () => around(next)))
    return () => {
      const centre = centres[Math.floor(5 * next())] ?? new Float32Array(dimension)
      return centre.map((value) => value + around(next) / 1e6)
    }
  },
  "of which one in two is a copy": (next, dimension) => {
    const made: Array<Float32Array> = []
    return () => {
      const old = made[Math.floor(2 * next() * made.length)]
      if (old !== undefined) return old
      const fresh = vector(dimension, () => around(next))
      made.push(fresh)
      return fresh
    }
  },
  "with one large number": (next, dimension) => () => {
    const large = Math.floor(next() * dimension)
    return vector(dimension, (i) => (i === large ? 1e4 : 1) * around(next))
  },
  "that are zero, here and there": (next, dimension) => () =>
    next() < 0.3 ? new Float32Array(dimension) : vector(dimension, () => (next() < 0.5 ? 0 : around(next))),
  "too large to be multiplied in 32 bits": (next, dimension) => () => vector(dimension, () => 1e30 * around(next)),
  "too small to be multiplied in 32 bits": (next, dimension) => () => vector(dimension, () => 1e-30 * around(next)),
  "as small as numbers get": (next, dimension) => () => vector(dimension, () => 1e-44 * around(next)),
  "of any size there is": (next, dimension) => () => vector(dimension, () => around(next) * 10 ** (38 * around(next)))
}

const search = (engine: Engine, query: Float32Array, request: Request) =>
  engine.search(query, request, (matches) => matches)

for (const [kind, vectorsOf] of Object.entries(kinds))
  it.effect(`vectors ${kind}: the answer is that of plain TypeScript, to the last bit`, () =>
    Effect.gen(function* () {
      for (let seed = 1; seed <= 6; seed++)
        for (const metric of metrics) {
          const next = random(seed)
          const dimension = [1, 3, 8, 17, 64, 100][seed % 6] ?? 1
          const make = (options: Partial<ExactOptions>) =>
            new ExactIndex({ dimension, metric, blockRows: 32, ...options })
          const plain = make({ makeMemory: "none" })
          const others = [make({}), make({ hasCodes: true })]
          const one = vectorsOf(next, dimension)
          for (let i = 0; i < 350; i++) {
            const made = one()
            for (const engine of [plain, ...others]) engine.set(`${i % 300}`, made)
          }
          for (let i = 0; i < 50; i++) for (const engine of [plain, ...others]) engine.delete(`${i * 3}`)
          for (const accept of [undefined, (id: string) => Number(id) % 10 === 1])
            for (const k of [1, 10, 300])
              for (const query of [one(), one(), one().map((value) => -value)]) {
                const whole = yield* search(plain, query, { k, minScore: Number.NEGATIVE_INFINITY, accept })
                const minScore = k === 10 ? (whole[4]?.score ?? 0) : Number.NEGATIVE_INFINITY
                const expected = yield* search(plain, query, { k, minScore, accept })
                for (const engine of others)
                  expect(yield* search(engine, query, { k, minScore, accept })).toEqual(expected)
              }
        }
    })
  )

const host = hostMemory()

/** A system that gives so many memories, and lets each grow so many times. */
const meagre =
  (memories: number, growths: number): MakeMemory =>
  (pages, maximum) => {
    if (host === undefined || memories-- <= 0) throw new RangeError("could not allocate memory")
    const { kernels, memory } = host(pages, maximum)
    const grow = (more: number) => {
      if (growths-- <= 0) throw new RangeError("failed to grow memory")
      return memory.grow(more)
    }
    return {
      kernels,
      memory: {
        get buffer() {
          return memory.buffer
        },
        grow
      }
    }
  }

it.effect("vectors that WebAssembly has no memory for are kept and found all the same", () =>
  Effect.gen(function* () {
    for (const [memories, growths] of [
      [0, 0],
      [1, 0],
      [1, 3],
      [2, 9]
    ] as const) {
      const next = random(memories + growths)
      const options = { dimension: 64, metric: "dot", blockRows: 64, memoryBytes: 2 ** 18 } as const
      const plain = new ExactIndex({ ...options, makeMemory: "none" })
      const other = new ExactIndex({ ...options, makeMemory: meagre(memories, growths), hasCodes: memories === 2 })
      for (let i = 0; i < 3000; i++) {
        const made = vector(64, () => around(next))
        for (const engine of [plain, other]) engine.set(`${i}`, made)
        const gone = `${Math.floor(next() * 7 * i)}`
        for (const engine of [plain, other]) engine.delete(gone)
      }
      const query = vector(64, () => around(next))
      const request = { k: 50, minScore: Number.NEGATIVE_INFINITY }
      expect(yield* search(other, query, request)).toEqual(yield* search(plain, query, request))
    }
  })
)

it("where WebAssembly or its SIMD instructions are missing, there are no kernels", () => {
  expect(host).toBeDefined()
  expect(memoryOf({})).toBeUndefined()
  const without = class {
    constructor() {
      throw new Error("not to be used")
    }
  }
  // Sound: nothing of it may be used.
  const old = { validate: () => false, Module: without, Memory: without, Instance: without } as object
  expect(memoryOf({ WebAssembly: old as NonNullable<Parameters<typeof memoryOf>[0]["WebAssembly"]> })).toBeUndefined()
})

it.effect("an index in several memories holds what was added, replaced and removed, and begins anew when cleared", () =>
  Effect.gen(function* () {
    for (const hasCodes of [false, true]) {
      let memories = 0
      const makeMemory: MakeMemory | undefined =
        host &&
        ((pages, maximum) => {
          memories++
          return host(pages, maximum)
        })
      const engine = new ExactIndex({
        makeMemory,
        dimension: 100,
        metric: "euclidean",
        blockRows: 16,
        memoryBytes: 2 ** 17,
        hasCodes
      })
      const at = (i: number) =>
        Float32Array.from({ length: 100 }, (_, j) => (j === i % 100 ? 1 + Math.floor(i / 100) : 0))
      for (let round = 0; round < 2; round++) {
        engine.reserve(round * 500)
        for (let i = 0; i < 2000; i++) engine.set(`${i}`, at(i + 1))
        for (let i = 0; i < 2000; i++) engine.set(`${i}`, at(i))
        for (let i = 0; i < 2000; i += 2) engine.delete(`${i}`)
        expect(engine.size()).toBe(1000)
        for (const i of [1, 777, 1999])
          expect(yield* search(engine, at(i), { k: 1, minScore: 0 })).toEqual([{ id: `${i}`, score: 0 }])
        expect(yield* search(engine, at(778), { k: 1, minScore: 0 })).toEqual([])
        expect(memories).toBeGreaterThan(5 * (round + 1))
        engine.clear()
        expect(engine.size()).toBe(0)
        expect(yield* search(engine, at(1), { k: 1, minScore: -1e9 })).toEqual([])
      }
    }
  })
)
