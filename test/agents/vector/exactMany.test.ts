import { join } from "node:path"
import { expect, it } from "@effect/vitest"
import { Effect, Exit, Fiber } from "effect"
import { ExactIndex, type ExactOptions } from "../../../src/agents/vector/ExactIndex.ts"
import { Turns } from "../../../src/agents/vector/turns.ts"
import { tempDirectory } from "../sql/temp.ts"

const all = { k: Number.POSITIVE_INFINITY, minScore: Number.NEGATIVE_INFINITY }

/** An index whose turns are over as soon as they are asked for. */
const impatient = (options?: Partial<ExactOptions>) =>
  new ExactIndex({ dimension: 1, metric: "dot", blockRows: 16, turns: new Turns(0), ...options })

const many = (count: number, from = 0) =>
  Array.from({ length: count }, (_, i) => [`${from + i}`, Float32Array.of(from + i)] as const)

const found = (index: ExactIndex) =>
  index.search(Float32Array.of(1), all, (matches) => matches.map(({ id, score }) => `${id}:${score}`).join(" "))

const turn = Effect.callback<void>((resume) => {
  setImmediate(() => resume(Effect.void))
})

it.effect("vectors that are added together are seen together, while others run in between", () =>
  Effect.gen(function* () {
    // A search goes through all rows at once, or begins before they are shown and ends after that.
    for (const hasCodes of [false, true])
      for (const blockRows of [4096, 256])
        for (const from of [50, 300]) {
          const index = impatient({ hasCodes, blockRows })
          for (const [id, vector] of many(300)) index.set(id, vector)
          const before = yield* found(index)
          // From 50 on, the first of them replace what is there.
          const added = many(2000, from).map(([id, [x = 0]]) => [id, Float32Array.of(-x)] as const)
          const adding = yield* Effect.forkChild(index.setMany(added))
          const sizes = new Set<number>()
          const answers = new Set<string>()
          while (adding.pollUnsafe() === undefined) {
            sizes.add(index.size())
            answers.add(yield* found(index))
            yield* turn
          }
          const after = yield* found(index)
          expect(after.split(" ")).toHaveLength(from + 2000)
          expect(after.endsWith(` ${from + 1999}:${-from - 1999}`)).toBe(true)
          expect([...answers].filter((answer) => answer !== before && answer !== after)).toEqual([])
          expect(answers.has(before)).toBe(true)
          expect([...sizes].filter((size) => size !== 300 && size !== from + 2000)).toEqual([])
          expect([index.size(), index.rows]).toEqual([from + 2000, from + 2000])
        }
  })
)

it.effect("who stops adding many has added none", () =>
  Effect.gen(function* () {
    const index = impatient()
    for (const [id, vector] of many(300)) index.set(id, vector)
    const before = yield* found(index)
    const adding = yield* Effect.forkChild(index.setMany(many(5000, 200)))
    yield* turn
    yield* turn
    index.delete("0")
    index.set("0", Float32Array.of(0))
    yield* Fiber.interrupt(adding)
    expect(Exit.isFailure(yield* Fiber.await(adding))).toBe(true)
    expect(yield* found(index)).toBe(before)
    expect([index.size(), index.rows]).toEqual([300, 300])
    index.set("last", Float32Array.of(-1))
    expect(yield* found(index)).toBe(`${before} last:-1`)
  })
)

it.effect("an index that is cleared forgets also what is being added", () =>
  Effect.gen(function* () {
    const index = impatient()
    const adding = yield* Effect.forkChild(index.setMany(many(3000)))
    yield* turn
    yield* turn
    index.clear()
    index.set("new", Float32Array.of(7))
    yield* Fiber.join(adding)
    expect(yield* found(index)).toBe("new:7")
  })
)

