import { expect, expectTypeOf, it } from "@effect/vitest"
import { DataAgent, type Family, Mapped, Revision, VolatileAgent } from "dgents"
import { Effect, Fiber, Optic, Option, Schema, Stream } from "effect"

const Pairs = Schema.Array(Schema.Tuple([Schema.String, Schema.Number]))
const Scores = Schema.ReadonlyMap(Schema.String, Schema.Number)
const scores = {
  schema: Scores,
  iso: Optic.makeIso<typeof Pairs.Type, typeof Scores.Type>(
    (pairs) => new Map(pairs),
    (scores) => [...scores]
  )
}
const pairs = VolatileAgent.make({ name: "pairs", schema: Pairs, initial: [["a", 1]], history: "full" })

it.effect("one state is seen in both shapes, with the same revision, history and changes", () =>
  Effect.gen(function* () {
    const agent = yield* pairs
    const mapped = agent.pipe(Mapped.make(scores))
    expect(yield* mapped.load).toEqual(new Map([["a", 1]]))
    expect(yield* mapped.current).toEqual(Option.none())
    const seen = yield* Effect.forkChild(Stream.runCollect(Stream.take(mapped.changes, 3)))
    yield* Effect.repeat(Effect.yieldNow, { times: 10 })
    yield* mapped.update((scores) => new Map([...scores, ["b", 2]]))
    expect(yield* agent.load).toEqual([
      ["a", 1],
      ["b", 2]
    ])
    yield* agent.save([["c", 3]])
    expect(yield* mapped.load).toEqual(new Map([["c", 3]]))
    yield* mapped.compareAndSave(new Map(), Revision.make(2))
    expect((yield* Fiber.join(seen)).map((change) => change._tag === "Saved" && change.state.size)).toEqual([2, 1, 0])
    expect((yield* Stream.runCollect(mapped.history())).map(({ state }) => state.size)).toEqual([0, 1, 2])
    expect((yield* mapped.at(Revision.make(1))).state.get("b")).toBe(2)
    yield* mapped.delete
    expect(yield* DataAgent.exists(agent)).toBe(false)
  })
)

it.effect("a state that does not fit is refused before the isomorphism sees it", () =>
  Effect.gen(function* () {
    const agent = yield* pairs
    const mapped = Mapped.make(agent, scores)
    // Not a Map according to the types, and nothing that could be spread: JavaScript callers exist.
    const wrong = 7 as unknown as Map<string, number>
    expect(yield* Effect.flip(mapped.save(wrong))).toMatchObject({ _tag: "StateInvalid", agent: "pairs", path: [] })
    const family = yield* VolatileAgent.family({ name: "many", schema: Pairs })
    const many = Mapped.family(family, scores)
    const error = yield* Effect.flip(
      many.saveMany([
        ["x", new Map()],
        ["y", wrong]
      ])
    )
    expect(error).toMatchObject({ _tag: "StateInvalid", agent: "many", key: "y" })
    expect(yield* Stream.runCollect(family.keys())).toEqual([])
  })
)

it.effect("a family is mapped with its batches", () =>
  Effect.gen(function* () {
    const family = yield* VolatileAgent.family({ name: "many", schema: Pairs })
    const many = family.pipe(Mapped.family(scores))
    yield* many.saveMany([
      ["x", new Map([["a", 1]])],
      ["y", new Map()]
    ])
    expect(yield* family.at("x").load).toEqual([["a", 1]])
    expect((yield* many.loadMany(["x", "y", "z"])).get("x")).toEqual(new Map([["a", 1]]))
    yield* many.deleteMany(["x"])
    expect(yield* many.has("x")).toBe(false)
    expect(yield* many.has("y")).toBe(true)
    expect(many.claims).toEqual(family.claims)
  })
)

it.effect("both handles share one lock: no update of either is lost", () =>
  Effect.gen(function* () {
    const agent = yield* pairs
    const mapped = Mapped.make(agent, scores)
    const add = (i: number) =>
      i % 2 === 0
        ? mapped.modify((m) => Effect.as(Effect.yieldNow, [0, new Map([...m, [`${i}`, i]])] as const), { retries: 0 })
        : agent.modify((p) => Effect.as(Effect.yieldNow, [0, [...p, [`${i}`, i] as const]] as const), { retries: 0 })
    yield* Effect.forEach(
      Array.from({ length: 40 }, (_, i) => i),
      add,
      { concurrency: "unbounded" }
    )
    expect((yield* mapped.load).size).toBe(41)
  })
)

it("the type is that of the isomorphism's other side", () => {
  const of = (agent: DataAgent.DataAgent<typeof Pairs.Type>) => agent.pipe(Mapped.make(scores))
  expectTypeOf(of).returns.toEqualTypeOf<DataAgent.DataAgent<typeof Scores.Type>>()
  const family = (family: Family.Family<typeof Pairs.Type>) => Mapped.family(family, scores)
  expectTypeOf(family).returns.toEqualTypeOf<Family.Family<typeof Scores.Type>>()
})
