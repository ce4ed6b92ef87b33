/** Transactions over agents of every kind, and combinators over agents that take part. */
import { join } from "node:path"
import { NodeFileSystem } from "@effect/platform-node"
import { expect, it } from "@effect/vitest"
import {
  Cached,
  EntropyConstrained,
  type Family,
  Focused,
  Mapped,
  Observed,
  PersistentAgent,
  Retrying,
  SqlAgent,
  SqlDriver,
  type SqlEngine,
  Tenant,
  Transactional,
  VolatileAgent
} from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import { Effect, Exit, Optic, Option, Schema, Stream } from "effect"
import * as MapEngine from "../agents/sql/MapEngine.ts"
import { tempDirectory, tempFile } from "../agents/sql/temp.ts"
import { Counter } from "./support.ts"
import { on, plus } from "./transactional.support.ts"

const onMaps = Effect.sync(() => SqlDriver.fromEngine(MapEngine.make(new MapEngine.Rows())))
const counter = (name: string) => SqlAgent.make({ name, schema: Counter, initial: { n: 0 } })

it.live("agents and families of one database change together; a second handle on a state is the same state", () =>
  Effect.gen(function* () {
    const driver = yield* SqliteDriver.make({ filename: yield* tempFile })
    const a = Transactional.make(yield* on(driver)(counter("a")))
    const again = Transactional.make(yield* on(driver)(counter("a")))
    const outside = yield* on(driver)(
      SqlAgent.family({ name: "texts", schema: Schema.String, history: "full", deltas: 2 })
    )
    const texts = Transactional.family(outside)
    for (let n = 1; n <= 5; n++)
      yield* Transactional.run(
        Effect.gen(function* () {
          yield* a.update(plus(1))
          yield* again.update(plus(1))
          yield* texts.at("x").save(`"${"long ".repeat(50)}${n}"`)
        })
      )
    expect([yield* a.load, Option.getOrThrow(yield* again.current).revision]).toEqual([{ n: 10 }, 5])
    const history = yield* Stream.runCollect(outside.at("x").history())
    expect(history.map(({ state }) => state.at(-2))).toEqual(["5", "4", "3", "2", "1"])
  })
)

it.effect("two databases are not written in one transaction; what is read of another one is looked at again", () =>
  Effect.gen(function* () {
    const [one, other] = [yield* onMaps, yield* onMaps]
    const a = Transactional.make(yield* on(one)(counter("a")))
    const outside = yield* on(other)(counter("b"))
    const b = Transactional.make(outside)
    const both = Transactional.run(Effect.andThen(a.update(plus(1)), b.update(plus(1))))
    expect(yield* Effect.flip(both)).toMatchObject({ _tag: "StorageUnavailable", agent: "b", retryable: false })
    const inner = Transactional.run(Effect.andThen(a.update(plus(1)), Transactional.run(b.update(plus(1)))))
    expect(yield* Effect.flip(inner)).toMatchObject({ _tag: "StorageUnavailable", agent: "b" })
    expect([yield* a.load, yield* b.load]).toEqual([{ n: 0 }, { n: 0 }])
    let runs = 0
    yield* Transactional.run(
      Effect.gen(function* () {
        const { n } = yield* b.load
        if (runs++ === 0) yield* outside.save({ n: 7 })
        yield* a.save({ n })
      })
    )
    expect([runs, yield* a.load]).toEqual([2, { n: 7 }])
  })
)

