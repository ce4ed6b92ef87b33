import { expect, it } from "@effect/vitest"
import { Cached, type DataAgent, RedisAgent, SqlAgent, SqlDriver, VolatileAgent } from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import { Effect, Stream } from "effect"
import { newName, on, openDriver } from "../agents/redis/driver.ts"
import { Counter } from "./support.ts"

/** Memory over Redis over SQLite, and each of them alone. */
const setUp = Effect.gen(function* () {
  const redis = on(yield* openDriver())
  const name = newName()
  const sqlite = yield* SqliteDriver.make({ filename: ":memory:" })
  const stored = yield* Effect.provideService(
    SqlAgent.make({ name: "stored", schema: Counter, initial: { n: 0 }, history: "full" }),
    SqlDriver,
    sqlite
  )
  const memory = yield* VolatileAgent.make({ name: "memory", schema: Cached.Entry(Counter) })
  const near = yield* Cached.make(stored, { cache: (schema) => redis(RedisAgent.make({ name, schema })) })
  const agent = yield* Cached.make(near, { cache: () => Effect.succeed(memory) })
  const server = yield* redis(RedisAgent.make({ name, schema: Cached.Entry(Counter) }))
  return { agent, near, stored, memory, server }
})

const hitsOf = (...tiers: ReadonlyArray<Cached.Cached<Counter>>) =>
  Effect.map(
    Effect.forEach(tiers, (tier) => tier.figures),
    (figures) => figures.map(({ hits, misses }) => [hits, misses])
  )

it.live("memory over Redis over SQLite: what one tier has lost, the next one answers", () =>
  Effect.gen(function* () {
    const { agent, memory, near, server, stored } = yield* setUp
    yield* agent.update(({ n }) => ({ n: n + 1 }))
    const [outer, inner] = yield* hitsOf(agent, near)
    expect(yield* agent.load).toEqual({ n: 1 })
    expect(yield* server.load).toMatchObject({ state: { n: 1 } })
    yield* memory.delete
    expect(yield* agent.load).toEqual({ n: 1 })
    yield* memory.delete
    yield* server.delete
    expect(yield* agent.load).toEqual({ n: 1 })
    expect(yield* agent.load).toEqual({ n: 1 })
    const after = yield* hitsOf(agent, near)
    expect(after[0]?.map((hits, i) => hits - (outer?.[i] ?? 0))).toEqual([2, 2])
    expect(after[1]?.map((hits, i) => hits - (inner?.[i] ?? 0))).toEqual([1, 1])
    expect(yield* stored.load).toEqual({ n: 1 })
  })
)

it.live("memory over Redis over SQLite: a commit below is seen above, and updates of all handles are counted", () =>
  Effect.gen(function* () {
    const { agent, near, stored } = yield* setUp
    const handles: ReadonlyArray<DataAgent.DataAgent<Counter>> = [agent, near, stored]
    const increments = Array.from({ length: 60 }, (_, i) => handles[i % 3] ?? agent)
    yield* Effect.forEach(increments, (handle) => handle.update(({ n }) => ({ n: n + 1 })), { concurrency: 8 })
    for (const handle of handles) {
      yield* Stream.runDrain(Stream.takeUntil(handle.changes, (change) => change.revision >= 60))
      expect((yield* handle.update(({ n }) => ({ n }))).n).toBe(60)
    }
  })
)

it.live("memory over Redis over SQLite: what others put into Redis is not believed", () =>
  Effect.gen(function* () {
    const { agent, memory, server } = yield* setUp
    yield* agent.save({ n: 1 })
    yield* server.save({ _tag: "Empty", loadedAt: 0 })
    yield* memory.delete
    expect(yield* agent.load).toEqual({ n: 1 })
  })
)
