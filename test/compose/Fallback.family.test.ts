import { expect, it } from "@effect/vitest"
import { Fallback, SqlAgent, SqlDriver, VolatileAgent } from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import { Faults } from "dgents/testing"
import { Effect, type Schema, Stream } from "effect"
import { Counter } from "./support.ts"

it.effect("a family falls key by key, and lists its keys once nothing waits", () =>
  Effect.gen(function* () {
    const below = yield* VolatileAgent.family({ name: "counters", schema: Counter })
    const faults = Faults.make()
    const failing = Object.assign(Object.create(below) as typeof below, {
      at: (key: string) => Faults.agent(below.at(key), faults)
    })
    const family = yield* Fallback.family(failing, {
      second: (schema) => VolatileAgent.family({ name: "second", schema }),
      logs: false,
      retryAfter: 0
    })
    yield* family.saveMany([
      ["a", { n: 1 }],
      ["b", { n: 1 }]
    ])
    faults.arm(Faults.plan(1, Faults.flaky(1)))
    yield* family.at("a").save({ n: 2 })
    yield* family.at("b").delete
    expect(yield* family.at("a").load).toEqual({ n: 2 })
    expect((yield* Effect.flip(Stream.runCollect(family.keys())))._tag).toBe("StorageUnavailable")
    faults.lift()
    expect(yield* Stream.runCollect(family.keys())).toEqual(["a"])
    expect([...(yield* below.loadMany(["a", "b"]))]).toEqual([["a", { n: 2 }]])
  })
)

it.effect("a file database stands in for another one", () =>
  Effect.gen(function* () {
    const sqlite = <S>(name: string, schema: Schema.Codec<S, unknown>) =>
      Effect.flatMap(SqliteDriver.make({ filename: ":memory:" }), (driver) =>
        Effect.provideService(SqlAgent.make({ name, schema }), SqlDriver, driver)
      )
    const below = yield* sqlite("first", Counter)
    const faults = Faults.make()
    const agent = yield* Fallback.make(Faults.agent(below, faults), {
      second: (schema) => sqlite("second", schema),
      logs: false,
      retryAfter: 0
    })
    yield* agent.save({ n: 1 })
    faults.arm(Faults.plan(1, Faults.flaky(1)))
    yield* Effect.all(
      [1, 2, 3].map(() => agent.update(({ n }) => ({ n: n + 1 }))),
      { concurrency: "unbounded" }
    )
    faults.lift()
    expect(yield* agent.load).toEqual({ n: 4 })
    expect(yield* below.load).toEqual({ n: 4 })
  })
)
