import { describe, expect, it } from "@effect/vitest"
import { type Claims, DataAgent, Family, Register, Revision } from "dgents"
import { Deferred, Effect, Exit, Fiber, Option, Schema, Stream } from "effect"

const Counter = Schema.Struct({ n: Schema.Number })
type Counter = typeof Counter.Type

const claims: Claims.Claims = {
  durability: "volatile",
  consistency: "linearizable",
  sharing: "process",
  history: "none"
}

/** A store over a Map that yields before each step, and that counts its reads and writes. */
const makeStore = () => {
  const entries = new Map<string, Register.Entry>()
  let floor = 0
  const counts = { reads: 0, writes: 0 }
  const at = (key: string): Register.Register => ({
    read: Effect.andThen(
      Effect.yieldNow,
      Effect.sync(() => {
        counts.reads++
        return Option.fromUndefinedOr(entries.get(key))
      })
    ),
    write: (next, expected) =>
      Effect.gen(function* () {
        yield* Effect.yieldNow
        const actual = entries.get(key)?.revision ?? Revision.absent
        yield* Register.check({ agent: "test", key: "" }, expected, actual)
        counts.writes++
        const revision = Revision.make(++floor)
        entries.set(key, { ...next, revision })
        return revision
      }),
    remove: Effect.sync(() => {
      const removed = Option.fromUndefinedOr(entries.get(key)?.revision)
      entries.delete(key)
      return removed
    })
  })
  /** A write by somebody else: behind the agent's back. */
  const meddle = (key: string, state: Counter) => {
    entries.set(key, { state: JSON.stringify(state), savedAt: 0, revision: Revision.make(++floor) })
  }
  const keys: Register.Store["keys"] = (prefix) =>
    Stream.suspend(() => Stream.fromIterable([...entries.keys()].filter((key) => key.startsWith(prefix))))
  return { store: { at, keys } satisfies Register.Store, counts, entries, meddle }
}

const makeFamily = (store: Register.Store, initial?: Counter) =>
  Family.fromStore({ name: "test", schema: Counter, claims, store, initial })

const setup = Effect.gen(function* () {
  const backend = makeStore()
  const family = yield* makeFamily(backend.store)
  return { ...backend, family, agent: family.at("") }
})

describe("modify", () => {
  it.effect("runs an effect once while nobody outside interferes, however many callers there are", () =>
    Effect.gen(function* () {
      const { agent } = yield* setup
      yield* agent.save({ n: 0 })
      let runs = 0
      const increment = agent.modify((s) =>
        Effect.gen(function* () {
          runs++
          yield* Effect.yieldNow
          return [s.n, { n: s.n + 1 }] as const
        })
      )
      yield* Effect.all([...Array.from({ length: 50 }, () => increment)], { concurrency: "unbounded" })
      expect(runs).toBe(50)
      expect(yield* agent.load).toEqual({ n: 50 })
    })
  )

  it.effect("runs again on the new state when somebody outside wrote in between", () =>
    Effect.gen(function* () {
      const { agent, meddle } = yield* setup
      yield* agent.save({ n: 1 })
      const seen: Array<number> = []
      const answer = yield* agent.modify((s) =>
        Effect.sync(() => {
          seen.push(s.n)
          if (seen.length === 1) meddle("", { n: 10 })
          return ["done", { n: s.n + 1 }] as const
        })
      )
      expect([answer, seen, yield* agent.load]).toEqual(["done", [1, 10], { n: 11 }])
    })
  )

  it.effect("gives up with RevisionConflict after the retries it was given", () =>
    Effect.gen(function* () {
      const { agent, meddle } = yield* setup
      yield* agent.save({ n: 1 })
      let runs = 0
      const meddled = agent.modify(
        (s) =>
          Effect.sync(() => {
            runs++
            meddle("", { n: 10 })
            return [0, s] as const
          }),
        { retries: 0 }
      )
      expect((yield* Effect.flip(meddled))._tag).toBe("RevisionConflict")
      expect(runs).toBe(1)
    })
  )

  it.effect("a failed, dying or interrupted one leaves the state and the lock as they were", () =>
    Effect.gen(function* () {
      const { agent } = yield* setup
      yield* agent.save({ n: 1 })
      expect(yield* Effect.flip(agent.modify(() => Effect.fail("no")))).toBe("no")
      expect(Exit.isFailure(yield* Effect.exit(agent.modify(() => Effect.die("no"))))).toBe(true)
      const started = yield* Deferred.make<void>()
      const fiber = yield* Effect.forkChild(
        agent.modify(() => Effect.andThen(Deferred.succeed(started, undefined), Effect.never))
      )
      yield* Deferred.await(started)
      yield* Fiber.interrupt(fiber)
      expect(yield* agent.update((s) => ({ n: s.n + 1 }))).toEqual({ n: 2 })
    })
  )

  it.effect("a fiber forked inside may write once the modify is over", () =>
    Effect.gen(function* () {
      const { agent } = yield* setup
      yield* agent.save({ n: 1 })
      const over = yield* Deferred.make<void>()
      const fiber = yield* agent.modify((s) =>
        Effect.map(
          Effect.forkDetach(Effect.andThen(Deferred.await(over), agent.save({ n: 7 }))),
          (fiber) => [fiber, s] as const
        )
      )
      yield* Deferred.succeed(over, undefined)
      yield* Fiber.join(fiber)
      expect(yield* agent.load).toEqual({ n: 7 })
    })
  )
})

