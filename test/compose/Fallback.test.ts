import { expect, it } from "@effect/vitest"
import { type Claims, DataAgent, Fallback, ReadOnly, Revision, StateError, VolatileAgent } from "dgents"
import { Faults } from "dgents/testing"
import { Deferred, Effect, Fiber, Option, type Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import { backend, Counter } from "./support.ts"

const counters = VolatileAgent.make({ name: "counter", schema: Counter })
const memory = <S>(schema: Schema.Codec<S, unknown>) => VolatileAgent.make({ name: "second", schema })
const quiet = { second: memory, logs: false, retryAfter: 0 }

/** A fallback over a first agent that fails as told, with both agents below. */
const failing = (options: Partial<Fallback.Options<Counter, never, never>> = {}) =>
  Effect.gen(function* () {
    const below = yield* counters
    const standby = yield* VolatileAgent.make({ name: "second", schema: Fallback.Standby(Counter) })
    const faults = Faults.make()
    const second = () => Effect.succeed(standby)
    const agent = yield* Fallback.make(Faults.agent(below, faults), { ...quiet, ...options, second })
    return { agent, below, faults, standby, away: () => faults.arm(Faults.plan(1, Faults.flaky(1))) }
  })

const seen = (agent: DataAgent.DataAgent<Counter>) =>
  Effect.map(agent.current, (found) =>
    Option.getOrThrow(Option.map(found, ({ revision, state }) => [state.n, revision]))
  )

it.effect(
  "while the first is away states are read and written, and the first has the last of them when it is back",
  () =>
    Effect.gen(function* () {
      const { agent, away, below, faults, standby } = yield* failing()
      yield* agent.save({ n: 1 })
      away()
      expect(yield* agent.load).toEqual({ n: 1 })
      yield* agent.save({ n: 2 })
      yield* TestClock.setTime(7)
      expect(yield* agent.update(({ n }) => ({ n: n + 10 }))).toEqual({ n: 12 })
      expect(yield* agent.current).toEqual(Option.some({ state: { n: 12 }, revision: 3, savedAt: 7 }))
      expect(yield* seen(below)).toEqual([1, 1])
      faults.lift()
      expect(yield* seen(agent)).toEqual([12, 3])
      expect(yield* below.load).toEqual({ n: 12 })
      expect((yield* standby.load)._tag).toBe("Settled")
    })
)

it.effect("revisions grow across the fall and back, and a compareAndSave that expects an older one conflicts", () =>
  Effect.gen(function* () {
    const { agent, away, faults } = yield* failing()
    yield* agent.save({ n: 1 })
    away()
    expect(yield* agent.compareAndSave({ n: 2 }, Revision.make(1))).toBe(2)
    expect(yield* agent.compareAndSave({ n: 3 }, Revision.make(2))).toBe(3)
    const stale = yield* Effect.flip(agent.compareAndSave({ n: 9 }, Revision.make(1)))
    expect(stale).toMatchObject({ _tag: "RevisionConflict", expected: 1, actual: 3 })
    faults.lift()
    const late = yield* Effect.flip(agent.compareAndSave({ n: 9 }, Revision.make(2)))
    expect(late).toMatchObject({ _tag: "RevisionConflict", expected: 2, actual: 3 })
    expect(yield* agent.compareAndSave({ n: 4 }, Revision.make(3))).toBe(4)
    expect((yield* agent.at(Revision.make(4))).state).toEqual({ n: 4 })
    yield* agent.delete
    expect(yield* agent.compareAndSave({ n: 5 }, Revision.absent)).toBe(5)
  })
)

it.effect("a deletion while the first is away is a deletion there when it is back", () =>
  Effect.gen(function* () {
    const { agent, away, below, faults } = yield* failing()
    yield* agent.save({ n: 1 })
    away()
    yield* agent.delete
    expect(yield* DataAgent.exists(agent)).toBe(false)
    faults.lift()
    expect(yield* DataAgent.exists(agent)).toBe(false)
    expect(yield* DataAgent.exists(below)).toBe(false)
  })
)

it.effect("no number is given twice, not even to states that the first never had", () =>
  Effect.gen(function* () {
    const { agent, away, faults } = yield* failing()
    yield* agent.save({ n: 1 })
    const given: Array<number> = [1]
    for (let i = 0; i < 3; i++) {
      away()
      if (i > 0) given.push(yield* agent.compareAndSave({ n: 2 }, Revision.absent))
      yield* agent.save({ n: 3 })
      given.push((yield* seen(agent))[1] ?? 0)
      yield* agent.delete
      faults.lift()
      expect(yield* DataAgent.exists(agent)).toBe(false)
    }
    expect(given).toEqual([1, 2, 3, 4, 5, 6])
  })
)

it.effect(
  "a write whose end is not known does not fall, nor does anything after it before the first was read again",
  () =>
    Effect.gen(function* () {
      const { agent, away, below, faults } = yield* failing()
      yield* agent.save({ n: 1 })
      faults.arm(Faults.plan(1, Faults.flaky(1, "loseReply")))
      expect((yield* Effect.flip(agent.save({ n: 2 })))._tag).toBe("WriteIndeterminate")
      away()
      expect((yield* Effect.flip(agent.load))._tag).toBe("StorageUnavailable")
      expect((yield* Effect.flip(agent.save({ n: 3 })))._tag).toBe("StorageUnavailable")
      faults.lift()
      expect(yield* agent.load).toEqual({ n: 2 })
      away()
      yield* agent.save({ n: 3 })
      faults.lift()
      expect(yield* agent.load).toEqual({ n: 3 })
      expect(yield* below.load).toEqual({ n: 3 })
    })
)

it.effect("a refusal for good does not fall: who may not write to the first may not write to the second", () =>
  Effect.gen(function* () {
    const below = yield* counters
    yield* below.save({ n: 1 })
    const agent = yield* Fallback.make(ReadOnly.make(below), quiet)
    expect(yield* agent.load).toEqual({ n: 1 })
    const refused = yield* Effect.flip(agent.save({ n: 2 }))
    expect(refused).toMatchObject({ _tag: "StorageUnavailable", retryable: false })
    expect(yield* agent.status).toBe("first")
  })
)

it.effect("what waits survives the program that wrote it, and is brought to the first by the next one", () =>
  Effect.gen(function* () {
    const { agent, away, below, faults, standby } = yield* failing()
    yield* agent.save({ n: 1 })
    away()
    yield* agent.save({ n: 2 })
    const open = Fallback.make(Faults.agent(below, faults), { ...quiet, second: () => Effect.succeed(standby) })
    yield* Effect.scoped(
      Effect.gen(function* () {
        expect(yield* seen(yield* open)).toEqual([2, 2])
      })
    )
    faults.lift()
    yield* Effect.scoped(Effect.andThen(open, (next) => next.heal))
    expect(yield* below.load).toEqual({ n: 2 })
  })
)

it.effect("a state that was never seen does not fall: the failure is the first one's", () =>
  Effect.gen(function* () {
    const { agent, away } = yield* failing()
    away()
    expect((yield* Effect.flip(agent.load))._tag).toBe("StorageUnavailable")
    expect((yield* Effect.flip(agent.save({ n: 1 })))._tag).toBe("StorageUnavailable")
  })
)

it.effect("when somebody wrote to the first meanwhile, the state that waited wins, or what merge makes of both", () =>
  Effect.gen(function* () {
    for (const [merge, expected] of [
      [undefined, 2],
      [
        (a: Option.Option<Counter>, b: Option.Option<Counter>) =>
          Option.zipWith(a, b, (a, b) => ({ n: Math.max(a.n, b.n) })),
        7
      ]
    ] as const) {
      const { agent, away, below, faults } = yield* failing(merge === undefined ? {} : { merge })
      yield* agent.save({ n: 1 })
      away()
      yield* agent.save({ n: 2 })
      yield* below.save({ n: 7 })
      faults.lift()
      expect(yield* agent.load).toEqual({ n: expected })
      expect(yield* below.load).toEqual({ n: expected })
      expect((yield* Effect.flip(agent.compareAndSave({ n: 0 }, Revision.make(2))))._tag).toBe("RevisionConflict")
      // Above the number that waited, and above that of the state that was written meanwhile.
      expect(yield* seen(agent)).toEqual([expected, 4])
    }
  })
)

it.effect(
  "what is deleted while the first is away leaves no history there, also when it is saved again meanwhile",
  () =>
    Effect.gen(function* () {
      const below = yield* VolatileAgent.make({ name: "counter", schema: Counter, history: "full" })
      const faults = Faults.make()
      const agent = yield* Fallback.make(Faults.agent(below, faults), quiet)
      yield* agent.save({ n: 1 })
      yield* agent.save({ n: 2 })
      faults.arm(Faults.plan(1, Faults.flaky(1)))
      yield* agent.delete
      yield* agent.save({ n: 3 })
      faults.lift()
      expect(yield* agent.load).toEqual({ n: 3 })
      expect((yield* Stream.runCollect(below.history())).map(({ state }) => state.n)).toEqual([3])
    })
)

it.effect("a second that keeps less than the first is refused, unless it is allowed by name", () =>
  Effect.gen(function* () {
    const lasting = yield* backend({ schema: Counter }).agent
    const refused = yield* Effect.flip(Fallback.make(lasting, { second: memory }))
    expect(refused).toMatchObject({ _tag: "StorageUnavailable", operation: "open", retryable: false })
    expect(refused.message).toContain('durability: "volatile"')
    const allowed = yield* Fallback.make(lasting, { second: memory, durability: "volatile" })
    expect(allowed.claims).toEqual({
      durability: "volatile",
      consistency: "linearizable",
      sharing: "process",
      history: "none"
    })
  })
)

it("claims the weaker of both, to one process", () => {
  const first: Claims.Claims = { durability: "power", consistency: "linearizable", sharing: "network", history: "full" }
  const second: Claims.Claims = { ...first, durability: "process", history: "none" }
  expect(Fallback.claims(first, second)).toEqual({
    ...first,
    durability: "process",
    sharing: "process",
    history: "some"
  })
  expect(Fallback.claims(second, first).history).toBe("none")
})

it.effect(
  "the first is let be for a while, the status says who answers, and what waits is brought without being asked for",
  () =>
    Effect.gen(function* () {
      const { agent, away, below, faults } = yield* failing({ retryAfter: "1 second" })
      const told: Array<string> = []
      yield* Effect.forkChild(
        Stream.runForEach(agent.statusChanges, (status) => Effect.sync(() => told.push(status))),
        { startImmediately: true }
      )
      yield* agent.save({ n: 1 })
      away()
      yield* agent.save({ n: 2 })
      expect(yield* agent.status).toBe("second")
      const asked = faults.count
      yield* agent.load
      yield* agent.save({ n: 3 })
      expect(faults.count).toBe(asked)
      faults.lift()
      yield* TestClock.adjust("2 seconds")
      expect(yield* below.load).toEqual({ n: 3 })
      expect(yield* agent.status).toBe("first")
      yield* TestClock.adjust("1 second")
      expect(told).toEqual(["first", "second", "first"])
    })
)

it.effect("what the second cannot take fails with both reasons", () =>
  Effect.gen(function* () {
    const below = yield* counters
    const standby = yield* VolatileAgent.make({ name: "second", schema: Fallback.Standby(Counter) })
    const faults = Faults.make()
    const second = () => Effect.succeed(Faults.agent(standby, faults))
    const agent = yield* Fallback.make(Faults.agent(below, faults), { ...quiet, second })
    yield* agent.save({ n: 1 })
    faults.arm(Faults.plan(1, Faults.flaky(1)))
    const error = yield* Effect.flip(agent.save({ n: 2 }))
    expect(error).toMatchObject({ _tag: "StorageUnavailable", agent: "counter", retryable: true })
    expect(error.message).toMatch(/the first agent is away .*, and the second failed/)
    faults.lift()
    expect(yield* agent.load).toEqual({ n: 1 })
  })
)

it.effect("the history does not reach past writes that the first was never given", () =>
  Effect.gen(function* () {
    const below = yield* VolatileAgent.make({ name: "counter", schema: Counter, history: "full" })
    const faults = Faults.make()
    const agent = yield* Fallback.make(Faults.agent(below, faults), quiet)
    const numbers = Effect.map(Stream.runCollect(agent.history()), (all) =>
      all.map(({ revision, state }) => [revision, state.n])
    )
    yield* agent.save({ n: 1 })
    yield* agent.save({ n: 2 })
    faults.arm(Faults.plan(1, Faults.flaky(1)))
    for (const n of [3, 4, 5]) yield* agent.save({ n })
    expect(yield* numbers).toEqual([[5, 5]])
    faults.lift()
    yield* agent.save({ n: 6 })
    expect(yield* numbers).toEqual([
      [6, 6],
      [5, 5]
    ])
    expect((yield* agent.at(Revision.make(2))).state).toEqual({ n: 2 })
    expect((yield* Effect.flip(agent.at(Revision.make(4))))._tag).toBe("StateNotFound")
  })
)

it.effect("what falls is the state as it was when it was saved, whatever its owner does with it meanwhile", () =>
  Effect.gen(function* () {
    const asked = yield* Deferred.make<void>()
    const given = yield* Deferred.make<void>()
    const { agent: below, hooks } = backend({ schema: Counter, initial: { n: 0 } })
    const standby = yield* VolatileAgent.make({ name: "second", schema: Fallback.Standby(Counter) })
    const second = () => Effect.succeed(standby)
    const agent = yield* Fallback.make(yield* below, { second, durability: "volatile", logs: false })
    yield* agent.save({ n: 1 })
    const away = new StateError.StorageUnavailable({
      agent: "backend",
      operation: "write",
      reason: "it is away",
      retryable: true
    })
    hooks.beforeWrite = Effect.andThen(Deferred.succeed(asked, undefined), Deferred.await(given))
    hooks.afterWrite = Effect.fail(away)
    const mine = { n: 2 }
    const saving = yield* Effect.forkChild(agent.save(mine))
    yield* Deferred.await(asked)
    mine.n = 3
    yield* Deferred.succeed(given, undefined)
    yield* Fiber.join(saving)
    expect(yield* standby.load).toMatchObject({ _tag: "Saved", state: { n: 2 } })
  })
)
