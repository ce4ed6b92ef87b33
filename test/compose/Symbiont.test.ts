import { expect, expectTypeOf, it } from "@effect/vitest"
import { type DataAgent, type StateError, Symbiont, VolatileAgent } from "dgents"
import { Context, Data, Deferred, Effect, Fiber } from "effect"
import { backend, Counter } from "./support.ts"

class Refused extends Data.TaggedError("Refused")<{ readonly by: number }> {}

/** Adds a number to the total; refuses negative ones. Knows of no agent. */
const add = (by: number, { n }: Counter) =>
  by < 0 ? Effect.fail(new Refused({ by })) : Effect.succeed([n + by, { n: n + by }] as const)

const counter = (name: string, n = 0) => VolatileAgent.make({ name, schema: Counter, initial: { n } })

it("the logic is a plain function, testable without a memory", () => {
  expect(Effect.runSync(add(2, { n: 40 }))).toEqual([42, { n: 42 }])
})

it.effect("a run answers the output and stores the next state", () =>
  Effect.gen(function* () {
    const memory = yield* counter("total", 40)
    const adder = Symbiont.make({ memory, logic: add })
    expect(adder.name).toBe("total")
    expect(yield* adder.run(2)).toBe(42)
    expect(yield* adder.pipe(Symbiont.run(1))).toBe(43)
    expect(yield* memory.load).toEqual({ n: 43 })
  })
)

it.effect("runs that overlap happen one after the other and lose nothing", () =>
  Effect.gen(function* () {
    const memory = yield* counter("total")
    let runs = 0
    const slow = Symbiont.make({
      memory,
      logic: (by: number, { n }) => {
        runs++
        return Effect.as(Effect.yieldNow, [n, { n: n + by }] as const)
      }
    })
    const seen = yield* Effect.forEach(Array.from({ length: 20 }), () => slow.run(1), { concurrency: "unbounded" })
    expect(new Set(seen).size).toBe(20)
    expect(yield* memory.load).toEqual({ n: 20 })
    expect(runs).toBe(20)
  })
)

it.effect("logic that fails leaves the memory as it was", () =>
  Effect.gen(function* () {
    const memory = yield* counter("total", 7)
    const adder = Symbiont.make({ memory, logic: add })
    expect(yield* Effect.flip(adder.run(-1))).toEqual(new Refused({ by: -1 }))
    expect(yield* memory.load).toEqual({ n: 7 })
    expect(yield* adder.run(1)).toBe(8)
  })
)

it.effect("logic that is interrupted leaves the memory as it was, and the next run goes ahead", () =>
  Effect.gen(function* () {
    const memory = yield* counter("total", 7)
    const started = yield* Deferred.make<void>()
    const stuck = Symbiont.make({
      memory,
      logic: (_: string, s) =>
        Effect.andThen(Deferred.succeed(started, undefined), Effect.as(Effect.never, ["", { n: s.n + 1 }] as const))
    })
    const fiber = yield* Effect.forkChild(stuck.run(""))
    yield* Deferred.await(started)
    yield* Fiber.interrupt(fiber)
    expect(yield* memory.load).toEqual({ n: 7 })
    expect(yield* Symbiont.make({ memory, logic: add }).run(1)).toBe(8)
  })
)

it.effect("an empty memory without an initial is StateNotFound", () =>
  Effect.gen(function* () {
    const memory = yield* VolatileAgent.make({ name: "empty", schema: Counter })
    expect((yield* Effect.flip(Symbiont.make({ memory, logic: add }).run(1)))._tag).toBe("StateNotFound")
  })
)

it.effect("when another process wrote meanwhile the logic runs again on the new state, as often as retries say", () =>
  Effect.gen(function* () {
    const below = backend({ schema: Counter, initial: { n: 0 } })
    const memory = yield* below.agent
    let runs = 0
    const make = (retries: number) =>
      Symbiont.make({
        memory,
        retries,
        logic: (by: number, { n }: Counter) =>
          Effect.gen(function* () {
            if (runs++ === 0) yield* below.commitElsewhere('{"n":100}')
            return [n + by, { n: n + by }] as const
          })
      })
    expect(yield* make(1).run(1)).toBe(101)
    expect(runs).toBe(2)
    runs = 0
    expect(yield* Effect.flip(make(0).run(1))).toMatchObject({ _tag: "RevisionConflict", expected: 2, actual: 3 })
  })
)

it.effect("the output of the first is the input of the second, each with a memory of its own", () =>
  Effect.gen(function* () {
    const [a, b] = [yield* counter("a"), yield* counter("b")]
    const both = Symbiont.andThen(Symbiont.make({ memory: a, logic: add }), Symbiont.make({ memory: b, logic: add }))
    expect(both.name).toBe("a > b")
    expect(yield* both.run(3)).toBe(3)
    expect(yield* both.run(4)).toBe(10)
    expect([yield* a.load, yield* b.load]).toEqual([{ n: 7 }, { n: 10 }])
  })
)