it.live("an agent of any kind is written by compare-and-set", () =>
  Effect.gen(function* () {
    const path = join(yield* tempDirectory, "state.json")
    const outside = yield* PersistentAgent.make({ path, schema: Counter, initial: { n: 0 } })
    const file = Transactional.make(outside)
    let runs = 0
    yield* Transactional.run(
      Effect.gen(function* () {
        yield* file.update(plus(1))
        if (runs++ === 0) yield* outside.save({ n: 5 })
        yield* file.update(plus(1))
      })
    )
    expect([runs, yield* outside.load]).toEqual([2, { n: 7 }])
    expect(yield* Effect.flip(Transactional.run(Effect.andThen(file.save({ n: 0 }), Effect.fail("no"))))).toBe("no")
    yield* Transactional.run(Effect.andThen(file.load, file.delete))
    expect([yield* Effect.exit(outside.current), yield* outside.load]).toEqual([Exit.succeed(Option.none()), { n: 0 }])
    const memory = Transactional.make(yield* VolatileAgent.make({ name: "memory", schema: Counter }))
    const both = Transactional.run(Effect.andThen(file.save({ n: 1 }), memory.save({ n: 1 })))
    expect(yield* Effect.flip(both)).toMatchObject({ _tag: "StorageUnavailable", agent: "memory" })
    expect(yield* outside.load).toEqual({ n: 0 })
  }).pipe(Effect.provide(NodeFileSystem.layer))
)

it.live("a file that other processes write is not deleted on the strength of what was read", () =>
  Effect.gen(function* () {
    const path = join(yield* tempDirectory, "state.json")
    const file = Transactional.make(yield* PersistentAgent.make({ path, schema: Counter, sharing: "host" }))
    yield* file.save({ n: 1 })
    const read = Transactional.run(Effect.andThen(file.load, file.delete))
    expect(yield* Effect.flip(read)).toMatchObject({ _tag: "StorageUnavailable", retryable: false })
    expect(yield* file.load).toEqual({ n: 1 })
    yield* Transactional.run(file.delete)
    expect(Option.isNone(yield* file.current)).toBe(true)
  }).pipe(Effect.provide(NodeFileSystem.layer))
)

it.effect("combinators over an agent that takes part take part: parts of one state, and other states", () =>
  Effect.gen(function* () {
    const driver = yield* onMaps
    const User = Schema.Struct({ name: Schema.String, visits: Counter })
    const user = Transactional.make(
      yield* on(driver)(SqlAgent.make({ name: "user", schema: User, initial: { name: "a", visits: { n: 0 } } }))
    )
    const lens = Optic.id<typeof User.Type>()
    const visits = Focused.make(user, { lens: lens.key("visits"), schema: Counter })
    const name = Focused.make(user, { lens: lens.key("name"), schema: Schema.String })
    const total = Transactional.make(yield* on(driver)(counter("total")))
    const shown = Mapped.make(Retrying.make(Observed.make(total, { logs: false })), {
      iso: Optic.makeIso<Counter, number>(
        ({ n }) => n,
        (n) => ({ n })
      ),
      schema: Schema.Number
    })
    const small = EntropyConstrained.make(total, { maxBytes: 10 })
    const all = Effect.gen(function* () {
      yield* visits.update(plus(1))
      yield* name.save("b")
      yield* shown.update((n) => n + 1)
      expect(yield* user.load).toEqual({ name: "b", visits: { n: 1 } })
    })
    expect(yield* Effect.flip(Transactional.run(Effect.andThen(all, small.save({ n: 123_456 }))))).toMatchObject({
      _tag: "StateTooLarge"
    })
    expect([yield* user.load, yield* total.load]).toEqual([{ name: "a", visits: { n: 0 } }, { n: 0 }])
    yield* Transactional.run(all)
    expect([yield* user.load, yield* total.load]).toEqual([{ name: "b", visits: { n: 1 } }, { n: 1 }])
    expect(Option.getOrThrow(yield* user.current).revision).toBe(1)
  })
)

