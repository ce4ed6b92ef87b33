import { expect, it } from "@effect/vitest"
import { Symbiont, VolatileAgent } from "dgents"
import { Deferred, Effect, Fiber, Schema } from "effect"
import { backend, Counter } from "./support.ts"

const counter = (name: string, n = 0) => VolatileAgent.make({ name, schema: Counter, initial: { n } })

const slowly = (by: number, { n }: Counter) => Effect.as(Effect.yieldNow, [n, { n: n + by }] as const)

/** Three-way, as numbers go: both additions count. */
const added = ({ base, mine, theirs }: Symbiont.Merging<Counter>): Counter => ({ n: theirs.n + mine.n - base.n })

for (const [name, mode] of [
  ["serialize", "serialize"],
  ["optimistic", "optimistic"],
  ["merge", { merge: added }]
] as const)
  it.live(`${name}: of runs that overlap none is lost`, () =>
    Effect.gen(function* () {
      const memory = yield* counter("total")
      const adder = Symbiont.make({ memory, mode, retries: 1_000, logic: slowly })
      yield* Effect.forEach(Array.from({ length: 20 }), () => adder.run(1), { concurrency: "unbounded" })
      expect(yield* memory.load).toEqual({ n: 20 })
    })
  )

/** Logic that waits inside until it is let go, and counts how often it ran. */
const gated = Effect.gen(function* () {
  const [entered, letGo] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
  const count = { runs: 0 }
  const logic = (by: number, { n }: Counter) =>
    Effect.gen(function* () {
      count.runs++
      yield* Deferred.succeed(entered, undefined)
      yield* Deferred.await(letGo)
      return [n + by, { n: n + by }] as const
    })
  return { count, logic, entered: Deferred.await(entered), letGo: Deferred.succeed(letGo, undefined) }
})

it.effect("an optimistic run locks nothing while its logic runs, and runs again on what was written meanwhile", () =>
  Effect.gen(function* () {
    const memory = yield* counter("total")
    const gate = yield* gated
    const fiber = yield* Effect.forkChild(Symbiont.make({ memory, mode: "optimistic", logic: gate.logic }).run(1))
    yield* gate.entered
    yield* memory.save({ n: 100 })
    yield* gate.letGo
    expect(yield* Fiber.join(fiber)).toBe(101)
    expect([gate.count.runs, yield* memory.load]).toEqual([2, { n: 101 }])
  })
)

it.effect("an optimistic run that may not run again fails with the conflict, and leaves what others wrote", () =>
  Effect.gen(function* () {
    const memory = yield* counter("total")
    const gate = yield* gated
    const run = Symbiont.make({ memory, mode: "optimistic", retries: 0, logic: gate.logic }).run(1)
    const fiber = yield* Effect.forkChild(Effect.flip(run))
    yield* gate.entered
    yield* memory.save({ n: 100 })
    yield* gate.letGo
    expect(yield* Fiber.join(fiber)).toMatchObject({ _tag: "RevisionConflict", agent: "total", expected: 0, actual: 1 })
    expect(yield* memory.load).toEqual({ n: 100 })
  })
)

it.effect("a merging run runs once and stores what the merge makes of the three states", () =>
  Effect.gen(function* () {
    const memory = yield* counter("total", 10)
    const gate = yield* gated
    const seen: Array<Symbiont.Merging<Counter>> = []
    const merge = (states: Symbiont.Merging<Counter>) => {
      seen.push(states)
      return added(states)
    }
    const fiber = yield* Effect.forkChild(Symbiont.make({ memory, mode: { merge }, logic: gate.logic }).run(1))
    yield* gate.entered
    yield* memory.save({ n: 100 })
    yield* gate.letGo
    expect(yield* Fiber.join(fiber)).toBe(11)
    expect([gate.count.runs, yield* memory.load]).toEqual([1, { n: 101 }])
    expect(seen).toEqual([{ base: { n: 10 }, mine: { n: 11 }, theirs: { n: 100 } }])
  })
)