it.effect("two on one memory run one after the other without a deadlock", () =>
  Effect.gen(function* () {
    const memory = yield* counter("one")
    const adder = Symbiont.make({ memory, logic: add })
    expect(yield* Symbiont.andThen(adder, adder).run(1)).toBe(2)
    expect(yield* Symbiont.zip(adder, adder, { concurrent: true }).run(1)).toEqual([3, 4])
  })
)

it.effect("andThen is associative, map and mapInput keep identity and order", () =>
  Effect.gen(function* () {
    const adder = (n: number) =>
      Effect.map(counter("m", n), (memory) => ({ memory, it: Symbiont.make({ memory, logic: add }) }))
    const three = Effect.all([adder(1), adder(10), adder(100)])
    const [a, b, c] = yield* three
    const [x, y, z] = yield* three
    const left = a.it.pipe(Symbiont.andThen(b.it), Symbiont.andThen(c.it))
    const right = x.it.pipe(Symbiont.andThen(y.it.pipe(Symbiont.andThen(z.it))))
    for (const input of [1, 5]) expect(yield* left.run(input)).toBe(yield* right.run(input))
    expect(left.name).toBe(right.name)
    for (const [p, q] of [
      [a, x],
      [b, y],
      [c, z]
    ] as const)
      expect(yield* p.memory.load).toEqual(yield* q.memory.load)

    const spoken = a.it.pipe(
      Symbiont.mapInput((text: string) => text.length),
      Symbiont.map((total) => total * 2),
      Symbiont.map((total) => `total ${total}`)
    )
    const { n } = yield* a.memory.load
    expect(yield* spoken.run("four")).toBe(`total ${(n + 4) * 2}`)
  })
)

it.effect("zip gives one input to both, and what the first learned stays when the second fails", () =>
  Effect.gen(function* () {
    const [a, b] = [yield* counter("a"), yield* counter("b")]
    const strict = Symbiont.make({
      memory: b,
      logic: (by: number, s) =>
        by > 5 ? Effect.fail("too much" as const) : Effect.succeed([by, { n: s.n + by }] as const)
    })
    const both = Symbiont.make({ memory: a, logic: add }).pipe(Symbiont.zip(strict))
    expect(yield* both.run(5)).toEqual([5, 5])
    expect(yield* Effect.flip(both.run(6))).toBe("too much")
    expect([yield* a.load, yield* b.load]).toEqual([{ n: 11 }, { n: 5 }])
  })
)

class Model extends Context.Service<Model, { readonly ask: (text: string) => Effect.Effect<string> }>()("test/Model") {}

it("input, output, errors and needs are inferred", () => {
  const make = (memory: DataAgent.DataAgent<Counter>) => {
    const adder = Symbiont.make({ memory, logic: add })
    expectTypeOf(adder).toEqualTypeOf<Symbiont.Symbiont<number, number, Refused>>()
    expectTypeOf(adder.run(1)).toEqualTypeOf<
      Effect.Effect<number, Refused | StateError.StateNotFound | StateError.CompareError>
    >()
    const chat = Symbiont.make({
      memory,
      logic: (question: string, state) =>
        Effect.gen(function* () {
          expectTypeOf(state).toEqualTypeOf<Counter>()
          const answer = yield* (yield* Model).ask(question)
          return [answer.length, { n: state.n + 1 }]
        })
    })
    expectTypeOf(chat).toEqualTypeOf<Symbiont.Symbiont<string, number, never, Model>>()
    expectTypeOf(Symbiont.andThen(chat, adder)).toEqualTypeOf<Symbiont.Symbiont<string, number, Refused, Model>>()
    expectTypeOf(chat.pipe(Symbiont.andThen(adder))).toEqualTypeOf<Symbiont.Symbiont<string, number, Refused, Model>>()
    const mapped = chat.pipe(
      Symbiont.map((n) => n > 0),
      Symbiont.mapInput((n: number) => String(n))
    )
    expectTypeOf(mapped).toEqualTypeOf<Symbiont.Symbiont<number, boolean, never, Model>>()
    expectTypeOf(Symbiont.zip(mapped, adder)).toEqualTypeOf<
      Symbiont.Symbiont<number, readonly [boolean, number], Refused, Model>
    >()
    // @ts-expect-error a next state that is not the memory's
    Symbiont.make({ memory, logic: (_: string, s) => Effect.succeed([s.n, { m: 1 }] as const) })
    // @ts-expect-error an output that the second does not take
    Symbiont.andThen(adder, chat)
  }
  expect(make).toBeTypeOf("function")
})
