import { expect, it } from "@effect/vitest"
import { DataAgent, Family, Revision, VolatileAgent } from "dgents"
import { Effect, Fiber, Option, Schema, Stream } from "effect"
import { Vector } from "../../src/agents/vector/Stored.ts"

const Counter = Schema.Struct({ n: Schema.Number })
const counter = VolatileAgent.make({ name: "counter", schema: Counter, initial: { n: 0 }, history: "full" })

it.effect("many fibers that increment lose no update", () =>
  Effect.gen(function* () {
    const agent = yield* counter
    yield* Effect.forEach(
      Array.from({ length: 100 }),
      () => agent.modify((s) => Effect.as(Effect.yieldNow, [s.n, { n: s.n + 1 }] as const)),
      { concurrency: "unbounded" }
    )
    expect(yield* agent.load).toEqual({ n: 100 })
  })
)

it.effect("a state that came out cannot change the one inside", () =>
  Effect.gen(function* () {
    const agent = yield* VolatileAgent.make({
      name: "dates",
      schema: Schema.Struct({ at: Schema.Date, tags: Schema.Array(Schema.String) })
    })
    const mine = { at: new Date(0), tags: ["a"] }
    yield* agent.save(mine)
    mine.at.setTime(1)
    mine.tags.push("b")
    const first = yield* agent.load
    first.at.setTime(2)
    expect(yield* agent.load).toEqual({ at: new Date(0), tags: ["a"] })
  })
)

it.effect("bytes and floats are copied on the way in and on the way out, as parts of a larger buffer too", () =>
  Effect.gen(function* () {
    const agent = yield* VolatileAgent.make({
      name: "arrays",
      schema: Schema.Struct({ bytes: Schema.Uint8Array, floats: Vector })
    })
    const buffer = Float32Array.of(7, 0.5, -0, 2 ** -149, 7)
    const mine = { bytes: Uint8Array.of(1, 2), floats: buffer.subarray(1, 4) }
    const saved = { bytes: Uint8Array.of(1, 2), floats: Float32Array.of(0.5, -0, 2 ** -149) }
    yield* agent.save(mine)
    mine.bytes.fill(9)
    buffer.fill(9)
    const first = yield* agent.load
    expect(first).toEqual(saved)
    expect(first.floats.buffer.byteLength).toBe(12)
    first.bytes.fill(9)
    first.floats.fill(9)
    expect(yield* agent.load).toEqual(saved)
    const refused = agent.save({ ...saved, floats: Float32Array.of(Number.NaN) })
    expect((yield* Effect.flip(refused))._tag).toBe("StateInvalid")
  })
)

it.effect("changes begin with the current state and give each commit once, in order", () =>
  Effect.gen(function* () {
    const agent = yield* counter
    yield* agent.save({ n: 1 })
    const fiber = yield* Effect.forkChild(Stream.runCollect(Stream.take(agent.changes, 4)))
    yield* Effect.yieldNow
    yield* Effect.yieldNow
    yield* agent.save({ n: 2 })
    yield* agent.delete
    yield* agent.save({ n: 3 })
    const seen = yield* Fiber.join(fiber)
    expect(seen.map((c) => (c._tag === "Saved" ? [c.revision, c.state.n] : [c.revision]))).toEqual([
      [1, 1],
      [2, 2],
      [2],
      [3, 3]
    ])
  })
)

it.effect("a write inside its own modify is reported, not a deadlock", () =>
  Effect.gen(function* () {
    const agent = yield* counter
    const exit = yield* Effect.exit(agent.modify((s) => Effect.as(agent.save({ n: 5 }), [0, s] as const)))
    expect(String(exit)).toContain("inside its own modify")
    yield* agent.save({ n: 1 })
  })
)

it.effect("use after the scope has closed is typed", () =>
  Effect.gen(function* () {
    const agent = yield* Effect.scoped(counter)
    expect((yield* Effect.flip(agent.load))._tag).toBe("AgentClosed")
    expect((yield* Effect.flip(agent.save({ n: 1 })))._tag).toBe("AgentClosed")
  })
)

it.effect("compareAndSave, history, at and restore", () =>
  Effect.gen(function* () {
    const agent = yield* counter
    const r1 = yield* agent.compareAndSave({ n: 1 }, Revision.absent)
    const r2 = yield* DataAgent.compareAndSave(agent, { n: 2 }, r1)
    const conflict = yield* Effect.flip(agent.compareAndSave({ n: 3 }, r1))
    expect(conflict).toMatchObject({ _tag: "RevisionConflict", expected: r1, actual: r2 })
    yield* agent.pipe(DataAgent.restore(r1))
    expect((yield* Stream.runCollect(agent.history())).map((r) => r.state.n)).toEqual([1, 2, 1])
    expect((yield* agent.at(r2)).state).toEqual({ n: 2 })
  })
)

it.effect("a family forgets the least recently used state past its limit", () =>
  Effect.gen(function* () {
    const family = yield* VolatileAgent.family({ name: "lru", schema: Counter, maxKeys: 2 })
    yield* family.saveMany([
      ["a", { n: 1 }],
      ["b", { n: 2 }]
    ])
    yield* family.at("a").load
    yield* family.at("c").save({ n: 3 })
    expect(yield* family.loadMany(["a", "b", "c"])).toEqual(
      new Map([
        ["a", { n: 1 }],
        ["c", { n: 3 }]
      ])
    )
    expect(Option.isNone(yield* DataAgent.loadOption(Family.at(family, "b")))).toBe(true)
  })
)

it.effect("a family forgets by bytes too, but never what was just saved, and revisions go on where they were", () =>
  Effect.gen(function* () {
    const Text = Schema.Struct({ text: Schema.String })
    const family = yield* VolatileAgent.family({ name: "bytes", schema: Text, maxBytes: 250 })
    const text = (length: number) => ({ text: "x".repeat(length) })
    yield* family.at("a").save(text(100))
    yield* family.at("b").save(text(100))
    yield* family.at("a").load
    yield* family.at("c").save(text(100))
    expect([...(yield* family.loadMany(["a", "b", "c"])).keys()]).toEqual(["a", "c"])
    // A state that grows counts with its new size.
    yield* family.at("c").save(text(200))
    expect(yield* Stream.runCollect(family.keys())).toEqual(["c"])
    yield* family.at("large").save(text(1_000))
    expect(yield* Stream.runCollect(family.keys())).toEqual(["large"])
    yield* family.at("a").save(text(1))
    const { revision } = Option.getOrThrow(yield* family.at("a").current)
    expect(revision).toBeGreaterThan(1)
  })
)

it.effect("a history keeps the last states, and a load of immutable data hands out the one frozen copy", () =>
  Effect.gen(function* () {
    const agent = yield* VolatileAgent.make({ name: "h", schema: Counter, initial: { n: 0 }, history: { bounded: 2 } })
    for (const n of [1, 2, 3]) yield* agent.save({ n })
    expect((yield* Stream.runCollect(agent.history())).map(({ state }) => state.n)).toEqual([3, 2])
    expect((yield* Effect.flip(agent.at(Revision.make(1))))._tag).toBe("StateNotFound")
    const state = yield* agent.load
    expect(Object.isFrozen(state)).toBe(true)
    expect(yield* agent.load).toBe(state)
  })
)
