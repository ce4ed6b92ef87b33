import { expect, it } from "@effect/vitest"
import { Cached, DataAgent, Family, Query, Revision, VolatileAgent } from "dgents"
import { Deferred, Effect, Fiber, Option, Stream } from "effect"
import { settle } from "./cached/support.ts"
import { Counter } from "./support.ts"

/** A family in memory that counts its reads and may be slow. */
const setUp = <E = never, R = never>(options?: Cached.FamilyOptions<Counter, E, R>) =>
  Effect.gen(function* () {
    const direct = yield* VolatileAgent.family({ name: "many", schema: Counter })
    const hooks: { reads: Array<string>; afterRead: Effect.Effect<void>; beforeBatch: Effect.Effect<void> } = {
      reads: [],
      afterRead: Effect.void,
      beforeBatch: Effect.void
    }
    const slow = Family.mapAgents(direct, (agent) =>
      DataAgent.wrap(agent, (register) => ({
        read: Effect.suspend(() => {
          hooks.reads.push(agent.key ?? "")
          return Effect.tap(register.read, () => hooks.afterRead)
        }),
        write: (draft, expected) => register.write(draft, expected),
        remove: register.remove,
        history: (options) => register.history(options),
        at: (revision) => register.at(revision),
        asOf: (time) => register.asOf(time),
        changes: register.changes
      }))
    )
    const batched = Object.assign(slow, {
      saveMany: (states: Iterable<readonly [string, Counter]>) =>
        Effect.andThen(hooks.beforeBatch, direct.saveMany(states))
    })
    const cached = yield* Cached.family(batched, options)
    return { direct, cached, hooks }
  })

const reading = (hooks: { reads: Array<string> }) =>
  Effect.sync(() => {
    const { reads } = hooks
    hooks.reads = []
    return reads
  })

const above = (family: Family.Family<Counter>, n: number) =>
  Query.run(family, { where: (state) => Query.gt(state.n, n), select: (_, row) => row.key })

it.effect("each key has a cache, and all agents of a key share it", () =>
  Effect.gen(function* () {
    const { cached, direct, hooks } = yield* setUp({ changes: "ignore" })
    yield* direct.saveMany([
      ["a", { n: 1 }],
      ["b", { n: 2 }]
    ])
    for (let i = 0; i < 3; i++) {
      expect(yield* cached.at("a").load).toEqual({ n: 1 })
      expect(yield* cached.at("b").load).toEqual({ n: 2 })
    }
    expect(yield* reading(hooks)).toEqual(["a", "b"])
    expect(yield* cached.figures).toMatchObject({ hits: 4, misses: 2, entries: 2 })
    expect(cached.claims).toEqual({ ...direct.claims, sharing: "process" })
  })
)

it.effect("past maxKeys the least recently used key is forgotten", () =>
  Effect.gen(function* () {
    const { cached, hooks } = yield* setUp({ maxKeys: 2, changes: "ignore" })
    for (const key of ["a", "b", "a", "c", "a", "b"]) yield* DataAgent.loadOption(cached.at(key))
    expect(yield* reading(hooks)).toEqual(["a", "b", "c", "b"])
    expect((yield* cached.figures).entries).toBe(2)
  })
)

it.effect("a key that is forgotten is forgotten by the cache family too", () =>
  Effect.gen(function* () {
    const cache = yield* VolatileAgent.family({ name: "cache", schema: Cached.Entry(Counter) })
    const { cached } = yield* setUp({ cache: () => Effect.succeed(cache), maxKeys: 2 })
    for (let i = 0; i < 10; i++) yield* cached.at(`${i}`).save({ n: i })
    yield* settle
    expect((yield* Stream.runCollect(cache.keys())).toSorted()).toEqual(["8", "9"])
  })
)

it.effect("past maxBytes entries are forgotten", () =>
  Effect.gen(function* () {
    const { cached, hooks } = yield* setUp({ maxBytes: 200, changes: "ignore" })
    for (let i = 0; i < 10; i++) yield* cached.at(`${i}`).save({ n: i })
    for (let i = 9; i >= 0; i--) yield* cached.at(`${i}`).load
    const reads = yield* reading(hooks)
    expect(reads.length).toBeGreaterThan(5)
    expect(reads).not.toContain("9")
  })
)

it.effect("a commit on a key's own handle is seen, also of a key that was forgotten and came back", () =>
  Effect.gen(function* () {
    const { cached, direct } = yield* setUp({ maxKeys: 1 })
    for (let n = 1; n < 4; n++) {
      yield* cached.at("a").save({ n })
      yield* cached.at("b").save({ n })
      yield* direct.at("b").save({ n: -n })
      yield* settle
      expect(yield* cached.at("b").load).toEqual({ n: -n })
    }
  })
)

