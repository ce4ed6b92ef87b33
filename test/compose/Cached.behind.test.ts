import { expect, it } from "@effect/vitest"
import { Cached, DataAgent, EntropyConstrained, Family, Revision, StateError, VolatileAgent } from "dgents"
import { Faults } from "dgents/testing"
import { Deferred, Effect, Exit, Fiber, Option, Random, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import { interruptible, settle, withRegister } from "./cached/support.ts"
import { backend, Counter } from "./support.ts"

const setUp = (options: Cached.BehindOptions = {}) =>
  Effect.gen(function* () {
    const failures: Array<Cached.Failure> = []
    const onFailure = (failure: Cached.Failure) => Effect.sync(() => failures.push(failure))
    const below = backend({ schema: Counter, initial: { n: 0 } })
    const direct = yield* below.agent
    const { agent, storage } = interruptible(direct)
    const cached = yield* Cached.make(agent, { write: { behind: { onFailure, ...options } } })
    yield* settle
    return { ...below, direct, cached, storage, failures }
  })

const pass = (time: "100 millis" | "1 minute") => Effect.andThen(TestClock.adjust(time), settle)

it.effect("a write is acknowledged and read before the backend has it, and those of a while reach it as one", () =>
  Effect.gen(function* () {
    const { cached, direct, storage } = yield* setUp()
    for (let i = 0; i < 10; i++) yield* cached.update(({ n }) => ({ n: n + 1 }))
    yield* settle
    expect(yield* cached.load).toEqual({ n: 10 })
    expect(storage.writes).toBe(0)
    expect(yield* cached.figures).toMatchObject({ pending: 10, flushes: 0 })
    yield* pass("100 millis")
    expect(storage.writes).toBe(1)
    expect(yield* direct.load).toEqual({ n: 10 })
    expect(yield* cached.load).toEqual({ n: 10 })
    expect(yield* cached.figures).toMatchObject({ pending: 0, flushes: 1, lost: 0 })
  })
)

it.effect("promises no durability and no history", () =>
  Effect.gen(function* () {
    const { cached, direct } = yield* setUp()
    expect(cached.claims).toEqual({ ...direct.claims, durability: "volatile", history: "none", sharing: "process" })
    expect(cached.claims).toEqual(Cached.claims(direct.claims, { write: { behind: {} } }))
  })
)

it.effect("a revision stays what it was said to be, also after the backend gave it another one", () =>
  Effect.gen(function* () {
    const { cached, direct } = yield* setUp()
    const first = yield* cached.compareAndSave({ n: 1 }, Revision.absent)
    const second = yield* cached.compareAndSave({ n: 2 }, first)
    yield* cached.flush
    expect((yield* direct.current).pipe(Option.map(({ revision }) => revision))).toEqual(Option.some(1))
    expect((yield* cached.current).pipe(Option.map(({ revision }) => revision))).toEqual(Option.some(second))
    expect((yield* cached.at(second)).state).toEqual({ n: 2 })
    expect((yield* Stream.runCollect(cached.history())).map(({ revision }) => revision)).toEqual([second])
    expect(yield* Effect.flip(cached.compareAndSave({ n: 3 }, first))).toMatchObject({ expected: 1, actual: 2 })
    expect(yield* cached.compareAndSave({ n: 3 }, second)).toBe(3)
    yield* cached.flush
    expect(yield* direct.load).toEqual({ n: 3 })
  })
)

it.effect("a read that a write has overtaken is not believed, whether it found a state or none", () =>
  Effect.gen(function* () {
    for (const stored of [0, 1]) {
      const { cached, hooks } = yield* setUp()
      if (stored === 1) yield* cached.save({ n: 1 })
      yield* cached.flush
      yield* cached.load
      yield* cached.invalidate
      const gate = yield* Deferred.make<void>()
      hooks.afterRead = Deferred.await(gate)
      const early = yield* Effect.forkChild(cached.load)
      yield* settle
      yield* cached.save({ n: 2 })
      yield* cached.flush
      yield* Deferred.succeed(gate, undefined)
      expect(yield* Fiber.join(early)).toEqual({ n: 2 })
      expect(Option.map(yield* cached.current, ({ revision }) => revision)).toEqual(Option.some(stored + 1))
    }
  })
)

it.effect("closing the scope writes what waits", () =>
  Effect.gen(function* () {
    const direct = yield* backend({ schema: Counter }).agent
    const scope = yield* Scope.make()
    const cached = yield* Scope.provide(Cached.make(direct, { write: { behind: { delay: "1 hour" } } }), scope)
    yield* cached.save({ n: 1 })
    expect(yield* DataAgent.exists(direct)).toBe(false)
    yield* Scope.close(scope, Exit.void)
    expect(yield* direct.load).toEqual({ n: 1 })
    expect((yield* Effect.flip(cached.save({ n: 2 })))._tag).toBe("AgentClosed")
  })
)

it.effect("while the backend fails, writes wait and every failure is told; none is lost", () =>
  Effect.gen(function* () {
    const { cached, direct, failures, storage } = yield* setUp()
    yield* cached.save({ n: 1 })
    storage.isDown = true
    expect((yield* Effect.flip(cached.flush))._tag).toBe("StorageUnavailable")
    yield* cached.update(({ n }) => ({ n: n + 1 }))
    yield* pass("1 minute")
    expect(failures.length).toBeGreaterThan(3)
    expect(failures.every(({ lost }) => !lost)).toBe(true)
    expect(yield* cached.load).toEqual({ n: 2 })
    expect((yield* cached.figures).flushFailures).toBe(failures.length)
    storage.isDown = false
    yield* pass("1 minute")
    expect(yield* direct.load).toEqual({ n: 2 })
    expect(yield* cached.figures).toMatchObject({ pending: 0, lost: 0 })
  })
)

it.effect("closing over a backend that fails tells what is lost", () =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const { cached, failures, storage } = yield* Scope.provide(setUp({ delay: "1 hour" }), scope)
    yield* cached.save({ n: 1 })
    yield* cached.save({ n: 2 })
    storage.isDown = true
    yield* Scope.close(scope, Exit.void)
    expect(failures.at(-1)).toMatchObject({ writes: 2, lost: true, error: { _tag: "StorageUnavailable" } })
  })
)

