import { expect, expectTypeOf, it } from "@effect/vitest"
import { Cached, DataAgent, Revision, StateError, VolatileAgent } from "dgents"
import { Deferred, Effect, Exit, Fiber, Logger, Option, Queue, References, type Schema, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import { settle, unavailable, withRegister } from "./cached/support.ts"
import { backend, Counter, countingCodec } from "./support.ts"

const setUp = (options?: Cached.Options<Counter, never, Scope.Scope> & { readonly initial?: Counter }) =>
  Effect.gen(function* () {
    const below = backend({ schema: Counter, ...(options?.initial && { initial: options.initial }) })
    const direct = yield* below.agent
    const cached = yield* Cached.make(direct, options)
    yield* settle
    below.count.reads = 0
    return { ...below, direct, cached }
  })

const broken = DataAgent.fromRegister({
  name: "broken",
  schema: Cached.Entry(Counter),
  claims: VolatileAgent.claims(),
  register: {
    read: Effect.fail(unavailable("read")),
    write: () => Effect.fail(unavailable("write")),
    remove: Effect.fail(unavailable("remove"))
  }
})

it.effect("a hit does not touch the backend", () =>
  Effect.gen(function* () {
    const { cached, count, direct } = yield* setUp()
    yield* direct.save({ n: 1 })
    yield* settle
    expect(yield* cached.load).toEqual({ n: 1 })
    expect(count.reads).toBe(1)
    for (let i = 0; i < 10; i++) expect(yield* cached.load).toEqual({ n: 1 })
    expect(yield* cached.current).toEqual(yield* direct.current)
    expect(count.reads).toBe(2)
  })
)

it.effect("what was written through is a hit, and so is what was updated", () =>
  Effect.gen(function* () {
    const { cached, count, direct } = yield* setUp({ initial: { n: 0 } })
    yield* cached.save({ n: 1 })
    yield* settle
    expect(yield* cached.load).toEqual({ n: 1 })
    expect(yield* cached.update((s) => ({ n: s.n + 1 }))).toEqual({ n: 2 })
    expect(yield* cached.modify((s) => Effect.succeed([s.n, { n: s.n + 1 }] as const))).toBe(2)
    yield* settle
    expect((yield* cached.current).pipe(Option.map((c) => [c.state.n, c.revision]))).toEqual(Option.some([3, 3]))
    expect(count.reads).toBe(0)
    expect(yield* direct.load).toEqual({ n: 3 })
  })
)

it.effect("an empty result is cached too, before the first save and after a delete", () =>
  Effect.gen(function* () {
    const { cached, count } = yield* setUp()
    expect(yield* DataAgent.exists(cached)).toBe(false)
    expect((yield* Effect.flip(cached.load))._tag).toBe("StateNotFound")
    expect(count.reads).toBe(1)
    yield* cached.save({ n: 1 })
    yield* cached.delete
    yield* settle
    expect(yield* DataAgent.exists(cached)).toBe(false)
    expect(count.reads).toBe(1)
    yield* cached.compareAndSave({ n: 2 }, Revision.absent)
    expect(yield* cached.load).toEqual({ n: 2 })
  })
)

it.effect("fibers that miss together make one read", () =>
  Effect.gen(function* () {
    const { cached, count, hooks } = yield* setUp({ initial: { n: 0 } })
    hooks.beforeRead = Effect.sleep("1 second")
    const all = yield* Effect.forkChild(
      Effect.forEach(Array.from({ length: 20 }), () => cached.load, { concurrency: "unbounded" })
    )
    yield* settle
    yield* TestClock.adjust("1 second")
    expect((yield* Fiber.join(all)).length).toBe(20)
    expect(count.reads).toBe(1)
  })
)

it.effect("who missed first may be interrupted: the others get their answer", () =>
  Effect.gen(function* () {
    const { cached, count, hooks } = yield* setUp({ initial: { n: 0 } })
    hooks.beforeRead = Effect.sleep("1 second")
    const first = yield* Effect.forkChild(cached.load)
    yield* settle
    const second = yield* Effect.forkChild(cached.load)
    yield* settle
    yield* Fiber.interrupt(first)
    yield* TestClock.adjust("1 second")
    expect(yield* Fiber.join(second)).toEqual({ n: 0 })
    expect(count.reads).toBe(1)
  })
)

it.effect("a failed read reaches all who wait for it, and is not cached", () =>
  Effect.gen(function* () {
    const below = yield* backend({ schema: Counter }).agent
    let fails = true
    const flaky = withRegister(below, (register) => ({
      read: Effect.suspend(() => (fails ? Effect.fail(unavailable("read")) : register.read)),
      changes: Stream.never
    }))
    const cached = yield* Cached.make(flaky)
    const exits = yield* Effect.forEach([1, 2], () => Effect.flip(cached.load), { concurrency: 2 })
    expect(exits.map((error) => error._tag)).toEqual(["StorageUnavailable", "StorageUnavailable"])
    fails = false
    yield* below.save({ n: 1 })
    expect(yield* cached.load).toEqual({ n: 1 })
  })
)

it.effect("past its ttl an entry is not used, an empty one neither", () =>
  Effect.gen(function* () {
    const { cached, commitElsewhere, count } = yield* setUp({ ttl: "1 minute" })
    expect(yield* DataAgent.exists(cached)).toBe(false)
    yield* commitElsewhere('{"n":1}')
    yield* TestClock.adjust("59 seconds")
    expect(yield* DataAgent.exists(cached)).toBe(false)
    yield* TestClock.adjust("1 second")
    expect(yield* cached.load).toEqual({ n: 1 })
    yield* commitElsewhere('{"n":2}')
    yield* TestClock.adjust("59 seconds")
    expect(yield* cached.load).toEqual({ n: 1 })
    yield* TestClock.adjust("1 second")
    expect(yield* cached.load).toEqual({ n: 2 })
    expect(count.reads).toBe(3)
  })
)

it.effect("a commit on the backend's own handle is seen, a deletion too, and loads after that are hits again", () =>
  Effect.gen(function* () {
    const { cached, count, direct } = yield* setUp()
    yield* cached.save({ n: 1 })
    yield* direct.save({ n: 2 })
    yield* settle
    expect(yield* cached.load).toEqual({ n: 2 })
    yield* cached.load
    expect(count.reads).toBe(1)
    yield* direct.delete
    yield* settle
    expect(yield* DataAgent.exists(cached)).toBe(false)
    yield* direct.save({ n: 3 })
    yield* settle
    expect(yield* cached.load).toEqual({ n: 3 })
  })
)

it.effect("a commit on the backend's handle right after make is not missed, not even a deletion", () =>
  Effect.gen(function* () {
    const direct = yield* backend({ schema: Counter }).agent
    yield* direct.save({ n: 1 })
    const cached = yield* Cached.make(direct)
    expect(yield* cached.load).toEqual({ n: 1 })
    yield* direct.delete
    yield* settle
    expect(yield* DataAgent.exists(cached)).toBe(false)
  })
)

it.effect("a load that began before a write never fills the cache with the older state", () =>
  Effect.gen(function* () {
    const { cached, count, hooks } = yield* setUp({ initial: { n: 0 } })
    const gate = yield* Deferred.make<void>()
    hooks.afterRead = Deferred.await(gate)
    const early = yield* Effect.forkChild(cached.load)
    yield* settle
    yield* cached.save({ n: 1 })
    yield* Deferred.succeed(gate, undefined)
    yield* Fiber.join(early)
    yield* settle
    expect(yield* cached.load).toEqual({ n: 1 })
    expect(count.reads).toBe(1)
  })
)

it.effect("a load that began before a commit on the backend's handle never fills the cache with the older state", () =>
  Effect.gen(function* () {
    const { cached, direct, hooks } = yield* setUp({ initial: { n: 0 } })
    const gate = yield* Deferred.make<void>()
    hooks.afterRead = Deferred.await(gate)
    const early = yield* Effect.forkChild(cached.load)
    yield* settle
    yield* direct.save({ n: 1 })
    yield* settle
    yield* Deferred.succeed(gate, undefined)
    expect(yield* Fiber.join(early)).toEqual({ n: 0 })
    yield* settle
    expect(yield* cached.load).toEqual({ n: 1 })
  })
)

it.effect("a load that begins after a write does not join a read from before it", () =>
  Effect.gen(function* () {
    const { cached, direct, hooks } = yield* setUp({ cache: () => Effect.orDie(broken), initial: { n: 0 } })
    const gate = yield* Deferred.make<void>()
    hooks.afterRead = Deferred.await(gate)
    const early = yield* Effect.forkChild(cached.load)
    yield* settle
    yield* cached.save({ n: 1 })
    hooks.afterRead = Effect.void
    expect(yield* cached.load).toEqual({ n: 1 })
    yield* Deferred.succeed(gate, undefined)
    yield* Fiber.join(early)
    expect(yield* direct.load).toEqual({ n: 1 })
  })
)

it.effect("a load that begins after a write does not join a read from during it", () =>
  Effect.gen(function* () {
    const { cached, hooks } = yield* setUp({ cache: () => Effect.orDie(broken), initial: { n: 0 } })
    const [write, read] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
    hooks.beforeWrite = Deferred.await(write)
    const writing = yield* Effect.forkChild(cached.save({ n: 1 }))
    yield* settle
    hooks.afterRead = Deferred.await(read)
    const early = yield* Effect.forkChild(cached.load)
    yield* settle
    yield* Deferred.succeed(write, undefined)
    yield* Fiber.join(writing)
    hooks.afterRead = Effect.void
    expect(yield* cached.load).toEqual({ n: 1 })
    yield* Deferred.succeed(read, undefined)
    expect(yield* Fiber.join(early)).toEqual({ n: 0 })
  })
)

it.effect("once somebody read a state that is not yet acknowledged, nobody reads the one before", () =>
  Effect.gen(function* () {
    const { cached, hooks } = yield* setUp({ initial: { n: 0 } })
    const [read, before, after] = [
      yield* Deferred.make<void>(),
      yield* Deferred.make<void>(),
      yield* Deferred.make<void>()
    ]
    hooks.beforeRead = Deferred.await(read)
    const late = yield* Effect.forkChild(cached.load)
    yield* settle
    hooks.beforeRead = Effect.void
    yield* cached.save({ n: 1 })
    hooks.beforeWrite = Deferred.await(before)
    hooks.afterWrite = Effect.as(Deferred.await(after), Revision.make(2))
    const writing = yield* Effect.forkChild(cached.save({ n: 2 }))
    yield* settle
    expect(yield* cached.load).toEqual({ n: 1 })
    yield* Deferred.succeed(before, undefined)
    yield* settle
    yield* Deferred.succeed(read, undefined)
    expect(yield* Fiber.join(late)).toEqual({ n: 2 })
    expect(yield* cached.load).toEqual({ n: 2 })
    yield* Deferred.succeed(after, undefined)
    yield* Fiber.join(writing)
  })
)

it.effect("a commit that is announced while its state is on the way into the cache is not missed", () =>
  Effect.gen(function* () {
    const gate = yield* Deferred.make<void>()
    const { cached, direct } = yield* setUp({
      initial: { n: 0 },
      cache: (schema) =>
        Effect.map(Effect.orDie(VolatileAgent.make({ name: "slow", schema })), (cache) =>
          withRegister(cache, (register) => ({
            write: (next, expected) => Effect.andThen(Deferred.await(gate), register.write(next, expected))
          }))
        )
    })
    const early = yield* Effect.forkChild(cached.load)
    yield* settle
    yield* direct.save({ n: 1 })
    yield* settle
    yield* Deferred.succeed(gate, undefined)
    expect(yield* Fiber.join(early)).toEqual({ n: 0 })
    expect(yield* cached.load).toEqual({ n: 1 })
  })
)

it.effect("nothing is in the cache before it is in the backend", () =>
  Effect.gen(function* () {
    const { cached, hooks } = yield* setUp()
    yield* cached.save({ n: 1 })
    const gate = yield* Deferred.make<void>()
    hooks.beforeWrite = Deferred.await(gate)
    const writing = yield* Effect.forkChild(cached.save({ n: 2 }))
    yield* settle
    expect(yield* cached.load).toEqual({ n: 1 })
    yield* Deferred.succeed(gate, undefined)
    yield* Fiber.join(writing)
    expect(yield* cached.load).toEqual({ n: 2 })
  })
)

it.effect("a write whose outcome is unknown empties the cache", () =>
  Effect.gen(function* () {
    const { cached, count, hooks } = yield* setUp()
    yield* cached.save({ n: 1 })
    hooks.afterWrite = Effect.fail(
      new StateError.WriteIndeterminate({ agent: "backend", reason: "the reply was lost" })
    )
    expect((yield* Effect.flip(cached.save({ n: 2 })))._tag).toBe("WriteIndeterminate")
    expect(yield* cached.load).toEqual({ n: 2 })
    expect(count.reads).toBe(1)
  })
)

it.effect("after a conflict the cache is empty, so that a retry reads fresh", () =>
  Effect.gen(function* () {
    const { cached, commitElsewhere, count } = yield* setUp({ initial: { n: 0 } })
    yield* cached.save({ n: 1 })
    yield* commitElsewhere('{"n":10}')
    expect(yield* cached.load).toEqual({ n: 1 })
    let runs = 0
    const modify = cached.modify((s) => {
      runs++
      return Effect.succeed([s.n, { n: s.n + 1 }] as const)
    })
    expect(yield* modify).toBe(10)
    expect(runs).toBe(2)
    expect(count.reads).toBe(1)
    yield* commitElsewhere('{"n":20}')
    const error = yield* Effect.flip(cached.compareAndSave({ n: 0 }, Revision.make(3)))
    expect(error).toMatchObject({ _tag: "RevisionConflict", expected: 3, actual: 4 })
    expect(yield* cached.load).toEqual({ n: 20 })
  })
)

it.effect("a cache that always fails is a miss, said at debug level", () =>
  Effect.gen(function* () {
    const { cached, count } = yield* setUp({ cache: () => Effect.orDie(broken) })
    const lines: Array<string> = []
    const logger = Logger.make(({ logLevel, message }) => lines.push(`${logLevel} ${String(message)}`))
    yield* Effect.gen(function* () {
      yield* cached.save({ n: 1 })
      expect(yield* cached.load).toEqual({ n: 1 })
      expect(yield* cached.update((s) => ({ n: s.n + 1 }))).toEqual({ n: 2 })
      yield* cached.delete
      expect(yield* DataAgent.exists(cached)).toBe(false)
    }).pipe(Effect.provide(Logger.layer([logger])), Effect.provideService(References.MinimumLogLevel, "Debug"))
    expect(count.reads).toBe(3)
    expect(lines[0]).toBe(
      'Debug Cached: the cache of agent "backend" could not save: agent "broken" could not write: it is down. Trying again may help.'
    )
  })
)

it.effect("a cache that loses or swaps its content is a miss", () =>
  Effect.gen(function* () {
    const kept = yield* VolatileAgent.make({ name: "kept", schema: Cached.Entry(Counter), history: "full" })
    const { cached, count } = yield* setUp({ cache: () => Effect.succeed(kept) })
    yield* cached.save({ n: 1 })
    yield* kept.delete
    expect(yield* cached.load).toEqual({ n: 1 })
    expect(count.reads).toBe(1)
    yield* cached.load
    expect(count.reads).toBe(1)
    yield* kept.save({ _tag: "Hit", state: { n: 9 }, revision: Revision.make(9), savedAt: 0, loadedAt: 0 })
    expect(yield* cached.load).toEqual({ n: 1 })
    expect(count.reads).toBe(2)
  })
)

it.effect("a cache that fails for a while never brings an older state back", () =>
  Effect.gen(function* () {
    let down = false
    const { cached, commitElsewhere } = yield* setUp({
      cache: (schema) =>
        Effect.map(Effect.orDie(VolatileAgent.make({ name: "flaky", schema })), (cache) =>
          withRegister(cache, (register) => ({
            read: Effect.suspend(() => (down ? Effect.fail(unavailable("read")) : register.read)),
            write: (next, expected) => (down ? Effect.fail(unavailable("write")) : register.write(next, expected))
          }))
        )
    })
    yield* cached.save({ n: 1 })
    yield* commitElsewhere('{"n":2}')
    down = true
    expect(yield* cached.load).toEqual({ n: 2 })
    down = false
    expect(yield* cached.load).toEqual({ n: 2 })
  })
)

it.effect("a cache that outlives the process begins empty", () =>
  Effect.gen(function* () {
    const kept = yield* VolatileAgent.make({ name: "kept", schema: Cached.Entry(Counter) })
    yield* kept.save({ _tag: "Hit", state: { n: 9 }, revision: Revision.make(1), savedAt: 0, loadedAt: 0 })
    const { cached, commitElsewhere } = yield* setUp({ cache: () => Effect.succeed(kept) })
    yield* commitElsewhere('{"n":1}')
    expect(yield* cached.load).toEqual({ n: 1 })
  })
)

it.effect("the caller's object may change while the backend writes: what is cached is what is stored", () =>
  Effect.gen(function* () {
    const { cached, count, direct, hooks } = yield* setUp()
    const mine = { n: 1 }
    const gate = yield* Deferred.make<void>()
    hooks.beforeWrite = Deferred.await(gate)
    const writing = yield* Effect.forkChild(cached.save(mine))
    yield* settle
    mine.n = 2
    yield* Deferred.succeed(gate, undefined)
    yield* Fiber.join(writing)
    expect(yield* cached.load).toEqual({ n: 1 })
    expect(count.reads).toBe(0)
    expect(yield* direct.load).toEqual({ n: 1 })
  })
)

it.effect("a write encodes once", () =>
  Effect.gen(function* () {
    const { codec, count } = countingCodec(Counter)
    const cached = yield* Cached.make(yield* backend({ schema: codec }).agent)
    yield* cached.save({ n: 1 })
    expect(count.encodings).toBe(1)
  })
)

it.effect("history, at and changes are the backend's", () =>
  Effect.gen(function* () {
    const direct = yield* VolatileAgent.make({ name: "log", schema: Counter, history: "full" })
    const cached = yield* Cached.make(direct)
    yield* cached.save({ n: 1 })
    yield* direct.save({ n: 2 })
    yield* cached.save({ n: 3 })
    expect((yield* Stream.runCollect(cached.history())).map((r) => r.state.n)).toEqual([3, 2, 1])
    expect((yield* cached.at(Revision.make(2))).state).toEqual({ n: 2 })
    expect((yield* Stream.runCollect(Stream.take(cached.changes, 1))).map((c) => c.revision)).toEqual([3])
  })
)

it.effect("while the backend's changes are down nothing is cached; when they come again it is", () =>
  Effect.gen(function* () {
    const first = yield* Queue.unbounded<Revision.Change<string>, StateError.ReadError>()
    const second = yield* Queue.unbounded<Revision.Change<string>>()
    let subscriptions = 0
    const below = backend({
      schema: Counter,
      changes: Stream.suspend(() => (subscriptions++ === 0 ? Stream.fromQueue(first) : Stream.fromQueue(second)))
    })
    const cached = yield* Cached.make(yield* below.agent)
    const readsOfThreeLoads = (n: number) =>
      Effect.gen(function* () {
        below.count.reads = 0
        for (let i = 0; i < 3; i++) expect(yield* cached.load).toEqual({ n })
        return below.count.reads
      })
    yield* cached.save({ n: 1 })
    expect(yield* readsOfThreeLoads(1)).toBe(0)
    yield* Queue.fail(first, unavailable("listen"))
    yield* settle
    expect(yield* readsOfThreeLoads(1)).toBe(3)
    const entry = yield* below.commitElsewhere('{"n":2}')
    expect(yield* readsOfThreeLoads(2)).toBe(3)
    yield* TestClock.adjust("1 minute")
    expect(subscriptions).toBe(2)
    expect(yield* readsOfThreeLoads(2)).toBe(3)
    yield* Queue.offer(second, Revision.saved({ ...entry, state: '{"n":2}' }))
    yield* settle
    expect(yield* readsOfThreeLoads(2)).toBe(1)
  })
)

it.effect("when the backend has closed, its state is not served from the cache", () =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const direct = yield* Scope.provide(backend({ schema: Counter }).agent, scope)
    const cached = yield* Cached.make(direct)
    yield* cached.save({ n: 1 })
    expect(yield* cached.load).toEqual({ n: 1 })
    yield* Scope.close(scope, Exit.void)
    yield* settle
    expect((yield* Effect.flip(cached.load))._tag).toBe("AgentClosed")
  })
)

