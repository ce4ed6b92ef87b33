import { expect, it } from "@effect/vitest"
import {
  Cached,
  Fallback,
  type Family,
  Focused,
  Mapped,
  Mirrored,
  Retrying,
  Revision,
  SqlAgent,
  SqlDriver,
  type StateError,
  Tenant,
  Transactional,
  VolatileAgent
} from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import { Laws } from "dgents/testing"
import { Cause, Effect, Exit, Fiber, Optic, Option, Schema, type Scope, Stream } from "effect"
import { Account } from "../laws/schemas.ts"
import { Counter } from "./support.ts"

const shared = VolatileAgent.family({ name: "counters", schema: Counter, initial: { n: 0 }, history: "full" })
const acme = Tenant.as("acme")
const other = Tenant.as("other")

it.effect("two tenants use the same keys and see nothing of each other", () =>
  Effect.gen(function* () {
    const family = Tenant.make(yield* shared)
    const agent = family.at("a")
    yield* acme(agent.save({ n: 1 }))
    yield* other(agent.update(({ n }) => ({ n: n + 20 })))
    yield* other(family.at("b").save({ n: 3 }))
    expect(yield* acme(agent.load)).toEqual({ n: 1 })
    expect(yield* other(agent.load)).toEqual({ n: 20 })
    expect(yield* acme(Stream.runCollect(family.keys()))).toEqual(["a"])
    expect((yield* other(Stream.runCollect(family.keys()))).toSorted()).toEqual(["a", "b"])
    expect(yield* other(Stream.runCollect(family.keys({ prefix: "b" })))).toEqual(["b"])
    expect(yield* acme(family.has("b"))).toBe(false)
    expect([...(yield* acme(family.loadMany(["a", "b"])))]).toEqual([
      ["a", { n: 1 }],
      ["b", { n: 0 }]
    ])
    yield* acme(
      family.saveMany([
        ["a", { n: 5 }],
        ["c", { n: 6 }]
      ])
    )
    yield* acme(family.deleteMany(["a", "b"]))
    expect(yield* acme(Stream.runCollect(family.keys()))).toEqual(["c"])
    expect(yield* other(agent.load)).toEqual({ n: 20 })
    yield* acme(agent.delete)
    expect(yield* other(family.has("a"))).toBe(true)
  })
)

it.effect("no key and no name of a tenant reaches over to another tenant", () =>
  Effect.gen(function* () {
    const below = yield* shared
    const family = Tenant.make(below)
    const names = ["a", "a/", "a/b", "a%2F", "a%", "%", "/", "A", "a ", "..", "á", "a\u0000"]
    const keys = ["", "b", "/b", "b/c", "../b", "%", "a/b", "2Fb", "a"]
    let n = 0
    for (const name of names) for (const key of keys) yield* Tenant.as(family.at(key).save({ n: n++ }), name)
    expect((yield* Stream.runCollect(below.keys())).length).toBe(names.length * keys.length)
    n = 0
    for (const name of names) {
      expect((yield* Tenant.as(Stream.runCollect(family.keys()), name)).toSorted()).toEqual(keys.toSorted())
      for (const key of keys) expect(yield* Tenant.as(family.at(key).load, name)).toEqual({ n: n++ })
    }
  })
)

it.effect("without a tenant nothing works, in words that say why, and no function has run", () =>
  Effect.gen(function* () {
    const below = yield* shared
    const family = Tenant.make(below)
    const agent = family.at("a")
    let ran = false
    const operations: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
      agent.load,
      agent.save({ n: 1 }),
      agent.delete,
      agent.current,
      agent.compareAndSave({ n: 1 }, Revision.absent),
      agent.modify((s) => {
        ran = true
        return Effect.succeed([0, s] as const)
      }),
      agent.at(Revision.make(1)),
      agent.at(new Date(0)),
      Stream.runCollect(agent.history()),
      Stream.runCollect(agent.changes),
      Stream.runCollect(family.keys()),
      family.loadMany(["a"]),
      family.saveMany([["a", { n: 1 }]]),
      family.deleteMany(["a"]),
      family.has("a")
    ]
    for (const operation of operations) {
      const error = yield* Effect.flip(operation)
      expect(error).toMatchObject({ _tag: "StorageUnavailable", agent: "counters", retryable: false })
      expect(String(error)).toContain("Tenant.as")
    }
    expect(ran).toBe(false)
    expect(yield* Stream.runCollect(below.keys())).toEqual([])
  })
)