it.effect(
  "what somebody else wrote meanwhile stays, and the update built on what was there before is lost, and told",
  () =>
    Effect.gen(function* () {
      const { cached, commitElsewhere, direct, failures } = yield* setUp()
      yield* cached.save({ n: 1 })
      yield* cached.flush
      const changes = yield* Effect.forkChild(Stream.runCollect(Stream.take(cached.changes, 3)))
      yield* settle
      yield* cached.update(({ n }) => ({ n: n + 1 }))
      yield* commitElsewhere('{"n":10}')
      expect(yield* Effect.flip(cached.flush)).toMatchObject({ _tag: "RevisionConflict" })
      expect(failures).toMatchObject([{ writes: 1, lost: true }])
      expect(yield* direct.load).toEqual({ n: 10 })
      expect(yield* cached.load).toEqual({ n: 10 })
      expect((yield* Fiber.join(changes)).map((change) => [change._tag, change.revision])).toEqual([
        ["Saved", 1],
        ["Saved", 2],
        ["Saved", 3]
      ])
      expect(yield* cached.update(({ n }) => ({ n: n + 1 }))).toEqual({ n: 11 })
      yield* cached.flush
      expect(yield* direct.load).toEqual({ n: 11 })
    })
)

it.effect("a save overwrites what somebody else wrote before it, as any save does", () =>
  Effect.gen(function* () {
    const { cached, commitElsewhere, direct, failures } = yield* setUp()
    yield* cached.save({ n: 1 })
    yield* cached.flush
    yield* commitElsewhere('{"n":10}')
    yield* cached.save({ n: 2 })
    yield* cached.update(({ n }) => ({ n: n + 1 }))
    yield* cached.flush
    expect(yield* direct.load).toEqual({ n: 3 })
    expect(failures).toEqual([])
  })
)

it.effect("a write whose reply was lost is looked for, and not done again", () =>
  Effect.gen(function* () {
    const { cached, direct, failures, hooks, storage } = yield* setUp()
    yield* cached.save({ n: 1 })
    yield* cached.flush
    yield* cached.update(({ n }) => ({ n: n + 1 }))
    hooks.afterWrite = Effect.fail(
      new StateError.WriteIndeterminate({ agent: "backend", reason: "the reply was lost" })
    )
    yield* cached.flush
    hooks.afterWrite = undefined
    yield* cached.update(({ n }) => ({ n: n + 1 }))
    yield* cached.flush
    expect(yield* direct.load).toEqual({ n: 3 })
    expect(storage.writes).toBe(3)
    expect(failures).toEqual([])
  })
)

it.effect("a state that the backend refuses is lost, and told, and what is there instead is read", () =>
  Effect.gen(function* () {
    const direct = yield* VolatileAgent.make({ name: "direct", schema: Counter })
    const failures: Array<Cached.Failure> = []
    const onFailure = (failure: Cached.Failure) => Effect.sync(() => failures.push(failure))
    const cached = yield* Cached.make(EntropyConstrained.make(direct, { maxBytes: 10 }), {
      write: { behind: { onFailure } }
    })
    yield* cached.save({ n: 1 })
    yield* cached.flush
    yield* cached.save({ n: 1_234_567_890 })
    expect((yield* Effect.flip(cached.flush))._tag).toBe("StateTooLarge")
    expect(failures).toMatchObject([{ lost: true, writes: 1 }])
    expect(yield* cached.load).toEqual({ n: 1 })
    expect(yield* cached.figures).toMatchObject({ lost: 1, pending: 0 })
  })
)