it.effect("of an id given twice the last vector counts, and what is removed meanwhile comes back with the others", () =>
  Effect.gen(function* () {
    const index = impatient()
    yield* index.setMany([])
    yield* index.setMany([
      ...many(200),
      ["7", Float32Array.of(1000)],
      ["8", Float32Array.of(2)],
      ["8", Float32Array.of(999)]
    ])
    expect(index.size()).toBe(200)
    expect((yield* found(index)).startsWith("7:1000 8:999 199:199")).toBe(true)
    const adding = yield* Effect.forkChild(index.setMany(many(200)))
    yield* turn
    for (const [id] of many(200)) index.delete(id)
    yield* Fiber.join(adding)
    expect(index.size()).toBe(200)
    expect((yield* found(index)).startsWith("199:199 198:198")).toBe(true)
  })
)

it.effect("the event loop turns between the searches of many, and each gets its turn", () =>
  Effect.gen(function* () {
    const turns = new Turns(0)
    const index = impatient({ turns, blockRows: 1024 })
    for (const [id, vector] of many(500)) index.set(id, vector)
    let ticks = 0
    let isOver = false
    const tick = () => {
      ticks++
      if (!isOver) setImmediate(tick)
    }
    tick()
    const order: Array<number> = []
    const searches = Array.from({ length: 40 }, (_, i) =>
      Effect.tap(found(index), () => Effect.sync(() => order.push(i)))
    )
    yield* Effect.all(searches, { concurrency: "unbounded" })
    isOver = true
    expect(ticks).toBeGreaterThan(35)
    expect(order).toEqual(Array.from({ length: 40 }, (_, i) => i))
  })
)

it.effect("who waits for a turn may go away, and the next one gets it", () =>
  Effect.gen(function* () {
    const turns = new Turns(0)
    expect(turns.begin()).toBe(true)
    expect(turns.begin()).toBe(false)
    const gone = yield* Effect.forkChild(turns.next)
    const next = yield* Effect.forkChild(turns.next)
    yield* Effect.yieldNow
    yield* Fiber.interrupt(gone)
    yield* Fiber.join(next)
    while (!turns.begin()) yield* turn
    // Nobody comes before one who waits, however much time is left.
    const patient = new Turns(1e9)
    const first = yield* Effect.forkChild(patient.next, { startImmediately: true })
    expect(patient.begin()).toBe(false)
    yield* Fiber.join(first)
    expect(patient.begin()).toBe(true)
  })
)

it.effect("a search under way when a file is loaded, or all is cleared, answers with what there is then", () =>
  Effect.gen(function* () {
    const path = join(yield* tempDirectory, "index")
    const saved = impatient()
    // In other rows than below, and with other scores.
    for (const [id, vector] of many(200).toReversed()) saved.set(id, vector)
    yield* saved.index.save(path, "")
    const best = (index: ExactIndex) =>
      index.search(Float32Array.of(1), { ...all, k: 1 }, ([match]) => `${match?.id}:${match?.score}`)
    for (const hasCodes of [false, true])
      for (const turns of [1, 5, 12]) {
        const index = impatient({ hasCodes })
        // The best comes last in a scan.
        for (const [id] of many(300)) index.set(id, Float32Array.of(-Number(id)))
        const loading = yield* Effect.forkChild(index.index.load(path), { startImmediately: true })
        const answers: Array<Fiber.Fiber<string>> = []
        while (loading.pollUnsafe() === undefined) {
          if (answers.length < 8) answers.push(yield* Effect.forkChild(best(index), { startImmediately: true }))
          yield* turn
        }
        for (const answer of answers) expect(["0:0", "199:199"]).toContain(yield* Fiber.join(answer))
        expect(yield* best(index)).toBe("199:199")
        const late = yield* Effect.forkChild(best(index), { startImmediately: true })
        for (let i = 0; i < turns; i++) yield* turn
        index.clear()
        index.set("1", Float32Array.of(7))
        expect(["199:199", "1:7"]).toContain(yield* Fiber.join(late))
      }
  })
)