it.effect("a program under one tenant cannot enter another one, and neither can a fiber that it forks", () =>
  Effect.gen(function* () {
    const family = Tenant.make(yield* shared)
    yield* other(family.at("a").save({ n: 1 }))
    const crossing = yield* Effect.exit(acme(other(family.at("a").load)))
    expect(Exit.isFailure(crossing) && Cause.hasDies(crossing.cause)).toBe(true)
    const forked = yield* acme(Effect.flatMap(Effect.forkChild(Effect.exit(other(family.at("a").load))), Fiber.join))
    expect(Exit.isFailure(forked) && Cause.hasDies(forked.cause)).toBe(true)
    expect(yield* acme(acme(Tenant.current))).toEqual(Option.some("acme"))
    expect(yield* acme(Effect.flatMap(Effect.forkDetach(Tenant.current), Fiber.join))).toEqual(Option.some("acme"))
    expect(yield* Tenant.current).toEqual(Option.none())
    expect(Exit.isFailure(yield* Effect.exit(Tenant.as(Effect.void, "")))).toBe(true)
  })
)

it.effect("the family of one tenant needs no fiber to say so, and refuses the fibers of others", () =>
  Effect.gen(function* () {
    const below = yield* shared
    const family = below.pipe(Tenant.of("acme"))
    yield* family.at("a").save({ n: 1 })
    expect(yield* acme(Tenant.make(below).at("a").load)).toEqual({ n: 1 })
    expect(yield* acme(family.at("a").load)).toEqual({ n: 1 })
    expect(yield* Effect.flip(other(family.at("a").load))).toMatchObject({ _tag: "StorageUnavailable" })
    expect((yield* Effect.flip(Tenant.of(below, "").at("a").load))._tag).toBe("StorageUnavailable")
  })
)

it.effect("tenants wait for none but themselves, and a conflict names the key that the tenant knows", () =>
  Effect.gen(function* () {
    const family = Tenant.make(yield* shared)
    const agent = family.at("a")
    const gate = yield* Effect.forkChild(acme(agent.modify(() => Effect.never)))
    yield* Effect.yieldNow
    yield* other(agent.save({ n: 1 }))
    expect(yield* other(agent.load)).toEqual({ n: 1 })
    yield* Fiber.interrupt(gate)
    yield* Effect.forEach(
      Array.from({ length: 40 }, (_, i) => (i % 2 === 0 ? acme : other)),
      (as) => as(agent.modify(({ n }) => Effect.as(Effect.yieldNow, [0, { n: n + 1 }] as const), { retries: 0 })),
      { concurrency: "unbounded" }
    )
    expect([yield* acme(agent.load), yield* other(agent.load)]).toEqual([{ n: 20 }, { n: 21 }])
    const conflict = yield* Effect.flip(acme(agent.compareAndSave({ n: 0 }, Revision.make(1))))
    expect(conflict).toMatchObject({ _tag: "RevisionConflict", agent: "counters", key: "a" })
  })
)

it.effect("a subscription hears of its own tenant's commits alone", () =>
  Effect.gen(function* () {
    const family = Tenant.make(yield* shared)
    const agent = family.at("a")
    const watching = yield* Effect.forkChild(acme(Stream.runCollect(Stream.take(agent.changes, 2))))
    yield* Effect.repeat(Effect.yieldNow, { times: 10 })
    yield* other(agent.save({ n: 9 }))
    yield* acme(agent.save({ n: 1 }))
    yield* other(agent.save({ n: 9 }))
    yield* acme(agent.save({ n: 2 }))
    const seen = yield* Fiber.join(watching)
    expect(seen.map((change) => change._tag === "Saved" && change.state.n)).toEqual([1, 2])
  })
)