it.effect("an announced commit of another process is seen; an old announcement changes nothing", () =>
  Effect.gen(function* () {
    const announcements = yield* Queue.unbounded<Revision.Change<string>>()
    const below = backend({ schema: Counter, changes: Stream.fromQueue(announcements) })
    const cached = yield* Cached.make(yield* below.agent)
    yield* cached.save({ n: 1 })
    const entry = yield* below.commitElsewhere('{"n":2}')
    expect(yield* cached.load).toEqual({ n: 1 })
    yield* Queue.offer(announcements, Revision.saved({ ...entry, state: '{"n":2}' }))
    yield* settle
    expect(yield* cached.load).toEqual({ n: 2 })
    expect(below.count.reads).toBe(1)
    yield* Queue.offer(announcements, Revision.saved({ state: '{"n":1}', savedAt: 0, revision: Revision.make(1) }))
    yield* Queue.offer(announcements, Revision.deleted(Revision.make(1)))
    yield* settle
    expect(yield* cached.load).toEqual({ n: 2 })
    expect(below.count.reads).toBe(1)
  })
)

it.effect(
  "a commit of another process that is announced before our own earlier one is acknowledged is not undone",
  () =>
    Effect.gen(function* () {
      const announcements = yield* Queue.unbounded<Revision.Change<string>>()
      const below = backend({ schema: Counter, changes: Stream.fromQueue(announcements) })
      const cached = yield* Cached.make(yield* below.agent)
      const gate = yield* Deferred.make<void>()
      below.hooks.afterWrite = Effect.as(Deferred.await(gate), Revision.make(1))
      const writing = yield* Effect.forkChild(cached.save({ n: 1 }))
      yield* settle
      const entry = yield* below.commitElsewhere('{"n":2}')
      yield* Queue.offer(announcements, Revision.saved({ ...entry, state: '{"n":2}' }))
      yield* settle
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(writing)
      expect(yield* cached.load).toEqual({ n: 2 })
    })
)

