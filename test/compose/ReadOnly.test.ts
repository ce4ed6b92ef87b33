import { expect, expectTypeOf, it } from "@effect/vitest"
import { Cached, type DataAgent, Focused, ReadOnly, type StateError, VolatileAgent } from "dgents"
import { Effect, Fiber, Optic, Schema, Stream } from "effect"
import { Counter } from "./support.ts"

const counters = VolatileAgent.make({ name: "counter", schema: Counter, initial: { n: 0 }, history: "full" })

const refused = { _tag: "StorageUnavailable", agent: "counter", retryable: false }

it.effect("what is read through it is what is read below, by every way of reading", () =>
  Effect.gen(function* () {
    const agent = yield* counters
    const reader = ReadOnly.make(agent)
    const watching = yield* Effect.forkChild(Stream.runCollect(Stream.take(reader.changes, 2)))
    yield* Effect.repeat(Effect.yieldNow, { times: 10 })
    yield* agent.save({ n: 1 })
    yield* agent.save({ n: 2 })
    expect(yield* reader.load).toEqual({ n: 2 })
    expect(yield* reader.current).toEqual(yield* agent.current)
    expect(yield* Stream.runCollect(reader.history())).toEqual(yield* Stream.runCollect(agent.history()))
    expect(yield* reader.at(new Date(0))).toEqual(yield* agent.at(new Date(0)))
    expect((yield* Fiber.join(watching)).map(({ revision }) => revision)).toEqual([1, 2])
    expect(reader.claims).toEqual(agent.claims)
  })
)

it.effect("every write is refused, before a function has run, and nothing is written", () =>
  Effect.gen(function* () {
    const agent = yield* counters
    yield* agent.save({ n: 1 })
    const before = yield* agent.current
    const reader = ReadOnly.make(agent)
    let ran = false
    const run = (state: Counter) => {
      ran = true
      return state
    }
    expect(yield* Effect.flip(reader.save({ n: 2 }))).toMatchObject({ ...refused, operation: "write" })
    expect(yield* Effect.flip(reader.update(run))).toMatchObject(refused)
    expect(yield* Effect.flip(reader.modify((s) => Effect.succeed([0, run(s)] as const)))).toMatchObject(refused)
    expect(yield* Effect.flip(reader.delete)).toMatchObject({ ...refused, operation: "delete" })
    const expecting = before._tag === "Some" ? before.value.revision : undefined
    if (expecting !== undefined)
      expect(yield* Effect.flip(reader.compareAndSave({ n: 2 }, expecting))).toMatchObject(refused)
    expect(ran).toBe(false)
    expect(yield* agent.current).toEqual(before)
  })
)

it.effect("nobody is made to wait for a writer only to be refused", () =>
  Effect.gen(function* () {
    const agent = yield* counters
    const writer = yield* Effect.forkChild(agent.modify(() => Effect.never))
    yield* Effect.yieldNow
    const reader = ReadOnly.make(agent)
    expect(yield* Effect.flip(reader.save({ n: 1 }))).toMatchObject(refused)
    expect(yield* Effect.flip(reader.delete)).toMatchObject(refused)
    yield* Fiber.interrupt(writer)
  })
)

it.effect("it stays so under other combinators", () =>
  Effect.gen(function* () {
    const agent = yield* counters
    yield* agent.save({ n: 1 })
    const reader = ReadOnly.make(agent)
    const part = Focused.make(reader, { lens: Optic.id<Counter>().key("n"), schema: Schema.Number })
    const cached = yield* Cached.make(reader)
    expect(yield* part.load).toBe(1)
    expect(yield* cached.load).toEqual({ n: 1 })
    expect(yield* Effect.flip(part.save(2))).toMatchObject(refused)
    expect(yield* Effect.flip(cached.save({ n: 2 }))).toMatchObject(refused)
    expect(yield* agent.load).toEqual({ n: 1 })
  })
)

it.effect("a family is read, and neither its agents nor its batches write", () =>
  Effect.gen(function* () {
    const family = yield* VolatileAgent.family({ name: "counter", schema: Counter })
    yield* family.at("a").save({ n: 1 })
    const readers = ReadOnly.family(family)
    expect([...(yield* readers.loadMany(["a", "b"]))]).toEqual([["a", { n: 1 }]])
    expect(yield* Stream.runCollect(readers.keys())).toEqual(["a"])
    expect(yield* readers.has("a")).toBe(true)
    expect(yield* Effect.flip(readers.at("a").save({ n: 2 }))).toMatchObject({ ...refused, key: "a" })
    expect(yield* Effect.flip(readers.saveMany([["b", { n: 2 }]]))).toMatchObject(refused)
    expect(yield* Effect.flip(readers.deleteMany(["a"]))).toMatchObject(refused)
    expect(yield* Stream.runCollect(family.keys())).toEqual(["a"])
  })
)

it.effect("a view reads and has no writes at all", () =>
  Effect.gen(function* () {
    const agent = yield* counters
    const view: ReadOnly.View<Counter> = agent.pipe(ReadOnly.view)
    expect(yield* view.load).toEqual({ n: 0 })
    expect(Object.keys(view)).not.toContain("save")
    expectTypeOf<keyof ReadOnly.View<Counter>>().toEqualTypeOf<
      "name" | "key" | "claims" | "load" | "current" | "history" | "at" | "changes" | "pipe"
    >()
    const read = (agent: DataAgent.DataAgent<Counter>) => ReadOnly.view(agent).load
    expectTypeOf(read).returns.toEqualTypeOf<Effect.Effect<Counter, StateError.StateNotFound | StateError.ReadError>>()
  })
)
