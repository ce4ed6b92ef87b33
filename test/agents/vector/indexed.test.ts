// What an engine over a library makes of one that is never wrong, and of one that fails.
import { expect, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import type { Request } from "../../../src/agents/vector/Engine.ts"
import { make } from "../../../src/agents/vector/indexed/engine.ts"
import { Labelled } from "../../../src/agents/vector/indexed/labelled.ts"
import type { NativeIndex, NativeKind } from "../../../src/agents/vector/indexed/NativeIndex.ts"
import { conforms, random } from "./engineConformance.ts"
import { files, settled } from "./indexedFiles.ts"
import { keeping, kindOf, Plain, type Shape } from "./plain.ts"

const of = (more?: (shape: Shape) => Partial<NativeKind>) => (shape: Shape) =>
  make({ ...shape, kind: kindOf(shape, more?.(shape)), mostCandidates: () => Number.POSITIVE_INFINITY, leastWaste: 8 })

conforms({ name: "a library that is never wrong", make: of(), settled, recall: 1 })
conforms({
  name: "a library that never removes",
  make: of((shape) => ({ make: () => keeping(shape) })),
  settled,
  recall: 1
})
conforms({
  name: "a library that is trained",
  make: of((shape) => ({ make: () => keeping(shape), trainedBy: 30 })),
  settled,
  recall: 1
})
files({ name: "a library that is never wrong", make: of(), other: of(() => ({ settings: "other" })) })

const request: Request = { k: 5, minScore: Number.NEGATIVE_INFINITY }
const shape: Shape = { dimension: 4, metric: "dot" }
const fresh = (next: () => number) => Float32Array.from({ length: 4 }, next)

const failing = (fails: (calls: number) => boolean): Partial<NativeKind> => ({
  make: () => {
    const plain = new Plain(4, "dot")
    let calls = 0
    const fail = () => {
      if (fails(++calls)) throw new Error("broken")
    }
    return {
      add: (labels, vectors) => {
        fail()
        plain.add(labels, vectors)
      },
      search: (query, count) => {
        fail()
        return plain.search(query, count)
      },
      save: (path) => plain.save(path)
    }
  }
})

for (const [what, fails] of [
  ["at once", () => true],
  ["after a while", (calls: number) => calls > 400]
] as const)
  it.effect(`a library that fails ${what} takes no answer with it`, () =>
    Effect.gen(function* () {
      const next = random(1)
      const [engine, right] = [of(() => failing(fails))(shape), of()(shape)]
      for (let i = 0; i < 1000; i++) {
        const vector = fresh(next)
        engine.set(`v${i}`, vector)
        right.set(`v${i}`, vector)
      }
      yield* engine.settled
      yield* right.settled
      for (let i = 0; i < 200; i++) {
        const query = fresh(next)
        expect(yield* engine.search(query, request, (matches) => matches)).toEqual(
          yield* right.search(query, request, (matches) => matches)
        )
      }
    })
  )

it.effect("what the library has not taken yet is found all the same", () =>
  Effect.gen(function* () {
    const next = random(4)
    let isSlow = false
    const engine = of(() => ({ make: () => keeping(shape, () => isSlow) }))(shape)
    for (let i = 0; i < 100; i++) engine.set(`v${i}`, fresh(next))
    yield* engine.settled
    isSlow = true
    for (let i = 0; i < 30; i++) engine.set(`w${i}`, Float32Array.of(i + 2, 9, 9, 9))
    const matches = yield* engine.search(Float32Array.of(1, 0, 0, 0), request, (matches) => matches)
    expect(matches.map(({ id }) => id)).toEqual(["w29", "w28", "w27", "w26", "w25"])
  })
)

it.effect("an index of which most is waste is made anew while it answers, and what is written meanwhile is in it", () =>
  Effect.gen(function* () {
    const next = random(2)
    const made: Array<NativeIndex> = []
    const engine = of(() => ({
      make: () => {
        const index = keeping(shape, () => made.length > 1)
        made.push(index)
        return index
      }
    }))(shape)
    yield* engine.setMany(Array.from({ length: 300 }, (_, i) => [`v${i}`, fresh(next)] as const))
    yield* engine.settled
    expect(made.length).toBe(1)
    for (let i = 0; i < 200; i++) engine.delete(`v${i}`)
    for (let i = 0; i < 20; i++) {
      const matches = yield* engine.search(fresh(next), request, (matches) => matches)
      expect(matches.length).toBe(5)
      engine.set(`w${i}`, fresh(next))
      if (i % 2 === 0) engine.delete(`v${200 + i}`)
    }
    yield* engine.settled
    expect(made.length).toBe(2)
    const held = yield* engine.search(fresh(next), { ...request, k: Number.POSITIVE_INFINITY }, (matches) => matches)
    expect(held.length).toBe(110)
    // What was removed after it had been carried over may still be in it, and nothing else.
    expect(made[1]?.search(fresh(next), 110).length).toBe(110)
    expect(() => made[1]?.search(fresh(next), 121)).toThrow()
  })
)

it.effect("what is cleared is forgotten by what goes on in the background, and what comes after is not", () =>
  Effect.gen(function* () {
    const next = random(3)
    const made: Array<NativeIndex> = []
    const engine = of(() => ({
      make: () => {
        const index = keeping(shape)
        made.push(index)
        return index
      }
    }))(shape)
    for (let round = 0; round < 5; round++) {
      const adding = yield* Effect.forkChild(
        engine.setMany(Array.from({ length: 2000 }, (_, i) => [`old${i}`, fresh(next)] as const)),
        { startImmediately: true }
      )
      for (let i = 0; i < 10 * round; i++) yield* Effect.yieldNow
      engine.clear()
      for (let i = 0; i < 2000; i++) engine.set(`new${i}`, fresh(next))
      yield* Fiber.join(adding)
      yield* engine.settled
      expect(engine.size()).toBe(2000)
      // Nothing had begun when the first round was cleared.
      if (round === 0) expect(made.length).toBe(1)
      expect(made.at(-1)?.search(fresh(next), 2000).length).toBe(2000)
      engine.clear()
    }
  })
)

it("labels that were taken out are given again, and none to two rows", () => {
  const labelled = new Labelled(new Plain(2, "dot"))
  const held = new Set<number>()
  for (let round = 0, next = 0; round < 60; round++) {
    const rows = Array.from({ length: 1 + (round % 5) }, () => next++)
    labelled.add(rows, new Float32Array(2 * rows.length))
    for (const row of rows) held.add(row)
    for (const row of [...held].slice(0, round % 4)) {
      labelled.forget(row)
      held.delete(row)
    }
    if (round % 3 === 0) labelled.sweep(64)
  }
  labelled.sweep(64)
  expect(new Set(labelled.nearest(Float32Array.of(1, 1), 1000, 1000).rows)).toEqual(held)
  expect([...held].map((row) => labelled.labelOf(row)).every((label) => label >= 0)).toBe(true)
  expect([labelled.size, labelled.waste]).toEqual([held.size, labelled.nextLabel - held.size])
  expect(labelled.nextLabel).toBeLessThan(held.size + 20)
})