it.effect("a commit whose answer was lost is WriteIndeterminate, and is not tried again", () =>
  Effect.gen(function* () {
    const rows = new MapEngine.Rows()
    let writes = 0
    const engine: SqlEngine.Engine = {
      ...MapEngine.make(rows),
      write: (write) =>
        Effect.andThen(
          MapEngine.make(rows).write(write),
          Effect.suspend(() => {
            writes++
            return Effect.fail({ _tag: "Indeterminate", reason: "its answer was lost" } as const)
          })
        )
    }
    const driver = SqlDriver.fromEngine(engine)
    const [a, b] = [
      Transactional.make(yield* on(driver)(counter("a"))),
      Transactional.make(yield* on(driver)(counter("b")))
    ]
    const both = Transactional.run(Effect.andThen(a.update(plus(1)), b.update(plus(1))))
    expect(yield* Effect.flip(both)).toMatchObject({ _tag: "WriteIndeterminate", agent: "a" })
    expect([writes, yield* a.load, yield* b.load]).toEqual([1, { n: 1 }, { n: 1 }])
  })
)

it.effect("an agent whose scope has closed fails with AgentClosed in a transaction as well", () =>
  Effect.gen(function* () {
    const agent = yield* Effect.scoped(VolatileAgent.make({ name: "gone", schema: Counter }))
    const gone = Transactional.make(agent)
    const uses: ReadonlyArray<Effect.Effect<void, unknown>> = [
      Effect.asVoid(gone.load),
      gone.save({ n: 1 }),
      gone.delete
    ]
    for (const use of uses) expect(yield* Effect.flip(Transactional.run(use))).toMatchObject({ _tag: "AgentClosed" })
  })
)

it.effect("a cache over an agent that takes part never keeps what was not committed, and knows at once what was", () =>
  Effect.gen(function* () {
    const outside = yield* VolatileAgent.make({ name: "counter", schema: Counter, initial: { n: 0 } })
    const cached = yield* Cached.make(Transactional.make(outside))
    const other = Transactional.make(yield* VolatileAgent.make({ name: "other", schema: Counter, initial: { n: 0 } }))
    yield* cached.save({ n: 1 })
    const both = Effect.gen(function* () {
      yield* cached.update(plus(1))
      yield* other.update(plus(1))
      expect(yield* cached.load).toEqual({ n: 2 })
      expect(yield* outside.load).toEqual({ n: 1 })
    })
    expect(yield* Effect.flip(Transactional.run(Effect.andThen(both, Effect.fail("no"))))).toBe("no")
    expect([yield* cached.load, yield* other.load]).toEqual([{ n: 1 }, { n: 0 }])
    yield* Transactional.run(Effect.andThen(Transactional.run(both), cached.load))
    expect([yield* cached.load, yield* other.load]).toEqual([{ n: 2 }, { n: 1 }])
    yield* outside.save({ n: 7 })
    yield* Effect.yieldNow
    expect(yield* cached.load).toEqual({ n: 7 })
  })
)

it.effect("tenants are kept apart, whether they are over the transaction or it is over them", () =>
  Effect.gen(function* () {
    const notes = yield* VolatileAgent.family({ name: "notes", schema: Counter, initial: { n: 0 } })
    const [over, under] = [Tenant.make(Transactional.family(notes)), Transactional.family(Tenant.make(notes))]
    const each = (family: Family.Family<Counter>) =>
      Effect.all([
        Tenant.as(family.at("k").update(plus(1)), "one"),
        Tenant.as(
          Effect.andThen(family.at("k").load, ({ n }) => family.at("k").save({ n: n + 10 })),
          "two"
        )
      ])
    const found = Effect.map(notes.loadMany(["one/k", "two/k"]), (states) => [...states.values()].map(({ n }) => n))
    yield* Transactional.run(each(over))
    expect(yield* found).toEqual([1, 10])
    // There, each tenant's is an agent of another kind.
    expect(yield* Effect.flip(Transactional.run(each(under)))).toMatchObject({ _tag: "StorageUnavailable" })
    yield* Transactional.run(Tenant.as(under.at("k").update(plus(1)), "one"))
    yield* Tenant.as(Transactional.run(under.at("k").update(plus(1))), "two")
    expect(yield* found).toEqual([2, 11])
  })
)
