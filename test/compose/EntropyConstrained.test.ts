import { expect, expectTypeOf, it } from "@effect/vitest"
import { Codec, type DataAgent, EntropyConstrained, Family, type StateError, VolatileAgent } from "dgents"
import { Effect, Fiber, Schema } from "effect"
import { backend, countingCodec } from "./support.ts"

const Note = Schema.Struct({ text: Schema.String })
const note = (bytes: number) => ({ text: "x".repeat(bytes - '{"text":""}'.length) })
const notes = VolatileAgent.make({ name: "notes", schema: Note, history: "full" })

it.effect("a state over the limit is refused with size, limit and budget, and nothing is written", () =>
  Effect.gen(function* () {
    const agent = EntropyConstrained.make(yield* notes, { maxBytes: 100 })
    yield* agent.save(note(100))
    const error = yield* Effect.flip(agent.save(note(101)))
    expect(error).toMatchObject({ _tag: "StateTooLarge", agent: "notes", size: 101, limit: 100, budget: 1 })
    expect((yield* Effect.flip(agent.update(() => note(101))))._tag).toBe("StateTooLarge")
    expect((yield* Effect.flip(agent.modify(() => Effect.succeed([0, note(101)] as const))))._tag).toBe("StateTooLarge")
    expect(yield* agent.load).toEqual(note(100))
  })
)

it.effect("bytes are counted, not characters, and however deep they hide", () =>
  Effect.gen(function* () {
    const below = yield* VolatileAgent.make({ name: "deep", schema: Schema.Struct({ a: Schema.Array(Note) }) })
    const agent = below.pipe(EntropyConstrained.make({ maxBytes: 40 }))
    yield* agent.save({ a: [{ text: "aaaaaaaaaa" }] })
    expect((yield* Effect.flip(agent.save({ a: [{ text: "€€€€€€€€€€" }] })))._tag).toBe("StateTooLarge")
  })
)

it.effect("a save over a payload backend encodes exactly once", () =>
  Effect.gen(function* () {
    const { codec, count } = countingCodec(Note)
    const inner = yield* backend({ schema: codec }).agent
    const agent = EntropyConstrained.make(EntropyConstrained.make(inner, { maxBytes: 90 }), { maxBytes: 80 })
    yield* agent.save(note(80))
    expect(count.encodings).toBe(1)
    yield* agent.update(() => note(79))
    expect(count.encodings).toBe(2)
    // What was written was measured on its way, so that the figures cost nothing either.
    expect((yield* agent.figures).size).toBe(79)
    expect(count.encodings).toBe(2)
  })
)

it.effect("a child has the next smaller budget, nested and in forked fibers", () =>
  Effect.gen(function* () {
    const agent = EntropyConstrained.make(yield* notes, { maxBytes: 120 })
    const limit = Effect.map(agent.figures, (figures) => figures.limit)
    const { child } = EntropyConstrained
    expect(yield* limit).toBe(120)
    expect(yield* child(limit)).toBe(60)
    expect(yield* child(child(limit))).toBe(40)
    expect(yield* child(Effect.flatMap(Effect.forkChild(child(limit)), Fiber.join))).toBe(40)
    expect(yield* child(Effect.flatMap(Effect.forkDetach(limit), Fiber.join))).toBe(60)
    expect(yield* limit).toBe(120)

    yield* child(agent.save(note(60)))
    expect(yield* Effect.flip(child(agent.save(note(61))))).toMatchObject({ size: 61, limit: 60, budget: 1 / 2 })
    yield* agent.save(note(61))
  })
)

it.effect("a depth or a maximum that makes no sense never lifts the limit", () =>
  Effect.gen(function* () {
    const below = yield* notes
    expect((yield* Effect.flip(EntropyConstrained.make(below, { maxBytes: Number.NaN }).save(note(20))))._tag).toBe(
      "StateTooLarge"
    )
    const agent = EntropyConstrained.make(below, { maxBytes: 20 })
    for (const depth of [-1, -7]) {
      const saved = Effect.provideService(agent.save(note(21)), EntropyConstrained.depth, depth)
      expect((yield* Effect.flip(saved))._tag).toBe("StateTooLarge")
    }
  })
)

it.effect("a stored state that is too large loads, and the next save must fit", () =>
  Effect.gen(function* () {
    const below = yield* notes
    yield* below.save(note(200))
    const agent = EntropyConstrained.make(below, { maxBytes: 100 })
    expect(yield* agent.load).toEqual(note(200))
    expect((yield* Effect.flip(agent.update((state) => ({ text: state.text.slice(1) }))))._tag).toBe("StateTooLarge")
    yield* agent.update((state) => ({ text: state.text.slice(150) }))
    expect((yield* agent.load).text.length).toBe(39)
  })
)

