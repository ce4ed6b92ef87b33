import { expect, it } from "@effect/vitest"
import { Cached, DataAgent, type StateError, VolatileAgent } from "dgents"
import { Deferred, Effect, Fiber, Queue, Random, Stream } from "effect"
import { TestClock } from "effect/testing"
import { interruptible, settle, unavailable, withRegister } from "./cached/support.ts"
import { backend, Counter } from "./support.ts"

/** A cache over storage that can be taken away. */
const setUp = (policy: Cached.Policy) =>
  Effect.gen(function* () {
    const below = backend({ schema: Counter })
    const direct = yield* below.agent
    const { agent, storage } = interruptible(direct)
    const cached = yield* Cached.make(agent, policy)
    yield* cached.save({ n: 1 })
    yield* settle
    storage.reads = 0
    return { ...below, direct, cached, storage }
  })

it.effect("within staleWhileRevalidate an old entry is answered at once, and one fiber reads the next", () =>
  Effect.gen(function* () {
    const { cached, commitElsewhere, hooks, storage } = yield* setUp({
      ttl: "1 minute",
      staleWhileRevalidate: "1 minute"
    })
    yield* commitElsewhere('{"n":2}')
    yield* TestClock.adjust("1 minute")
    const gate = yield* Deferred.make<void>()
    hooks.beforeRead = Deferred.await(gate)
    for (let i = 0; i < 5; i++) expect(yield* cached.load).toEqual({ n: 1 })
    expect(storage.reads).toBe(1)
    yield* Deferred.succeed(gate, undefined)
    yield* settle
    expect(yield* cached.load).toEqual({ n: 2 })
    expect(yield* cached.figures).toMatchObject({ hits: 1, staleHits: 5, misses: 0, refreshes: 1, age: 0, entries: 1 })
  })
)

it.effect("past staleWhileRevalidate a load waits for the backend", () =>
  Effect.gen(function* () {
    const { cached, commitElsewhere } = yield* setUp({ ttl: "1 minute", staleWhileRevalidate: "1 minute" })
    yield* commitElsewhere('{"n":2}')
    yield* TestClock.adjust("2 minutes")
    expect(yield* cached.load).toEqual({ n: 2 })
    expect(yield* cached.figures).toMatchObject({ staleHits: 0, misses: 1 })
  })
)

it.effect("a refresh that fails leaves the entry, and is not tried again before retryAfter", () =>
  Effect.gen(function* () {
    const { cached, storage } = yield* setUp({ ttl: 0, staleWhileRevalidate: "1 hour", retryAfter: "10 seconds" })
    storage.isDown = true
    for (let i = 0; i < 5; i++) expect(yield* cached.load).toEqual({ n: 1 })
    expect(storage.reads).toBe(1)
    yield* TestClock.adjust("10 seconds")
    for (let i = 0; i < 5; i++) expect(yield* cached.load).toEqual({ n: 1 })
    expect(yield* cached.figures).toMatchObject({ staleHits: 10, refreshes: 2, failures: 2 })
  })
)

it.effect("a refresh that began before a write never fills the cache with the older state", () =>
  Effect.gen(function* () {
    const { cached, hooks, storage } = yield* setUp({ ttl: "1 minute", staleWhileRevalidate: "1 hour" })
    yield* TestClock.adjust("1 minute")
    const gate = yield* Deferred.make<void>()
    hooks.afterRead = Deferred.await(gate)
    yield* cached.load
    yield* cached.save({ n: 2 })
    yield* Deferred.succeed(gate, undefined)
    yield* settle
    expect(yield* cached.load).toEqual({ n: 2 })
    expect(storage.reads).toBe(1)
  })
)

