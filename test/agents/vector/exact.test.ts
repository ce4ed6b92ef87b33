import { expect, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import type { Request } from "../../../src/agents/vector/Engine.ts"
import { ExactIndex, type ExactOptions } from "../../../src/agents/vector/ExactIndex.ts"
import { engine } from "../../../src/agents/vector/exact.ts"
import type { Metric } from "../../../src/agents/vector/Stored.ts"
import { Turns } from "../../../src/agents/vector/turns.ts"
import { conforms, random } from "./engineConformance.ts"
import { files } from "./indexedFiles.ts"

const metrics: ReadonlyArray<Metric> = ["cosine", "dot", "euclidean"]

// The ways in which vectors are kept and compared. Small blocks and small memories, so that few vectors take several.
const small = { blockRows: 4, memoryBytes: 65_536 }
const ways: ReadonlyArray<readonly [name: string, options: Partial<ExactOptions>]> = [
  ["plain", { makeMemory: "none" }],
  ["plain, in small blocks", { ...small, makeMemory: "none" }],
  ["floats", small],
  ["codes", { ...small, hasCodes: true }],
  ["floats as they come", {}],
  ["codes as they come", { hasCodes: true }]
]
// A turn that is always over after one block.
const impatient = () => new Turns(0)
const make = (options: ExactOptions) => new ExactIndex(options)

const search = (engine: ReturnType<typeof make>, query: Float32Array, request: Request) =>
  engine.search(query, request, (matches) => matches)

for (const [name, way] of ways) {
  conforms({ name: `exact, ${name}`, make: (options) => make({ ...options, ...way }), runs: 15, recall: 1 })
  // Others run after each block.
  conforms({
    name: `exact, ${name}, in turns`,
    make: (options) => make({ ...options, ...way, turns: impatient() }),
    runs: 15,
    recall: 1
  })
}

for (const [name, way] of [
  ["plain", { ...small, makeMemory: "none" }],
  ["floats", small],
  ["codes, in turns", { ...small, hasCodes: true, turns: impatient() }],
  ["floats as they come", {}]
] as const)
  files({ name: `exact, ${name}`, make: (options) => make({ ...options, ...way }) })

it.effect("a cosine is never above 1, and the zero vector scores 0 on either side", () =>
  Effect.gen(function* () {
    const next = random(7)
    const engine = make({ dimension: 50, metric: "cosine" })
    const all = { k: Number.POSITIVE_INFINITY, minScore: Number.NEGATIVE_INFINITY }
    for (let i = 0; i < 200; i++) {
      const vector = Float32Array.from({ length: 50 }, next)
      engine.set("same", vector)
      const [same] = yield* search(engine, vector, all)
      expect(same?.score).toBeLessThanOrEqual(1)
      expect(same?.score).toBeCloseTo(1, 6)
    }
    engine.set("zero", new Float32Array(50))
    const scores = yield* search(engine, Float32Array.from({ length: 50 }, next), all)
    expect(scores.find(({ id }) => id === "zero")?.score).toBe(0)
    const nowhere = yield* search(engine, new Float32Array(50), all)
    expect(nowhere.map(({ score }) => score)).toEqual([0, 0])
  })
)

it.effect("a filter is asked for candidates only, and k answers come whenever k items pass", () =>
  Effect.gen(function* () {
    for (const [, way] of ways) {
      const engine = make({ dimension: 1, metric: "dot", ...way })
      for (let i = 0; i < 2500; i++) engine.set(String(i), Float32Array.of(2499 - i))
      let asked = 0
      const accept = (id: string) => {
        asked++
        return Number(id) % 100 === 99
      }
      const found = yield* search(engine, Float32Array.of(1), { k: 5, minScore: Number.NEGATIVE_INFINITY, accept })
      expect(found.map(({ id }) => id)).toEqual(["99", "199", "299", "399", "499"])
      asked = 0
      yield* search(engine, Float32Array.of(-1), {
        k: 3,
        minScore: Number.NEGATIVE_INFINITY,
        accept: () => ++asked > 0
      })
      expect(asked).toBe(3)
    }
  })
)

it.effect("a long scan lets others write, misses nothing that was there all along and shows nothing removed", () =>
  Effect.gen(function* () {
    for (let seed = 1; seed <= 60; seed++) {
      const next = random(seed)
      const engine = make({
        ...ways[seed % ways.length]?.[1],
        dimension: 2,
        metric: "dot",
        blockRows: 8,
        turns: impatient()
      })
      const vectors = new Map(
        Array.from({ length: 200 }, (_, i) => [`n${i}`, Float32Array.of(Math.floor(next() * 50), 1)] as const)
      )
      for (const [id, vector] of vectors) engine.set(id, vector)
      const removed = new Set<string>()
      const query = Float32Array.of(1, 0)
      const k = seed % 3 === 0 ? Number.POSITIVE_INFINITY : 20
      const shown = yield* Effect.forkChild(
        engine.search(query, { k, minScore: Number.NEGATIVE_INFINITY }, (matches) => {
          for (const { id } of matches) expect(removed.has(id)).toBe(false)
          return matches
        })
      )
      let paused = 0
      while (shown.pollUnsafe() === undefined) {
        yield* Effect.yieldNow
        paused++
        const id = `n${Math.floor(next() * 200)}`
        removed.add(id)
        engine.delete(id)
      }
      const found = yield* Fiber.join(shown)
      expect(paused).toBeGreaterThan(5)
      expect(new Set(found.map(({ id }) => id)).size).toBe(found.length)
      // What stayed and beats the last hit is in the answer.
      const last = found.at(-1)?.score ?? 0
      const ids = new Set(found.map(({ id }) => id))
      for (const [id, [x = 0]] of vectors) if (!removed.has(id) && x > last) expect(ids.has(id)).toBe(true)
      if (k > 200) for (const id of vectors.keys()) expect(ids.has(id) || removed.has(id)).toBe(true)
    }
  })
)

it.effect("equal vectors have equal scores wherever they lie, so that ties come in the order of ids", () =>
  Effect.gen(function* () {
    for (const metric of metrics)
      for (const dimension of [1, 2, 3, 7, 384]) {
        const next = random(dimension)
        const vector = Float32Array.from({ length: dimension }, () => next() - 0.5)
        const query = Float32Array.from({ length: dimension }, () => next() - 0.5)
        for (const [, way] of ways) {
          const engine = make({ metric, dimension, ...way })
          // Rows are scored four at a time, and those that remain one by one.
          for (const id of ["g", "c", "a", "f", "b", "e", "d"]) engine.set(id, vector)
          const found = yield* search(engine, query, { k: 7, minScore: Number.NEGATIVE_INFINITY })
          expect(found.map(({ id }) => id).join("")).toBe("abcdefg")
          expect(new Set(found.map(({ score }) => score)).size).toBe(1)
        }
      }
  })
)

it.effect("an option that does not exist is refused at once, and says what there is", () =>
  Effect.gen(function* () {
    // Sound: plain JavaScript can say so.
    const error = yield* Effect.flip(engine({ quantization: "int4" as "int8" }))
    expect(error._tag).toBe("StorageUnavailable")
    expect(error.message).toContain('"none" or "int8"')
    const made = (yield* engine({ quantization: "int8" }))({ dimension: 2, metric: "cosine" })
    made.set("a", Float32Array.of(1, 2))
    expect(made.size()).toBe(1)
  })
)