it.effect("with onLoad fail a stored state over this fiber's limit is not handed out, and can be replaced", () =>
  Effect.gen(function* () {
    const below = yield* notes
    yield* below.save(note(60))
    const agent = EntropyConstrained.make(below, { maxBytes: 100, onLoad: "fail" })
    expect(yield* agent.load).toEqual(note(60))
    const child = EntropyConstrained.child
    expect(yield* Effect.flip(child(agent.load))).toMatchObject({ _tag: "StateTooLarge", size: 60, limit: 50 })
    expect((yield* Effect.flip(child(agent.current)))._tag).toBe("StateTooLarge")
    let ran = false
    const modify = agent.modify((state) => {
      ran = true
      return Effect.succeed([0, state] as const)
    })
    expect((yield* Effect.flip(child(modify)))._tag).toBe("StateTooLarge")
    expect(ran).toBe(false)
    yield* child(agent.save(note(50)))
    expect(yield* child(agent.load)).toEqual(note(50))
    // Written past this handle: measured anew, since it is another revision.
    yield* below.save(note(101))
    expect((yield* Effect.flip(agent.load))._tag).toBe("StateTooLarge")
  })
)

it.effect("figures tell what is stored and how much of the budget it takes, also when it is too large to load", () =>
  Effect.gen(function* () {
    const below = yield* VolatileAgent.make({ name: "figures", schema: Note, initial: note(50) })
    const agent = EntropyConstrained.make(below, { maxBytes: 100, onLoad: "fail" })
    expect(yield* agent.figures).toMatchObject({ size: 0, limit: 100, budget: 1, used: 0 })
    yield* below.save(note(80))
    expect(yield* EntropyConstrained.figures(agent)).toMatchObject({ size: 80, limit: 100, budget: 1, used: 0.8 })
    expect(yield* EntropyConstrained.child(agent.figures)).toMatchObject({
      size: 80,
      limit: 50,
      budget: 0.5,
      used: 1.6
    })
  })
)

it.effect("the size on display is that of the agent's own codec", () =>
  Effect.gen(function* () {
    const below = yield* VolatileAgent.make({ name: "indented", schema: Codec.json(Note, { indent: 2 }) })
    const agent = EntropyConstrained.make(below)
    yield* agent.save({ text: "" })
    expect((yield* agent.figures).size).toBe(JSON.stringify({ text: "" }, null, 2).length)
  })
)

it.effect("fit shortens a state as little as it takes, and gives up in the end", () =>
  Effect.gen(function* () {
    const agent = EntropyConstrained.make(yield* notes, { maxBytes: 100 })
    const half = (state: typeof Note.Type) => ({ text: state.text.slice(state.text.length / 2) })
    expect(yield* EntropyConstrained.fit(agent, note(100), half)).toEqual(note(100))
    const fitted = yield* agent.pipe(EntropyConstrained.fit(note(300), half))
    expect(fitted.text.length).toBe(73)
    yield* agent.save(fitted)
    const stubborn = EntropyConstrained.fit(agent, note(300), (state) => state, { times: 3 })
    expect(yield* Effect.flip(stubborn)).toMatchObject({ _tag: "StateTooLarge", size: 300, limit: 100 })
  })
)

it.effect("both handles share one lock: no update of either is lost", () =>
  Effect.gen(function* () {
    const below = yield* VolatileAgent.make({
      name: "counter",
      schema: Schema.Struct({ n: Schema.Number }),
      initial: { n: 0 }
    })
    const agent = EntropyConstrained.make(below)
    yield* Effect.forEach(
      Array.from({ length: 50 }, (_, i) => (i % 2 === 0 ? below : agent)),
      (one) => one.modify((s) => Effect.as(Effect.yieldNow, [0, { n: s.n + 1 }] as const), { retries: 0 }),
      { concurrency: "unbounded" }
    )
    expect(yield* agent.load).toEqual({ n: 50 })
    expect(agent.claims).toEqual(below.claims)
  })
)

it.effect("every agent of a family is constrained", () =>
  Effect.gen(function* () {
    const family = (yield* VolatileAgent.family({ name: "notes", schema: Note })).pipe(
      Family.mapAgents(EntropyConstrained.make({ maxBytes: 20 }))
    )
    expect(yield* Effect.flip(family.at("a").save(note(21)))).toMatchObject({ _tag: "StateTooLarge", key: "a" })
    expect((yield* Effect.flip(family.saveMany([["b", note(21)]])))._tag).toBe("StateTooLarge")
  })
)

it("a constrained agent is an agent with figures, and errors are those of its operations", () => {
  const of = (agent: DataAgent.DataAgent<{ readonly text: string }>) => agent.pipe(EntropyConstrained.make())
  expectTypeOf(of).returns.toEqualTypeOf<EntropyConstrained.EntropyConstrained<{ readonly text: string }>>()
  expectTypeOf(of).returns.toExtend<DataAgent.DataAgent<{ readonly text: string }>>()
  const fit = (agent: ReturnType<typeof of>) => EntropyConstrained.fit(agent, { text: "" }, (s) => s)
  expectTypeOf(fit).returns.toEqualTypeOf<
    Effect.Effect<{ readonly text: string }, StateError.StateTooLarge | StateError.StateInvalid>
  >()
  const child = (effect: Effect.Effect<1, "e", "r">) => EntropyConstrained.child(effect)
  expectTypeOf(child).returns.toEqualTypeOf<Effect.Effect<1, "e", "r">>()
})