it.effect("within staleIfError an old entry is answered when the backend fails, and past it the failure", () =>
  Effect.gen(function* () {
    const { cached, storage } = yield* setUp({ ttl: "1 minute", staleIfError: "10 minutes" })
    storage.isDown = true
    yield* TestClock.adjust("1 minute")
    expect(yield* cached.load).toEqual({ n: 1 })
    yield* TestClock.adjust("9 minutes")
    expect(yield* cached.load).toEqual({ n: 1 })
    yield* TestClock.adjust("1 minute")
    expect((yield* Effect.flip(cached.load))._tag).toBe("StorageUnavailable")
    storage.isDown = false
    expect(yield* cached.load).toEqual({ n: 1 })
    expect(yield* cached.figures).toMatchObject({ staleHits: 2, failures: 3 })
  })
)

it.effect("while the backend is known to fail an old entry is answered without asking it again", () =>
  Effect.gen(function* () {
    const { cached, storage } = yield* setUp({ ttl: 0, staleIfError: "1 hour", retryAfter: "5 seconds" })
    storage.isDown = true
    for (let i = 0; i < 5; i++) expect(yield* cached.load).toEqual({ n: 1 })
    expect(storage.reads).toBe(1)
    yield* TestClock.adjust("5 seconds")
    expect(yield* cached.load).toEqual({ n: 1 })
    expect(storage.reads).toBe(2)
  })
)

it.effect("a write that was refused leaves the entry; one that may have happened does not", () =>
  Effect.gen(function* () {
    const { cached, hooks, storage } = yield* setUp({ ttl: 0, staleIfError: "1 hour" })
    storage.isDown = true
    expect((yield* Effect.flip(cached.save({ n: 2 })))._tag).toBe("StorageUnavailable")
    expect(yield* cached.load).toEqual({ n: 1 })
    storage.isDown = false
    hooks.afterWrite = Effect.die("the connection was lost")
    yield* Effect.exit(cached.save({ n: 3 }))
    storage.isDown = true
    expect((yield* Effect.flip(cached.load))._tag).toBe("StorageUnavailable")
  })
)

it.effect("when the changes of the backend fail, what is held is stale from then on", () =>
  Effect.gen(function* () {
    const announcements = yield* Queue.unbounded<never, StateError.ReadError>()
    const { agent, storage } = interruptible(
      withRegister(yield* backend({ schema: Counter }).agent, () => ({ changes: Stream.fromQueue(announcements) }))
    )
    const cached = yield* Cached.make(agent, { staleIfError: "1 minute" })
    yield* cached.save({ n: 1 })
    storage.isDown = true
    yield* Queue.fail(announcements, unavailable("listen"))
    yield* settle
    expect(yield* cached.load).toEqual({ n: 1 })
    expect(yield* cached.figures).toMatchObject({ hits: 0, staleHits: 1 })
    yield* TestClock.adjust("1 minute")
    expect((yield* Effect.flip(cached.load))._tag).toBe("StorageUnavailable")
  })
)

it.effect("what is known to be out of date is not answered, whatever fails", () =>
  Effect.gen(function* () {
    const { cached, direct, storage } = yield* setUp({ staleWhileRevalidate: "1 hour", staleIfError: "1 hour" })
    yield* direct.save({ n: 2 })
    yield* settle
    storage.isDown = true
    expect((yield* Effect.flip(cached.load))._tag).toBe("StorageUnavailable")
  })
)

it.effect("once somebody read a newer state during a write that was refused, nobody reads the one before", () =>
  Effect.gen(function* () {
    const { cached, commitElsewhere, hooks, storage } = yield* setUp({ ttl: "1 hour", staleIfError: "1 hour" })
    const gate = yield* Deferred.make<void>()
    const entry = yield* commitElsewhere('{"n":2}')
    hooks.beforeWrite = Deferred.await(gate)
    hooks.afterWrite = Effect.fail(unavailable("write"))
    const writing = yield* Effect.forkChild(Effect.exit(cached.save({ n: 3 })))
    yield* settle
    expect((yield* cached.load).n).toBe(2)
    yield* Deferred.succeed(gate, undefined)
    yield* Fiber.join(writing)
    storage.isDown = true
    expect((yield* Effect.flip(cached.load))._tag).toBe("StorageUnavailable")
    expect(entry.revision).toBe(2)
  })
)

