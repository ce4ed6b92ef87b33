import { expect, it } from "@effect/vitest"
import { SqlAgent } from "dgents"
import { Effect, Schema } from "effect"
import { cutProxy } from "../../cutProxy.ts"
import { following, newDatabase, on, openDriver, query } from "./driver.ts"

const number = SqlAgent.make({ name: "number", schema: Schema.Number, history: "full" })

it.live("changes tell of the commits of other drivers at once, and hear nothing while nobody follows", () =>
  Effect.gen(function* () {
    const url = yield* newDatabase
    const [mine, other] = yield* Effect.all([openDriver({ url, poll: "Infinity" }), openDriver({ url })])
    const [followed, written] = [yield* on(mine)(number), yield* on(other)(number)]
    const listeners = Effect.map(
      query(
        url,
        "SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"
      ),
      ([row]) => row?.["n"]
    )
    yield* written.save(1)
    expect(yield* listeners).toBe(0)
    yield* Effect.scoped(
      Effect.gen(function* () {
        const next = yield* following(followed)
        expect(yield* next).toBe(1)
        expect(yield* listeners).toBe(1)
        yield* written.save(2)
        expect(yield* next).toBe(2)
        yield* followed.save(3)
        yield* written.save(4)
        yield* written.delete
        expect(yield* next).toBe(3)
        // A delete takes the history along: what came just before it may be seen no more.
        const last = yield* next
        expect([4, undefined]).toContain(last)
        if (last === 4) expect(yield* next).toBe(undefined)
      })
    )
    while ((yield* listeners) !== 0) yield* Effect.sleep("10 millis")
  })
)

it.live("what is committed while nothing can be heard is told after the connection is back", () =>
  Effect.gen(function* () {
    const url = yield* newDatabase
    const proxy = yield* cutProxy(url)
    const mine = yield* openDriver({ url, poll: "Infinity", listen: { url: proxy.url } })
    const other = yield* openDriver({ url })
    const [followed, written] = [yield* on(mine)(number), yield* on(other)(number)]
    yield* written.save(1)
    const next = yield* following(followed)
    expect(yield* next).toBe(1)
    proxy.setOpen(false)
    yield* query(
      url,
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND pid <> pg_backend_pid()"
    )
    yield* written.save(2)
    yield* written.save(3)
    proxy.setOpen(true)
    expect([yield* next, yield* next]).toEqual([2, 3])
    yield* written.save(4)
    expect(yield* next).toBe(4)
  })
)

it.live("a commit of more keys than a notice holds is told as well", () =>
  Effect.gen(function* () {
    const url = yield* newDatabase
    const [mine, other] = yield* Effect.all([openDriver({ url, poll: "Infinity" }), openDriver({ url })])
    const family = SqlAgent.family({ name: "numbers", schema: Schema.Number })
    const [followed, written] = [yield* on(mine)(family), yield* on(other)(family)]
    const key = (i: number) => `${"long".repeat(100)} ${i} '"\\\0 ü`
    yield* written.at(key(0)).save(1)
    const next = yield* following(followed.at(key(0)))
    expect(yield* next).toBe(1)
    yield* written.saveMany(Array.from({ length: 30 }, (_, i) => [key(i), 2]))
    expect(yield* next).toBe(2)
    yield* written.at(key(0)).save(3)
    expect(yield* next).toBe(3)
  })
)

it.live("whoever sends what on the channel, changes go on", () =>
  Effect.gen(function* () {
    const url = yield* newDatabase
    const [mine, other] = yield* Effect.all([openDriver({ url, poll: "Infinity" }), openDriver({ url })])
    const [followed, written] = [yield* on(mine)(number), yield* on(other)(number)]
    yield* written.save(1)
    const next = yield* following(followed)
    expect(yield* next).toBe(1)
    const channels = yield* mine.engine.query({ sql: "SELECT 1", params: [] })
    expect(channels).toHaveLength(1)
    const [row] = yield* query(
      url,
      "SELECT substring(query FROM '\"(.*)\"') AS channel FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()"
    )
    for (const payload of ["", "nonsense", "[]", "[1,2]", "null", '["a","b",[1]]'])
      yield* query(url, "SELECT pg_notify($1, $2)", [row?.["channel"], payload])
    yield* written.save(2)
    expect(yield* next).toBe(2)
  })
)

it.live("without notices and without listening, changes come by polling", () =>
  Effect.gen(function* () {
    const url = yield* newDatabase
    const options = { url, notify: false, listen: false, poll: "50 millis" } as const
    const [mine, other] = yield* Effect.all([openDriver(options), openDriver(options)])
    const [followed, written] = [yield* on(mine)(number), yield* on(other)(number)]
    yield* written.save(1)
    const next = yield* following(followed)
    expect(yield* next).toBe(1)
    yield* written.save(2)
    expect(yield* next).toBe(2)
  })
)
