// What a cache knows of commits made around it, and what following them costs.
import { expect, it } from "@effect/vitest"
import { Cached, type Claims, type DataAgent, Family, type Register, Revision, SqlAgent, SqlDriver } from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import { Effect, Exit, Fiber, Option, Schema, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import { tempFile } from "../agents/sql/temp.ts"
import { settle, unavailable } from "./cached/support.ts"
import { backend, Counter } from "./support.ts"

const claims: Claims.Claims = {
  durability: "volatile",
  consistency: "linearizable",
  sharing: "network",
  history: "none"
}

/** States of which somebody else commits, who tells by `tell`; `begin` is how listening begins. */
const setUp = (options?: Cached.FamilyOptions<Counter, never, never>) =>
  Effect.gen(function* () {
    const entries = new Map<string, Register.Entry>()
    const listeners = new Map<Register.Listener, string>()
    const hooks: { begin: () => ReturnType<NonNullable<Register.Register["listen"]>>; read: Effect.Effect<void> } = {
      begin: () => Exit.succeed({ stop: Effect.void }),
      read: Effect.void
    }
    const reads: Array<string> = []
    const at = (key: string): Register.Register => ({
      read: Effect.suspend(() => {
        reads.push(key)
        const found = Option.fromUndefinedOr(entries.get(key))
        return Effect.as(hooks.read, found)
      }),
      write: () => Effect.fail(unavailable("write")),
      remove: Effect.fail(unavailable("remove")),
      changes: Stream.die("nobody subscribes to what can be listened to"),
      listen: (listener) => {
        const begun = hooks.begin()
        if (begun === undefined) return begun
        const listened = Effect.mapEager(begun, () => {
          listeners.set(listener, key)
          return { stop: Effect.sync(() => listeners.delete(listener)) }
        })
        return listened
      }
    })
    const store = { at, keys: () => Stream.empty }
    const direct = yield* Family.fromStore({ name: "many", schema: Counter, claims, store })
    const scope = yield* Scope.fork(yield* Effect.scope)
    const cached = yield* Scope.provide(Cached.family(direct, options), scope)
    const tell = (key: string, news: Register.News) => {
      for (const [listener, of] of listeners) if (of === key) listener.hear(news)
    }
    const commit = (key: string, n: number) => {
      const revision = Revision.make((entries.get(key)?.revision ?? 0) + 1)
      entries.set(key, { state: JSON.stringify({ n }), savedAt: 0, revision })
      return { _tag: "Saved", revision } as const
    }
    return { cached, commit, entries, hooks, listeners, reads, scope, tell }
  })

it.effect("the first use of a key reads the backend once, and what is heard is heard at once", () =>
  Effect.gen(function* () {
    const { cached, commit, reads, tell } = yield* setUp()
    commit("a", 1)
    for (let i = 0; i < 3; i++) expect(yield* cached.at("a").load).toEqual({ n: 1 })
    expect(reads).toEqual(["a"])
    tell("a", commit("a", 2))
    expect(yield* cached.at("a").load).toEqual({ n: 2 })
    expect(reads).toEqual(["a", "a"])
    // What is known is no news.
    tell("a", { _tag: "Saved", revision: Revision.make(1) })
    tell("a", { _tag: "Saved", revision: Revision.make(2) })
    yield* cached.at("a").load
    expect(reads.length).toBe(2)
  })
)

it.effect("what may have been deleted is read again, and what is known to be absent is not", () =>
  Effect.gen(function* () {
    for (const _tag of ["Unknown", "Absent"] as const) {
      const { cached, commit, entries, reads, tell } = yield* setUp()
      commit("a", 1)
      yield* cached.at("a").load
      entries.clear()
      tell("a", { _tag })
      for (let i = 0; i < 3; i++) expect(yield* cached.has("a")).toBe(false)
      expect(reads.length).toBe(2)
      tell("a", { _tag: "Absent" })
      expect(yield* cached.has("a")).toBe(false)
      expect(reads.length).toBe(2)
      commit("a", 2)
      tell("a", { _tag: "Unknown" })
      expect(yield* cached.at("a").load).toEqual({ n: 2 })
    }
  })
)

it.effect("what was read before something was heard of is not kept after, whatever was heard", () =>
  Effect.gen(function* () {
    for (const isKnown of [true, false]) {
      const { cached, commit, hooks, reads, tell } = yield* setUp()
      commit("a", 1)
      hooks.read = Effect.sleep("1 second")
      const early = yield* Effect.forkChild(cached.at("a").load)
      yield* settle
      const news = commit("a", 2)
      tell("a", isKnown ? news : { _tag: "Unknown" })
      yield* TestClock.adjust("1 second")
      expect(yield* Fiber.join(early)).toEqual({ n: 1 })
      hooks.read = Effect.void
      expect(yield* cached.at("a").load).toEqual({ n: 2 })
      expect(reads.length).toBe(2)
    }
  })
)

it.effect("from a gap on nothing is fresh, until something is heard again", () =>
  Effect.gen(function* () {
    const { cached, commit, reads, tell } = yield* setUp()
    const news = commit("a", 1)
    yield* cached.at("a").load
    tell("a", { _tag: "Gap" })
    for (let i = 0; i < 3; i++) yield* cached.at("a").load
    expect(reads.length).toBe(4)
    tell("a", news)
    for (let i = 0; i < 3; i++) yield* cached.at("a").load
    expect(reads.length).toBe(5)
  })
)

it.effect("listening that fails is a gap, and is tried again", () =>
  Effect.gen(function* () {
    const { cached, commit, hooks, listeners, reads, tell } = yield* setUp()
    hooks.begin = () => Effect.fail(unavailable("listen"))
    const news = commit("a", 1)
    for (let i = 0; i < 2; i++) yield* cached.at("a").load
    expect(reads.length).toBe(2)
    hooks.begin = () => Effect.succeed({ stop: Effect.void })
    yield* TestClock.adjust("1 minute")
    expect(listeners.size).toBe(1)
    tell("a", news)
    for (let i = 0; i < 3; i++) yield* cached.at("a").load
    expect(reads.length).toBe(3)
  })
)

it.effect(
  "a key that is forgotten is listened to no more, nor any when the cache closes; also one that has yet to begin",
  () =>
    Effect.gen(function* () {
      const { cached, commit, hooks, listeners, scope } = yield* setUp({ maxKeys: 2 })
      for (let i = 0; i < 20; i++) {
        hooks.begin =
          i % 2 === 0
            ? () => Exit.succeed({ stop: Effect.void })
            : () => Effect.delay(Effect.succeed({ stop: Effect.void }), "1 second")
        commit(`${i}`, i)
        expect(yield* cached.at(`${i}`).load).toEqual({ n: i })
        if (i % 5 === 4) yield* TestClock.adjust("1 second")
      }
      yield* TestClock.adjust("1 second")
      expect([...listeners.values()].toSorted()).toEqual(["18", "19"])
      hooks.begin = () => Effect.never
      commit("last", 0)
      yield* cached.at("last").load
      yield* Scope.close(scope, Exit.void)
      expect(listeners.size).toBe(0)
      expect((yield* cached.figures).entries).toBe(0)
    })
)

it.effect("those who miss together cannot change what the others are given", () =>
  Effect.gen(function* () {
    const { cached, commit, hooks, reads } = yield* setUp()
    commit("a", 1)
    hooks.read = Effect.sleep("1 second")
    const all = yield* Effect.forkChild(
      Effect.forEach(Array.from({ length: 5 }), () => cached.at("a").load, { concurrency: "unbounded" })
    )
    yield* settle
    yield* TestClock.adjust("1 second")
    const states = yield* Fiber.join(all)
    for (const state of states) {
      try {
        Object.assign(state, { n: 9 })
      } catch {
        // It is frozen.
      }
    }
    expect(states.filter(({ n }) => n === 9).length).toBeLessThanOrEqual(1)
    expect(yield* cached.at("a").load).toEqual({ n: 1 })
    expect(reads.length).toBe(1)
  })
)

it.effect("states of classes and with dates are kept too, and each reader has a copy", () =>
  Effect.gen(function* () {
    class Visit extends Schema.Class<Visit>("Visit")({ at: Schema.Date, by: Schema.String }) {}
    const { agent, count } = backend<Visit>({ schema: Visit, initial: new Visit({ at: new Date(0), by: "Ada" }) })
    const direct: DataAgent.DataAgent<Visit> = yield* agent
    yield* direct.save(new Visit({ at: new Date(1), by: "Ada" }))
    const cached = yield* Cached.make(direct)
    for (let i = 0; i < 3; i++) {
      const visit = yield* cached.load
      expect(visit).toBeInstanceOf(Visit)
      expect(visit.at.getTime()).toBe(1)
      visit.at.setTime(i + 5)
    }
    expect(count.reads).toBe(1)
  })
)

it.live("a family over SQLite sees what another connection commits, of a few keys and of very many", () =>
  Effect.gen(function* () {
    const filename = yield* tempFile
    const open = Effect.flatMap(SqliteDriver.make({ filename }), (driver) =>
      Effect.provideService(SqlAgent.family({ name: "many", schema: Counter }), SqlDriver, driver)
    )
    const [here, there] = [yield* open, yield* open]
    const cached = yield* Cached.family(here)
    const keys = Array.from({ length: 300 }, (_, i) => `${i}`)
    yield* there.saveMany(keys.map((key) => [key, { n: 0 }]))
    for (const many of [10, 300]) {
      for (const key of keys.slice(0, many)) yield* cached.at(key).load
      yield* there.at("7").save({ n: many })
      yield* Effect.repeat(Effect.andThen(Effect.sleep("5 millis"), cached.at("7").load), {
        until: ({ n }) => n === many
      })
      const before = yield* cached.figures
      expect(yield* cached.at("7").load).toEqual({ n: many })
      expect((yield* cached.figures).hits).toBe(before.hits + 1)
    }
    yield* there.at("7").delete
    yield* Effect.repeat(Effect.andThen(Effect.sleep("5 millis"), cached.has("7")), { until: (has) => !has })
  })
)