describe("load", () => {
  it.effect("misses with StateNotFound, or answers the initial state, which nobody shares", () =>
    Effect.gen(function* () {
      const { agent, store } = yield* setup
      const missed = yield* Effect.flip(agent.load)
      expect(missed).toMatchObject({ _tag: "StateNotFound", agent: "test" })
      expect(missed.message).toContain("initial")
      const withInitial = (yield* makeFamily(store, { n: 5 })).at("other")
      expect(yield* withInitial.load).toEqual({ n: 5 })
      expect(yield* DataAgent.exists(withInitial)).toBe(false)
      yield* withInitial.update((s) => ({ n: s.n + 1 }))
      yield* withInitial.delete
      expect(yield* withInitial.load).toEqual({ n: 5 })
    })
  )

  it.effect("stored bytes that do not fit are StateCorrupt and are left as they are", () =>
    Effect.gen(function* () {
      const { agent, entries } = yield* setup
      const bad = { state: '{"n":"secret"}', savedAt: 0, revision: Revision.make(1) }
      entries.set("", bad)
      const error = yield* Effect.flip(agent.load)
      expect(error).toMatchObject({ _tag: "StateCorrupt" })
      expect(error.message).not.toContain("secret")
      expect(entries.get("")).toBe(bad)
    })
  )
})

describe("save", () => {
  it.effect("refuses what does not fit before anything is written, without printing it", () =>
    Effect.gen(function* () {
      const { agent, counts } = yield* setup
      // @ts-expect-error: a program without types
      const error = yield* Effect.flip(agent.save({ n: "secret" }))
      expect(error).toMatchObject({ _tag: "StateInvalid", path: ["n"] })
      expect(error.message).not.toContain("secret")
      expect(counts.writes).toBe(0)
    })
  )

  it.effect("an initial that does not fit is refused when the agent is made", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(makeFamily(makeStore().store, { n: 1, ...{ extra: 1 } }))
      expect(error).toMatchObject({ _tag: "StateInvalid", path: ["extra"] })
    })
  )
})

describe("family", () => {
  it.effect("handles of one key share their lock and their changes", () =>
    Effect.gen(function* () {
      const { family } = yield* setup
      yield* family.at("a").save({ n: 0 })
      const add = (key: string) =>
        family.at(key).modify((s) => Effect.as(Effect.yieldNow, [0, { n: s.n + 1 }] as const))
      yield* Effect.all([add("a"), add("a"), add("a")], { concurrency: "unbounded" })
      expect(yield* family.at("a").load).toEqual({ n: 3 })
    })
  )

  it.effect("batches agree with single operations", () =>
    Effect.gen(function* () {
      const { family } = yield* setup
      yield* family.saveMany([
        ["a", { n: 1 }],
        ["b", { n: 2 }],
        ["a", { n: 3 }]
      ])
      expect(yield* family.loadMany(["a", "b", "missing"])).toEqual(
        new Map([
          ["a", { n: 3 }],
          ["b", { n: 2 }]
        ])
      )
      yield* family.deleteMany(["a", "missing"])
      expect(yield* Stream.runCollect(family.keys())).toEqual(["b"])
      expect(yield* family.has("a")).toBe(false)
    })
  )

  it.effect("two batches over the same keys in opposite order do not wait for each other forever", () =>
    Effect.gen(function* () {
      const { family } = yield* setup
      const keys = Array.from({ length: 20 }, (_, i) => `k${i}`)
      const states = keys.map((key) => [key, { n: 1 }] as const)
      yield* Effect.all([family.saveMany(states), family.saveMany([...states].reverse())], { concurrency: "unbounded" })
      expect((yield* family.loadMany(keys)).size).toBe(20)
    })
  )

  it.effect("a key that is not well-formed is refused, and never mistaken for another", () =>
    Effect.gen(function* () {
      const { family } = yield* setup
      expect((yield* Effect.flip(family.at("\ud800").save({ n: 1 })))._tag).toBe("StateInvalid")
      expect((yield* Effect.flip(family.saveMany([["\ud800", { n: 1 }]])))._tag).toBe("StateInvalid")
      expect(Option.isNone(yield* family.at("\ud800").current)).toBe(true)
    })
  )
})

describe("data-last forms", () => {
  it.effect("answer the same as methods", () =>
    Effect.gen(function* () {
      const { family } = yield* setup
      const agent = family.pipe(Family.at("k"))
      yield* agent.pipe(DataAgent.save({ n: 1 }))
      yield* agent.pipe(DataAgent.update((s: Counter) => ({ n: s.n + 1 })))
      expect(yield* agent.pipe(DataAgent.modify((s: Counter) => Effect.succeed([s.n, s] as const)))).toBe(2)
      const { revision } = Option.getOrThrow(yield* agent.pipe(DataAgent.current))
      expect((yield* agent.pipe(DataAgent.at(revision))).state).toEqual({ n: 2 })
      expect(yield* Stream.runCollect(agent.pipe(DataAgent.history({ limit: 0 })))).toEqual([])
      yield* agent.pipe(DataAgent.delete)
      expect(yield* agent.pipe(DataAgent.loadOption)).toEqual(Option.none())
    })
  )
})
