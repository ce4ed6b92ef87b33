import { expect, it } from "@effect/vitest"
import { Revision, SqlAgent } from "dgents"
import { Effect, Exit, Schema } from "effect"
import { cutProxy } from "../../cutProxy.ts"
import { newDatabase, on, openDriver, query } from "./driver.ts"

const proxied = (history: SqlAgent.History) =>
  Effect.gen(function* () {
    const direct = yield* newDatabase
    const proxy = yield* cutProxy(direct)
    const driver = yield* openDriver({
      url: proxy.url,
      acquireTimeout: "2 seconds",
      connectTimeout: "1 second",
      listen: false
    })
    const numbers = yield* on(driver)(SqlAgent.family({ name: "numbers", schema: Schema.Number, history }))
    return { direct, driver, numbers, proxy }
  })

for (const history of ["none", "full"] as const)
  it.live(`a commit whose answer is lost is found again and acknowledged with its revision, history ${history}`, () =>
    Effect.gen(function* () {
      const { driver, numbers, proxy } = yield* proxied(history)
      const a = numbers.at("a")
      yield* a.save(1)
      proxy.cutNext("answer")
      expect(yield* a.compareAndSave(2, Revision.make(1))).toBe(2)
      expect(proxy.cuts()).toBe(1)
      // Of many that share a statement, and of keys that are new.
      proxy.cutNext("answer")
      const keys = Array.from({ length: 10 }, (_, i) => `k${i}`)
      yield* Effect.forEach(keys, (key, i) => numbers.at(key).save(i), { concurrency: "unbounded" })
      expect(proxy.cuts()).toBe(2)
      expect(yield* Effect.forEach(keys, (key) => numbers.at(key).load)).toEqual(keys.map((_, i) => i))
      expect(yield* a.load).toBe(2)
      expect((yield* driver.figures).waiting).toBe(0)
    })
  )

it.live("a write that the server never saw is indeterminate, was not done, and can be done again", () =>
  Effect.gen(function* () {
    const { numbers, proxy } = yield* proxied("full")
    const a = numbers.at("a")
    yield* a.save(1)
    proxy.cutNext("request")
    const error = yield* Effect.flip(a.save(2))
    expect(error).toMatchObject({ _tag: "WriteIndeterminate" })
    expect(yield* a.load).toBe(1)
    yield* a.save(3)
    expect(yield* a.load).toBe(3)
  })
)

it.live(
  "a write whose answer is lost together with the way to the server is indeterminate, within the stated time",
  () =>
    Effect.gen(function* () {
      const { direct, numbers, proxy } = yield* proxied("full")
      const a = numbers.at("a")
      yield* a.save(1)
      proxy.cutNext("answer")
      proxy.setOpen(false)
      const begin = performance.now()
      expect(yield* Effect.flip(a.save(2))).toMatchObject({ _tag: "WriteIndeterminate" })
      expect(performance.now() - begin).toBeLessThan(10_000)
      expect(yield* query(direct, "SELECT revision::int FROM dgents_state")).toEqual([{ revision: 2 }])
      proxy.setOpen(true)
      expect(yield* a.load).toBe(2)
    })
)

it.live("a delete whose answer is lost is indeterminate", () =>
  Effect.gen(function* () {
    const { numbers, proxy } = yield* proxied("full")
    const a = numbers.at("a")
    yield* a.save(1)
    proxy.cutNext("answer")
    expect(yield* Effect.flip(a.delete)).toMatchObject({ _tag: "WriteIndeterminate" })
    expect(yield* Effect.option(a.load)).toMatchObject({ _tag: "None" })
  })
)

it.live("a read whose connection breaks is done again on another one", () =>
  Effect.gen(function* () {
    const { numbers, proxy } = yield* proxied("none")
    yield* numbers.at("a").save(1)
    for (const what of ["request", "answer"] as const) {
      proxy.cutNext(what)
      expect(yield* numbers.at("a").load).toBe(1)
    }
    expect(proxy.cuts()).toBe(2)
  })
)

it.live("a server that says nothing is given up after statementTimeout", () =>
  Effect.gen(function* () {
    const proxy = yield* cutProxy(yield* newDatabase)
    const driver = yield* openDriver({ url: proxy.url, statementTimeout: "300 millis", listen: false })
    const numbers = yield* on(driver)(SqlAgent.family({ name: "numbers", schema: Schema.Number }))
    const a = numbers.at("a")
    yield* a.save(1)
    proxy.cutNext("silence")
    expect(yield* Effect.flip(a.load)).toMatchObject({
      _tag: "StorageUnavailable",
      retryable: true,
      reason: expect.stringContaining("statementTimeout")
    })
    yield* a.load
    proxy.cutNext("silence")
    expect(yield* Effect.flip(a.save(2))).toMatchObject({ _tag: "WriteIndeterminate" })
    expect(yield* a.load).toBe(1)
    expect(Exit.isSuccess(yield* Effect.exit(a.save(3)))).toBe(true)
  })
)