it.effect("a merging run that nobody overtakes merges nothing", () =>
  Effect.gen(function* () {
    const memory = yield* counter("total", 10)
    const merge = (): Counter => ({ n: -1 })
    expect(yield* Symbiont.make({ memory, mode: { merge }, logic: slowly }).run(1)).toBe(10)
    expect(yield* memory.load).toEqual({ n: 11 })
  })
)

it.live("writes by other processes are merged as often as it takes, or as retries say", () =>
  Effect.gen(function* () {
    const below = backend({ schema: Counter, initial: { n: 0 } })
    const memory = yield* below.agent
    let left = 5
    below.hooks.beforeWrite = Effect.suspend(() =>
      left-- > 0 ? Effect.asVoid(below.commitElsewhere(`{"n":${100 - left}}`)) : Effect.void
    )
    const run = (retries?: number) => Symbiont.make({ memory, retries, mode: { merge: added }, logic: slowly }).run(1)
    yield* run()
    expect(yield* memory.load).toEqual({ n: 101 })
    left = 5
    expect((yield* Effect.flip(run(3)))._tag).toBe("RevisionConflict")
  })
)

it.effect("a conflict that the logic itself fails with is its failure, and nothing runs again", () =>
  Effect.gen(function* () {
    const memory = yield* counter("total")
    yield* memory.save({ n: 1 })
    const { revision } = yield* Effect.flatMap(memory.current, Effect.fromOption)
    yield* memory.save({ n: 2 })
    for (const mode of ["optimistic", { merge: added }] as const) {
      let runs = 0
      const stale = Symbiont.make({
        memory,
        mode,
        logic: (_: number, state) => {
          runs++
          return Effect.as(memory.compareAndSave({ n: 9 }, revision), [0, state] as const)
        }
      })
      expect([(yield* Effect.flip(stale.run(1)))._tag, runs]).toEqual(["RevisionConflict", 1])
    }
  })
)

it.effect("an empty memory: the initial in every mode, StateNotFound without one", () =>
  Effect.gen(function* () {
    for (const mode of ["serialize", "optimistic", { merge: added }] as const) {
      const memory = yield* counter("initial", 5)
      expect(yield* Symbiont.make({ memory, mode, logic: slowly }).run(1)).toBe(5)
      expect(yield* memory.load).toEqual({ n: 6 })
      const empty = yield* VolatileAgent.make({ name: "empty", schema: Counter })
      expect((yield* Effect.flip(Symbiont.make({ memory: empty, mode, logic: slowly }).run(1)))._tag).toBe(
        "StateNotFound"
      )
    }
  })
)

it.effect("in every mode logic that fails or is interrupted leaves the memory as it was", () =>
  Effect.gen(function* () {
    for (const mode of ["serialize", "optimistic", { merge: added }] as const) {
      const memory = yield* counter("total", 7)
      const failing = Symbiont.make({ memory, mode, logic: (_: number, _state) => Effect.fail("no" as const) })
      expect(yield* Effect.flip(failing.run(1))).toBe("no")
      const gate = yield* gated
      const fiber = yield* Effect.forkChild(Symbiont.make({ memory, mode, logic: gate.logic }).run(1))
      yield* gate.entered
      yield* Fiber.interrupt(fiber)
      expect(yield* memory.load).toEqual({ n: 7 })
      yield* memory.save({ n: 8 })
    }
  })
)

it.effect("a mode merges states of the memory and nothing else", () =>
  Effect.gen(function* () {
    const memory = yield* VolatileAgent.make({ name: "text", schema: Schema.String, initial: "" })
    const echo = (input: string, state: string) => Effect.succeed([input, state + input] as const)
    // @ts-expect-error a merge of other states
    const wrong = Symbiont.make({ memory, logic: echo, mode: { merge: added } })
    expect(wrong.name).toBe("text")
  })
)