it.effect("after a batch no key is answered from before it", () =>
  Effect.gen(function* () {
    const { cached, direct } = yield* setUp()
    yield* cached.at("a").save({ n: 1 })
    yield* cached.saveMany([
      ["a", { n: 2 }],
      ["b", { n: 2 }]
    ])
    expect(yield* cached.loadMany(["a", "b", "c"])).toEqual(
      new Map([
        ["a", { n: 2 }],
        ["b", { n: 2 }]
      ])
    )
    yield* cached.deleteMany(["a"])
    expect(yield* cached.has("a")).toBe(false)
    expect(yield* Stream.runCollect(cached.keys())).toEqual(["b"])
    expect(yield* Stream.runCollect(direct.keys())).toEqual(["b"])
  })
)

it.effect("a load that began before a batch never fills the cache, also of a key that nobody had used", () =>
  Effect.gen(function* () {
    const { cached, hooks } = yield* setUp({ changes: "ignore" })
    const [read, batch] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
    hooks.beforeBatch = Deferred.await(batch)
    const saving = yield* Effect.forkChild(cached.saveMany([["a", { n: 1 }]]))
    yield* settle
    hooks.afterRead = Deferred.await(read)
    const early = yield* Effect.forkChild(DataAgent.loadOption(cached.at("a")))
    yield* settle
    yield* Deferred.succeed(batch, undefined)
    yield* Fiber.join(saving)
    yield* Deferred.succeed(read, undefined)
    expect(yield* Fiber.join(early)).toEqual(Option.none())
    expect(yield* cached.at("a").load).toEqual({ n: 1 })
  })
)

it.effect("queries and keys that cannot be stored are the backend's", () =>
  Effect.gen(function* () {
    const { cached } = yield* setUp()
    yield* cached.saveMany([
      ["a", { n: 1 }],
      ["b", { n: 2 }]
    ])
    expect(yield* above(cached, 1)).toEqual(["b"])
    expect(yield* cached.has("\ud800")).toBe(false)
    expect((yield* Effect.flip(cached.at("\ud800").save({ n: 1 })))._tag).toBe("StateInvalid")
  })
)

it.effect("written behind, a family lists, loads and queries what the backend does not have yet", () =>
  Effect.gen(function* () {
    const { cached, direct } = yield* setUp({ write: { behind: { delay: "1 hour" } }, maxKeys: 1 })
    for (let n = 0; n < 5; n++) yield* cached.at(`k${n}`).save({ n })
    yield* cached.deleteMany(["k0"])
    expect((yield* Stream.runCollect(cached.keys({ prefix: "k" }))).toSorted()).toEqual(["k1", "k2", "k3", "k4"])
    expect((yield* cached.loadMany(["k1", "k4"])).size).toBe(2)
    expect(yield* above(cached, 2)).toEqual(["k3", "k4"])
    expect(yield* Stream.runCollect(direct.keys())).toEqual([])
    yield* cached.flush
    expect((yield* Stream.runCollect(direct.keys())).toSorted()).toEqual(["k1", "k2", "k3", "k4"])
    expect(yield* cached.figures).toMatchObject({ pending: 0, lost: 0 })
  })
)

it.effect("written behind, closing writes every key", () =>
  Effect.gen(function* () {
    const direct = yield* VolatileAgent.family({ name: "many", schema: Counter })
    const write = { behind: { delay: "1 hour" } } as const
    yield* Effect.scoped(
      Effect.flatMap(Cached.family(direct, { write, maxKeys: 1 }), (cached) =>
        cached.saveMany(Array.from({ length: 20 }, (_, n) => [`${n}`, { n }] as const))
      )
    )
    expect((yield* Stream.runCollect(direct.keys())).length).toBe(20)
  })
)

it.effect("written behind, a key that was forgotten and came back takes no revision again", () =>
  Effect.gen(function* () {
    const { cached } = yield* setUp({ write: { behind: {} }, maxKeys: 1 })
    const first = yield* cached.at("a").compareAndSave({ n: 1 }, Revision.absent)
    const second = yield* cached.at("a").compareAndSave({ n: 2 }, first)
    yield* cached.flush
    yield* cached.at("b").save({ n: 1 })
    yield* cached.at("c").save({ n: 1 })
    const { revision } = Option.getOrThrow(yield* cached.at("a").current)
    expect(revision).toBeGreaterThan(second)
    expect((yield* Effect.flip(cached.at("a").compareAndSave({ n: 3 }, first)))._tag).toBe("RevisionConflict")
  })
)
