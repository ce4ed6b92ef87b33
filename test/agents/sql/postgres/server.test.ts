import { expect, it } from "@effect/vitest"
import { SqlAgent } from "dgents"
import { Effect, Exit, Fiber, Schema } from "effect"
import { following, on, openDriver } from "./driver.ts"
import * as Server from "./server.ts"

const isExpected = (exit: Exit.Exit<unknown, { readonly _tag: string; readonly retryable?: boolean }>): boolean => {
  if (Exit.isSuccess(exit)) return true
  const [reason] = exit.cause.reasons
  const error = reason?._tag === "Fail" ? reason.error : undefined
  return error?._tag === "WriteIndeterminate" || (error?._tag === "StorageUnavailable" && error.retryable === true)
}

it.live("a server that is killed in the midst of work fails in typed ways, and all goes on when it is back", () =>
  Effect.gen(function* () {
    const server = yield* Server.start
    const driver = yield* openDriver({ url: server.url, acquireTimeout: "2 seconds", connectTimeout: "1 second" })
    const numbers = yield* on(driver)(
      SqlAgent.family({ name: "numbers", schema: Schema.Number, history: { bounded: 3 } })
    )
    const acknowledged = new Map<string, number>()
    const next = yield* following(numbers.at("followed"))
    let isStopped = false
    let longest = 0
    const worker = (key: string) =>
      Effect.gen(function* () {
        for (let n = 1; !isStopped; n++) {
          const begin = performance.now()
          const exit = yield* Effect.exit(numbers.at(key).save(n))
          longest = Math.max(longest, performance.now() - begin)
          expect(isExpected(exit)).toBe(true)
          if (Exit.isSuccess(exit)) acknowledged.set(key, n)
          const read = yield* Effect.exit(Effect.option(numbers.at(key).load))
          expect(isExpected(read)).toBe(true)
          if (Exit.isSuccess(read) && read.value._tag === "Some")
            expect(read.value.value).toBeGreaterThanOrEqual(acknowledged.get(key) ?? 0)
          if (Exit.isFailure(exit)) yield* Effect.sleep("20 millis")
        }
      })
    const keys = Array.from({ length: 8 }, (_, i) => `k${i}`)
    const working = yield* Effect.forkScoped(Effect.forEach(keys, worker, { concurrency: "unbounded" }))
    for (let round = 0; round < 2; round++) {
      yield* Effect.sleep("200 millis")
      yield* server.kill
      expect(yield* Effect.flip(driver.engine.ping)).toMatchObject({ _tag: "Unavailable", retryable: true })
      yield* Effect.sleep("200 millis")
      yield* server.restart
    }
    yield* Effect.sleep("200 millis")
    isStopped = true
    expect(Exit.isSuccess(yield* Fiber.await(working))).toBe(true)
    expect(acknowledged.size).toBe(keys.length)
    // Within the time for a connection to be made, and the one for the answer to be looked for.
    expect(longest).toBeLessThan(5_000)
    for (const key of keys) expect(yield* numbers.at(key).load).toBeGreaterThanOrEqual(acknowledged.get(key) ?? 0)
    // Who followed is told of what another driver does, over a connection that is new.
    const other = yield* Effect.flatMap(openDriver({ url: server.url }), (driver) =>
      on(driver)(SqlAgent.family({ name: "numbers", schema: Schema.Number }))
    )
    yield* other.at("followed").save(7)
    expect(yield* next).toBe(7)
    const figures = yield* driver.figures
    expect(figures.waiting).toBe(0)
    expect(figures.total).toBeLessThanOrEqual(10)
  })
)

it.live("whoever finds no connection in time is told so, and the pool is as good as before", () =>
  Effect.gen(function* () {
    const driver = yield* openDriver({ max: 2, acquireTimeout: "100 millis" })
    const sleep = driver.engine.query({ sql: "SELECT pg_sleep(0.6)", params: [] })
    const busy = yield* Effect.forkScoped(Effect.all([sleep, sleep], { concurrency: "unbounded" }))
    yield* Effect.sleep("200 millis")
    expect(yield* driver.figures).toEqual({ total: 2, idle: 0, waiting: 0 })
    expect(yield* Effect.flip(driver.engine.ping)).toMatchObject({
      _tag: "Unavailable",
      retryable: true,
      reason: expect.stringContaining("acquireTimeout")
    })
    yield* Fiber.await(busy)
    yield* Effect.forEach(Array.from({ length: 50 }), () => driver.engine.ping, { concurrency: "unbounded" })
    expect(yield* driver.figures).toEqual({ total: 2, idle: 2, waiting: 0 })
  })
)

it.live("connections that nobody uses are closed after idleTimeout", () =>
  Effect.gen(function* () {
    const driver = yield* openDriver({ idleTimeout: "50 millis" })
    yield* Effect.forEach(Array.from({ length: 5 }), () => driver.engine.ping, { concurrency: "unbounded" })
    while ((yield* driver.figures).total > 0) yield* Effect.sleep("10 millis")
    yield* driver.engine.ping
  })
)

it.live("a scope that closes in the midst of work waits for what was begun, and refuses the rest", () =>
  Effect.gen(function* () {
    const server = yield* Effect.promise(Server.shared)
    const url = yield* Effect.promise(() => Server.database(server, `closing_${process.pid}_${Date.now()}`))
    const exits = yield* Effect.scoped(
      Effect.gen(function* () {
        const driver = yield* openDriver({ url })
        const numbers = yield* on(driver)(SqlAgent.family({ name: "numbers", schema: Schema.Number }))
        return yield* Effect.forkDetach(
          Effect.forEach(Array.from({ length: 50 }), (_, i) => Effect.exit(numbers.at(`k${i}`).save(i)), {
            concurrency: "unbounded"
          })
        ).pipe(Effect.tap(() => Effect.yieldNow))
      })
    ).pipe(Effect.flatMap((fiber) => Fiber.await(fiber)))
    expect(Exit.isSuccess(exits)).toBe(true)
    const acknowledged = Exit.isSuccess(exits) ? exits.value.filter(Exit.isSuccess).length : 0
    const [row] = yield* Effect.promise(() => Server.query(url, "SELECT count(*)::int AS n FROM dgents_state"))
    expect(Number(row?.["n"])).toBeGreaterThanOrEqual(acknowledged)
  })
)