it.effect("after the scope has closed every operation is AgentClosed, a load under way too", () =>
  Effect.gen(function* () {
    const below = backend({ schema: Counter, initial: { n: 0 } })
    const direct = yield* below.agent
    const scope = yield* Scope.make()
    const cached = yield* Scope.provide(Cached.make(direct), scope)
    yield* settle
    below.hooks.beforeRead = Effect.never
    const waiting = yield* Effect.forkChild(Effect.flip(cached.load))
    yield* settle
    yield* Scope.close(scope, Exit.void)
    expect((yield* Fiber.join(waiting))._tag).toBe("AgentClosed")
    below.hooks.beforeRead = Effect.void
    expect((yield* Effect.flip(cached.load))._tag).toBe("AgentClosed")
    expect((yield* Effect.flip(cached.save({ n: 1 })))._tag).toBe("AgentClosed")
    expect(yield* direct.load).toEqual({ n: 0 })
  })
)

it.effect("no read is older than what was acknowledged or read before it began, in 100 random histories", () =>
  Effect.gen(function* () {
    for (let seed = 1; seed <= 100; seed++) {
      const failure = yield* Effect.scoped(randomHistory(seed))
      expect(failure, `seed ${seed}`).toBeUndefined()
    }
  })
)

/** Readers and writers, some of them interrupted, over a backend and a cache that yield at random. */
const randomHistory = (seed: number) =>
  Effect.gen(function* () {
    let state = seed * 2_654_435_761
    const random = (n: number) => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
      return Math.floor((state / 2 ** 32) * n)
    }
    const pause = Effect.suspend(() =>
      Effect.forEach(Array.from({ length: random(6) }), () => Effect.yieldNow, { discard: true })
    )
    const below = backend({ schema: Counter, initial: { n: 0 } })
    below.hooks.beforeRead = pause
    below.hooks.afterRead = pause
    below.hooks.beforeWrite = pause
    const cached = yield* Cached.make(yield* below.agent, {
      cache: (schema) =>
        Effect.map(VolatileAgent.make({ name: "slow", schema }), (cache) =>
          withRegister(cache, (register) => ({
            read: Effect.andThen(
              pause,
              Effect.tap(register.read, () => pause)
            ),
            write: (next, expected) =>
              Effect.andThen(
                pause,
                Effect.tap(register.write(next, expected), () => pause)
              )
          }))
        )
    })
    let known = 0
    let failure: string | undefined
    const read = Effect.gen(function* () {
      const before = known
      const current = yield* cached.current
      const revision = Option.isSome(current) ? current.value.revision : 0
      if (revision < before) failure ??= `read revision ${revision} after ${before} was known`
      known = Math.max(known, revision)
    })
    const write = Effect.gen(function* () {
      yield* cached.update((s) => ({ n: s.n + 1 }))
      known = Math.max(known, yield* Effect.map(cached.load, (s) => s.n))
    })
    const actor = Effect.gen(function* () {
      for (let i = 0; i < 12; i++) {
        yield* pause
        const operation = random(3) === 0 ? write : read
        if (random(5) > 0) yield* operation
        else {
          const fiber = yield* Effect.forkChild(operation)
          yield* pause
          yield* Fiber.interrupt(fiber)
        }
      }
    })
    yield* Effect.all([actor, actor, actor, actor], { concurrency: "unbounded" })
    return failure
  })