it.effect("jitter ends an entry before its ttl, at random", () =>
  Effect.gen(function* () {
    const { cached, storage } = yield* setUp({ ttl: "100 seconds", jitter: 0.5 })
    const fixed = (random: number) =>
      Effect.provideService(Random.Random, { nextDoubleUnsafe: () => random, nextIntUnsafe: () => 0 })
    yield* cached.save({ n: 2 }).pipe(fixed(0.5))
    yield* TestClock.adjust("74 seconds")
    yield* cached.load.pipe(fixed(0))
    expect(storage.reads).toBe(0)
    yield* TestClock.adjust("1 second")
    yield* cached.load.pipe(fixed(0))
    expect(storage.reads).toBe(1)
    yield* TestClock.adjust("99 seconds")
    yield* cached.load
    expect(storage.reads).toBe(1)
  })
)

it.effect("written around, a state is a miss after each write and a hit from then on", () =>
  Effect.gen(function* () {
    const { cached, direct, storage } = yield* setUp({ write: "around" })
    for (let n = 2; n < 5; n++) {
      yield* cached.update((state) => ({ n: state.n + 1 }))
      expect(yield* cached.load).toEqual({ n })
      expect(yield* cached.load).toEqual({ n })
    }
    expect(storage.reads).toBe(4)
    yield* cached.delete
    expect(yield* DataAgent.exists(cached)).toBe(false)
    expect(yield* DataAgent.exists(direct)).toBe(false)
    expect(storage.reads).toBe(5)
  })
)

it.effect("what is invalidated is read again, and a load that began before never fills the cache", () =>
  Effect.gen(function* () {
    const { cached, commitElsewhere, hooks } = yield* setUp({ changes: "ignore" })
    yield* commitElsewhere('{"n":2}')
    expect(yield* cached.load).toEqual({ n: 1 })
    yield* cached.invalidate
    const gate = yield* Deferred.make<void>()
    hooks.afterRead = Deferred.await(gate)
    const early = yield* Effect.forkChild(cached.load)
    yield* settle
    yield* commitElsewhere('{"n":3}')
    yield* Cached.invalidate(cached)
    yield* Deferred.succeed(gate, undefined)
    expect(yield* Fiber.join(early)).toEqual({ n: 2 })
    expect(yield* cached.load).toEqual({ n: 3 })
  })
)

it.effect("where changes are ignored nothing is read to begin with, and commits elsewhere are seen after the ttl", () =>
  Effect.gen(function* () {
    const { agent, storage } = interruptible(yield* backend({ schema: Counter, initial: { n: 0 } }).agent)
    const cached = yield* Cached.make(agent, { changes: "ignore", ttl: "1 minute" })
    yield* settle
    expect(storage.reads).toBe(0)
    yield* cached.load
    yield* agent.save({ n: 1 })
    yield* settle
    expect(yield* cached.load).toEqual({ n: 0 })
    yield* TestClock.adjust("1 minute")
    expect(yield* cached.load).toEqual({ n: 1 })
  })
)

it.effect("options that are not what they have to be are told when the cache opens", () =>
  Effect.gen(function* () {
    const direct = yield* VolatileAgent.make({ name: "direct", schema: Counter })
    const reason = (policy: object) => Effect.map(Effect.flip(Cached.make(direct, policy)), (error) => error.reason)
    expect(yield* reason({ ttl: "soon" })).toBe(
      'the option ttl is a string, and has to be a duration, such as "5 minutes"'
    )
    expect(yield* reason({ jitter: 2 })).toBe("the option jitter is the number 2, and has to be a number from 0 to 1")
    expect(yield* reason({ write: "later" })).toContain('has to be "through", "around" or { behind }')
    expect(yield* reason({ write: { behind: { maxPending: 0 } } })).toContain("the option write.behind.maxPending")
    expect(yield* reason({ changes: true })).toContain('"follow" or "ignore"')
    const family = yield* VolatileAgent.family({ name: "many", schema: Counter })
    expect((yield* Effect.flip(Cached.family(family, { maxKeys: 0 }))).reason).toContain("the option maxKeys")
  })
)
