import { expect, it } from "@effect/vitest"
import { DataAgent, SqlAgent } from "dgents"
import { Effect, Schema, Stream } from "effect"
import { following, newDatabase, on, openDriver } from "./driver.ts"
import { poolingProxy } from "./poolingProxy.ts"

it.live("everything works behind a proxy that hands out sessions by transaction", () =>
  Effect.gen(function* () {
    const proxy = yield* poolingProxy(yield* newDatabase, 3)
    const drivers = yield* Effect.all([openDriver({ url: proxy.url }), openDriver({ url: proxy.url })])
    const families = yield* Effect.forEach(drivers, (driver) =>
      on(driver)(SqlAgent.family({ name: "numbers", schema: Schema.Number, initial: 0, history: { bounded: 5 } }))
    )
    const keys = Array.from({ length: 8 }, (_, i) => `k${i}`)
    yield* Effect.forEach(
      families,
      (numbers) =>
        Effect.forEach(
          keys,
          (key) =>
            Effect.repeat(
              DataAgent.update(numbers.at(key), (n) => n + 1, { retries: 1_000 }),
              { times: 3 }
            ),
          {
            concurrency: "unbounded"
          }
        ),
      { concurrency: "unbounded" }
    )
    const [numbers] = families
    const [driver] = drivers
    expect([...(yield* numbers.loadMany(keys)).values()]).toEqual(keys.map(() => 8))
    expect(yield* Stream.runCollect(Stream.map(numbers.at("k0").history(), ({ state }) => state))).toEqual([
      8, 7, 6, 5, 4
    ])
    yield* numbers.deleteMany(keys.slice(1))
    expect(yield* Stream.runCollect(numbers.keys())).toEqual(["k0"])
    expect(yield* driver.engine.query({ sql: "SELECT count(*) AS n FROM dgents_state", params: [] })).toEqual([
      { n: 1 }
    ])
    // All sessions were used: nothing was left to a session that a client kept.
    for (const served of proxy.served()) expect(served).toBeGreaterThan(10)
  })
)

it.live("changes come by polling where a proxy swallows notices", () =>
  Effect.gen(function* () {
    const proxy = yield* poolingProxy(yield* newDatabase, 2)
    const [mine, other] = yield* Effect.all([
      openDriver({ url: proxy.url, poll: "100 millis" }),
      openDriver({ url: proxy.url })
    ])
    const open = SqlAgent.make({ name: "number", schema: Schema.Number, history: "full" })
    const [followed, written] = [yield* on(mine)(open), yield* on(other)(open)]
    yield* written.save(1)
    const next = yield* following(followed)
    expect(yield* next).toBe(1)
    yield* written.save(2)
    yield* written.save(3)
    expect([yield* next, yield* next]).toEqual([2, 3])
  })
)