it.effect("claims are the backend's, within one process", () =>
  Effect.gen(function* () {
    const { cached, direct } = yield* setUp()
    expect(direct.claims.sharing).toBe("network")
    expect(cached.claims).toEqual({ ...direct.claims, sharing: "process" })
    expect(cached.claims).toEqual(Cached.claims(direct.claims))
  })
)

it("types are inferred from the backend and from how the cache is made", () => {
  const make = (agent: DataAgent.DataAgent<Counter>, failing: Effect.Effect<never, "e", "r">) => {
    type Opening<E, R = Scope.Scope> = Effect.Effect<Cached.Cached<Counter>, E | StateError.StorageUnavailable, R>
    expectTypeOf(Cached.make(agent)).toEqualTypeOf<Opening<never>>()
    expectTypeOf(agent.pipe(Cached.make({ ttl: "1 minute" }))).toEqualTypeOf<Opening<never>>()
    const volatile = Cached.make(agent, { cache: (schema) => VolatileAgent.make({ name: "cache", schema }) })
    expectTypeOf(volatile).toEqualTypeOf<Opening<VolatileAgent.OpenError>>()
    expectTypeOf(Cached.make(agent, { cache: () => failing })).toEqualTypeOf<Opening<"e", Scope.Scope | "r">>()
  }
  expect(make).toBeTypeOf("function")
  expectTypeOf(Cached.Entry(Counter)).toEqualTypeOf<Schema.Codec<Cached.Entry<Counter>, unknown>>()
})