// With a state of another tenant under the key that the laws write to.
const open = Effect.tap(VolatileAgent.family({ name: "tenants", schema: Account, history: "full" }), (family) =>
  family.at("other/state").save({ owner: "", balance: 0, opened: new Date(0), tags: [] })
)

it.live("under a tenant of the fiber every law is kept, with states of another tenant beside", () =>
  Effect.gen(function* () {
    const report = yield* acme(
      Laws.check({
        name: "Tenant of the fiber",
        schema: Account,
        open: () => Effect.map(open, (family) => Tenant.make(family).at("state")),
        family: () => Effect.map(open, Tenant.make)
      })
    )
    expect(report.outcomes.filter(({ _tag }) => _tag === "Kept").length).toBeGreaterThan(12)
  })
)

it.effect("goes over a database", () =>
  Effect.gen(function* () {
    const driver = yield* SqliteDriver.make({ filename: ":memory:" })
    const below = yield* Effect.provideService(
      SqlAgent.family({ name: "counters", schema: Counter }),
      SqlDriver,
      driver
    )
    const family: Family.Family<Counter> = Tenant.make(below)
    yield* acme(
      family.saveMany([
        ["a", { n: 1 }],
        ["b", { n: 2 }]
      ])
    )
    yield* other(family.saveMany([["a", { n: 3 }]]))
    expect([...(yield* acme(family.loadMany(["a", "b"])))].toSorted()).toEqual([
      ["a", { n: 1 }],
      ["b", { n: 2 }]
    ])
    expect(yield* other(Stream.runCollect(family.keys()))).toEqual(["a"])
  })
)

it.effect("what holds states by their keys is refused over a Tenant, which goes over it", () =>
  Effect.gen(function* () {
    const below = yield* VolatileAgent.family({ name: "below", schema: Schema.Number })
    const tenants = Tenant.make(below)
    const second = (schema: Schema.Codec<Fallback.Standby<number>, unknown>) =>
      VolatileAgent.family({ name: "second", schema })
    const copies = (schema: Schema.Codec<Mirrored.Copy<number>, unknown>) =>
      VolatileAgent.family({ name: "copies", schema })
    const one = Retrying.make(Tenant.of(below, "acme").at("key"))
    const wrong: ReadonlyArray<Effect.Effect<unknown, StateError.StateError, Scope.Scope>> = [
      Cached.family(tenants),
      Cached.family(Retrying.family(tenants)),
      Cached.make(tenants.at("key")),
      Cached.make(one),
      Cached.make(Focused.make(tenants.at("key"), { lens: Optic.id<number>(), schema: Schema.Number })),
      Cached.make(
        Mapped.make(tenants.at("key"), {
          iso: Optic.makeIso<number, string>(String, Number),
          schema: Schema.String
        })
      ),
      Cached.make(Transactional.make(tenants.at("key"))),
      Fallback.family(tenants, { second, durability: "volatile" }),
      Mirrored.family(tenants, { followers: [copies] })
    ]
    for (const open of wrong) {
      const error = yield* Effect.flip(open)
      expect(error).toMatchObject({ _tag: "StorageUnavailable", operation: "open", retryable: false })
      expect(error.message).toContain("put the Tenant over it")
    }
    const cached = Tenant.make(yield* Cached.family(below))
    yield* Tenant.as(cached.at("key").save(1), "acme")
    yield* Tenant.as(cached.at("key").save(2), "globex")
    expect(yield* Tenant.as(cached.at("key").load, "acme")).toBe(1)
  }).pipe(Effect.scoped)
)