it.effect("when so many writes wait, the next one waits until they are in the backend", () =>
  Effect.gen(function* () {
    const { cached, direct, hooks } = yield* setUp({ delay: "1 hour", maxPending: 3 })
    const gate = yield* Deferred.make<void>()
    hooks.beforeWrite = Deferred.await(gate)
    for (let n = 1; n <= 3; n++) yield* cached.save({ n })
    const waiting = yield* Effect.forkChild(cached.save({ n: 4 }))
    yield* settle
    expect(yield* cached.load).toEqual({ n: 3 })
    yield* Deferred.succeed(gate, undefined)
    yield* Fiber.join(waiting)
    expect(yield* direct.load).toEqual({ n: 3 })
    expect(yield* cached.load).toEqual({ n: 4 })
    expect(yield* cached.figures).toMatchObject({ pending: 1 })
  })
)

it.effect("or it goes through, with what waited, and fails as the backend does", () =>
  Effect.gen(function* () {
    const { cached, direct, storage } = yield* setUp({ delay: "1 hour", maxPending: 2, whenFull: "through" })
    yield* cached.save({ n: 1 })
    yield* cached.save({ n: 2 })
    storage.isDown = true
    expect((yield* Effect.flip(cached.update(({ n }) => ({ n: n + 1 }))))._tag).toBe("StorageUnavailable")
    expect(yield* cached.load).toEqual({ n: 2 })
    storage.isDown = false
    yield* cached.update(({ n }) => ({ n: n + 1 }))
    expect(yield* direct.load).toEqual({ n: 3 })
    expect(yield* cached.figures).toMatchObject({ pending: 0 })
  })
)

it.effect("a delete reaches the backend at once, and takes what waits with it", () =>
  Effect.gen(function* () {
    const { cached, direct } = yield* setUp({ delay: "1 hour" })
    yield* cached.save({ n: 1 })
    yield* cached.flush
    yield* cached.save({ n: 2 })
    yield* cached.delete
    expect(yield* DataAgent.exists(direct)).toBe(false)
    expect(yield* DataAgent.exists(cached)).toBe(false)
    yield* cached.flush
    expect(yield* DataAgent.exists(direct)).toBe(false)
    expect(yield* cached.compareAndSave({ n: 3 }, Revision.absent)).toBe(3)
  })
)

it.effect("the caller's object may change after the write: what reaches the backend is what was acknowledged", () =>
  Effect.gen(function* () {
    const { cached, direct } = yield* setUp()
    const mine = { n: 1 }
    yield* cached.save(mine)
    mine.n = 2
    yield* cached.flush
    expect(yield* direct.load).toEqual({ n: 1 })
  })
)

it.effect("over storage that fails in every way no update is lost or done twice, in 60 random schedules", () =>
  Effect.gen(function* () {
    for (let seed = 1; seed <= 60; seed++) {
      const direct = yield* VolatileAgent.make({ name: "direct", schema: Counter, initial: { n: 0 } })
      const plan = Faults.plan(
        seed,
        Faults.flaky(0.2, "refuse", { only: ["write", "read"] }),
        Faults.flaky(0.2, "loseReply", { only: ["write"] }),
        Faults.flaky(0.2, "loseRequest", { only: ["write"] })
      )
      const quiet = { onFailure: () => Effect.void }
      const cached = yield* Cached.make(Faults.agent(direct, plan), { write: { behind: quiet } })
      const random = Random.nextIntBetween(0, 3)
      yield* Effect.gen(function* () {
        yield* Effect.retry(cached.load, { times: 50 })
        for (let i = 0; i < 20; i++) {
          yield* Effect.retry(
            cached.update(({ n }) => ({ n: n + 1 })),
            { times: 50 }
          )
          if ((yield* random) === 0) yield* Effect.ignore(cached.flush)
        }
        yield* Effect.retry(cached.flush, { times: 200 })
      }).pipe(Random.withSeed(seed))
      expect([seed, yield* direct.load, (yield* cached.figures).lost]).toEqual([seed, { n: 20 }, 0])
    }
  })
)

it.effect("what a write has stored has one number, whoever reads it before that write is acknowledged", () =>
  Effect.gen(function* () {
    const direct = yield* VolatileAgent.family({ name: "many", schema: Counter })
    const [stored, acknowledged] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
    const slow = Family.mapAgents(direct, (agent) =>
      withRegister(agent, (register) => ({
        write: (draft, expected) =>
          Effect.tap(register.write(draft, expected), () =>
            Effect.andThen(Deferred.succeed(stored, undefined), Deferred.await(acknowledged))
          )
      }))
    )
    // Another key has all the room there is, so that this one is written through.
    const write = { behind: { delay: "1 hour", maxPending: 1, whenFull: "through" } } as const
    const cached = yield* Cached.family(slow, { write })
    yield* cached.at("a").save({ n: 1 })
    const agent = cached.at("b")
    expect(yield* DataAgent.exists(agent)).toBe(false)
    const saving = yield* Effect.forkChild(agent.save({ n: 2 }))
    yield* Deferred.await(stored)
    const reading = yield* Effect.forkChild(agent.current)
    yield* settle
    yield* Deferred.succeed(acknowledged, undefined)
    yield* Fiber.join(saving)
    expect(yield* Fiber.join(reading)).toEqual(yield* agent.current)
  })
)
