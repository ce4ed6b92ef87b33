import { expect, it } from "@effect/vitest"
import { Cached, RedisAgent, SqlAgent, VolatileAgent } from "dgents"
import { Effect, Option, type Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Redis from "../agents/redis/driver.ts"
import * as Postgres from "../agents/sql/postgres/driver.ts"
import { interruptible, settle } from "./cached/support.ts"
import { Counter } from "./support.ts"

/** Two caches that share what they keep, as two processes do, before storage that counts its reads. */
const setUp = (policy: Partial<Cached.Policy> = {}) =>
  Effect.gen(function* () {
    const direct = yield* VolatileAgent.make({ name: "direct", schema: Counter })
    const common = yield* VolatileAgent.make({ name: "common", schema: Cached.Entry(Counter) })
    const { agent, storage } = interruptible(direct)
    const open = Cached.make(agent, {
      cache: () => Effect.succeed(common),
      ttl: "1 minute",
      shared: true,
      changes: "ignore",
      ...policy
    })
    return { direct, common, storage, open, mine: yield* open, theirs: yield* open }
  })

/** A family that knows of one key at a time. */
const ofOneKey = Effect.gen(function* () {
  const direct = yield* VolatileAgent.family({ name: "direct", schema: Counter })
  const common = yield* VolatileAgent.family({ name: "common", schema: Cached.Entry(Counter) })
  const cache = () => Effect.succeed(common)
  return { common, cached: yield* Cached.family(direct, { cache, ttl: "1 minute", shared: true, maxKeys: 1 }) }
})

it.effect("what one has read or written, the other ones and those that come later need not read", () =>
  Effect.gen(function* () {
    const { mine, open, storage, theirs } = yield* setUp()
    yield* mine.save({ n: 1 })
    storage.reads = 0
    expect(yield* theirs.load).toEqual({ n: 1 })
    expect(yield* (yield* open).load).toEqual({ n: 1 })
    expect(storage.reads).toBe(0)
    yield* TestClock.adjust("1 minute")
    expect(yield* theirs.load).toEqual({ n: 1 })
    expect(storage.reads).toBe(1)
    expect(yield* mine.load).toEqual({ n: 1 })
    expect(storage.reads).toBe(1)
    expect(yield* theirs.figures).toMatchObject({ hits: 1, misses: 1 })
  })
)

it.effect("an answer is never older than what was read, written or heard of here", () =>
  Effect.gen(function* () {
    const { common, direct, mine, storage } = yield* setUp({ changes: "follow" })
    yield* mine.save({ n: 1 })
    yield* settle
    const old = yield* common.load
    yield* mine.save({ n: 2 })
    yield* common.save(old)
    expect(yield* mine.load).toEqual({ n: 2 })
    yield* direct.save({ n: 3 })
    yield* settle
    yield* common.save(old)
    storage.reads = 0
    expect(yield* mine.load).toEqual({ n: 3 })
    expect(storage.reads).toBe(1)
    const third = yield* common.load
    yield* mine.invalidate
    yield* common.save(third)
    expect(yield* mine.load).toEqual({ n: 3 })
    expect(storage.reads).toBe(2)
  })
)

it.effect("after a write of which nobody knows whether it happened the backend is asked", () =>
  Effect.gen(function* () {
    const { common, mine, storage, theirs } = yield* setUp()
    yield* mine.save({ n: 1 })
    expect(yield* theirs.load).toEqual({ n: 1 })
    storage.isDown = true
    yield* Effect.flip(theirs.save({ n: 2 }))
    storage.isDown = false
    storage.reads = 0
    expect(yield* theirs.load).toEqual({ n: 1 })
    // It was refused for certain.
    expect(storage.reads).toBe(0)
    yield* common.delete
    expect(yield* theirs.load).toEqual({ n: 1 })
    expect(storage.reads).toBe(1)
  })
)

it.effect("an entry of somebody whose clock is ahead is not used for longer", () =>
  Effect.gen(function* () {
    const { common, mine, storage } = yield* setUp()
    yield* mine.save({ n: 1 })
    const entry = yield* common.load
    yield* common.save({ ...entry, loadedAt: entry.loadedAt + 1_000_000 })
    yield* mine.invalidate
    yield* mine.load
    storage.reads = 0
    yield* TestClock.adjust("1 minute")
    yield* mine.load
    expect(storage.reads).toBe(1)
  })
)

it.effect("a family that drops a key leaves what others use", () =>
  Effect.gen(function* () {
    const { cached, common } = yield* ofOneKey
    yield* cached.at("a").save({ n: 1 })
    yield* cached.at("b").save({ n: 2 })
    yield* settle
    expect(Option.isSome(yield* common.at("a").current)).toBe(true)
    expect(yield* cached.at("a").load).toEqual({ n: 1 })
    expect(yield* cached.figures).toMatchObject({ hits: 1, misses: 0 })
  })
)

it.effect("a key that was written and then forgotten is not answered from what was kept before that", () =>
  Effect.gen(function* () {
    const { cached, common } = yield* ofOneKey
    yield* cached.at("a").save({ n: 1 })
    yield* cached.saveMany([["a", { n: 2 }]])
    yield* cached.at("b").save({ n: 3 })
    yield* settle
    expect(yield* common.at("a").load).toMatchObject({ state: { n: 1 } })
    expect(yield* cached.at("a").load).toEqual({ n: 2 })
  })
)

it.effect("it needs a cache and a ttl, goes with no writes behind, and says what it promises", () =>
  Effect.gen(function* () {
    const direct = yield* VolatileAgent.make({ name: "direct", schema: Counter })
    const cache = (schema: Schema.Codec<Cached.Entry<Counter>, unknown>) => VolatileAgent.make({ name: "c", schema })
    for (const [options, word] of [
      [{ shared: true, cache }, "ttl"],
      [{ shared: true, ttl: "1 minute" }, "cache"],
      [{ shared: true, ttl: "1 minute", cache, write: { behind: {} } }, "write"]
    ] as const) {
      const error = yield* Effect.flip(Cached.make(direct, options))
      expect(error).toMatchObject({ _tag: "StorageUnavailable", retryable: false })
      expect(error.message).toContain(word)
    }
    const cached = yield* Cached.make(direct, { shared: true, ttl: "1 minute", cache })
    expect(direct.claims.consistency).toBe("linearizable")
    expect(cached.claims.consistency).toBe("lastWriteWins")
  })
)

it.live(
  "memory over Redis over Postgres: what one process read, the others find in Redis, and a commit reaches all",
  () =>
    Effect.gen(function* () {
      const [name, url] = [Redis.newName(), yield* Postgres.newDatabase]
      const open = Effect.gen(function* () {
        const postgres = yield* Postgres.openDriver({ url })
        const redis = yield* Redis.openDriver()
        const stored = yield* Postgres.on(postgres)(SqlAgent.family({ name: "stored", schema: Counter }))
        const near = yield* Cached.family(stored, {
          cache: (schema) => Redis.on(redis)(RedisAgent.family({ name, schema, expire: { after: "1 hour" } })),
          ttl: "1 hour",
          shared: true
        })
        return { near, agent: yield* Cached.family(near) }
      })
      const [one, two] = [yield* open, yield* open]
      yield* one.agent.at("a").save({ n: 1 })
      expect(yield* two.agent.at("a").load).toEqual({ n: 1 })
      expect(yield* two.near.figures).toMatchObject({ hits: 1, misses: 0 })
      yield* two.agent.at("a").update(({ n }) => ({ n: n + 1 }))
      const isSeen = Effect.map(one.agent.at("a").load, ({ n }) => n === 2)
      yield* Effect.repeat(Effect.andThen(Effect.sleep("10 millis"), isSeen), { until: (seen) => seen })
    })
)
