// What is not the same on every log: the server, the network before it, and those who use it at the same time.
import { expect, it } from "@effect/vitest"
import { SqlAgent, SqlDriver } from "dgents"
import type { PostgresDriver } from "dgents/postgres"
import { Effect, Exit, Fiber, Schema } from "effect"
import { statementsOf } from "../../../../src/agents/sql/postgres/logStatements.ts"
import { tablesOf, version } from "../../../../src/agents/sql/postgres/schema.ts"
import { cutProxy } from "../../cutProxy.ts"
import { newDatabase, openDriver, query } from "../../sql/postgres/driver.ts"
import { poolingProxy } from "../../sql/postgres/poolingProxy.ts"
import * as Server from "../../sql/postgres/server.ts"
import { added, all, id, noticed, on } from "./logs.ts"

const openLog = (options: PostgresDriver.Options) => Effect.flatMap(openDriver(options), on)

const proxied = Effect.gen(function* () {
  const direct = yield* newDatabase
  const proxy = yield* cutProxy(direct)
  const log = yield* openLog({
    url: proxy.url,
    acquireTimeout: "2 seconds",
    connectTimeout: "1 second",
    listen: false
  })
  return { direct, log, proxy }
})

it.live("an append with an id whose answer is lost is acknowledged, and was done once", () =>
  Effect.gen(function* () {
    const { log, proxy } = yield* proxied
    yield* log.append(added([1]))
    proxy.cutNext("answer")
    expect(yield* log.append(added([2, 3], { id: "x", expected: 1 }))).toEqual({ first: 2, last: 3, wasKnown: false })
    // Lost on its way to the server.
    proxy.cutNext("request")
    expect(yield* log.append(added([4], { id: "y", expected: 3 }))).toEqual({ first: 4, last: 4, wasKnown: false })
    // Done before, by another append.
    proxy.cutNext("answer")
    expect(yield* log.append(added([2, 3], { id: "x" }))).toEqual({ first: 2, last: 3, wasKnown: true })
    expect(proxy.cuts()).toBe(3)
    expect((yield* all(log)).map(({ data }) => data)).toEqual(["1", "2", "3", "4"])
  })
)

it.live("of appends that share a lost answer, those with an id are acknowledged and the others are indeterminate", () =>
  Effect.gen(function* () {
    const { log, proxy } = yield* proxied
    yield* log.append(added([0]))
    proxy.cutNext("answer")
    const exits = yield* Effect.forEach(
      Array.from({ length: 10 }, (_, n) => n),
      (n) => Effect.exit(log.append(added([n], { key: `${n}`, id: n % 2 === 0 ? "x" : undefined }))),
      { concurrency: "unbounded" }
    )
    for (const [n, exit] of exits.entries())
      if (n % 2 === 0) expect(exit).toEqual(Exit.succeed({ first: 1, last: 1, wasKnown: false }))
      else expect(yield* Effect.flip(exit)).toMatchObject({ _tag: "Indeterminate" })
    for (const n of exits.keys()) expect(yield* all(log, { ...id, key: `${n}` })).toHaveLength(1)
  })
)

it.live("an append whose answer is lost together with the way to the server is indeterminate", () =>
  Effect.gen(function* () {
    const { direct, log, proxy } = yield* proxied
    yield* log.append(added([1]))
    proxy.cutNext("answer")
    proxy.setOpen(false)
    expect(yield* Effect.flip(log.append(added([2], { id: "x" })))).toMatchObject({ _tag: "Indeterminate" })
    expect(yield* query(direct, "SELECT last::int FROM dgents_stream")).toEqual([{ last: 2 }])
    proxy.setOpen(true)
    expect(yield* log.append(added([2], { id: "x" }))).toEqual({ first: 2, last: 2, wasKnown: true })
  })
)

it.live("a lost append whose expectation may still come true is indeterminate, and one that cannot is a conflict", () =>
  Effect.gen(function* () {
    const { log, proxy } = yield* proxied
    yield* log.append(added([1]))
    proxy.cutNext("request")
    expect(yield* Effect.flip(log.append(added([2], { id: "x", expected: 5 })))).toMatchObject({
      _tag: "Indeterminate"
    })
    proxy.cutNext("request")
    expect(yield* Effect.flip(log.append(added([2], { id: "y", expected: 0 })))).toEqual({
      _tag: "Conflict",
      actual: 1
    })
  })
)

it.live(
  "who repeats an append under its id until it is acknowledged has each event once, though the server is killed",
  () =>
    Effect.gen(function* () {
      const server = yield* Server.start
      const log = yield* openLog({ url: server.url, acquireTimeout: "1 second", connectTimeout: "1 second" })
      let isStopped = false
      const append = (n: string): Effect.Effect<unknown, unknown> =>
        Effect.catchIf(
          log.append(added([n], { id: n })),
          (failure) => failure._tag === "Indeterminate" || (failure._tag === "Unavailable" && failure.retryable),
          () => Effect.andThen(Effect.sleep("20 millis"), append(n))
        )
      const worker = (name: string) =>
        Effect.gen(function* () {
          let n = 0
          while (!isStopped) yield* append(`${name} ${++n}`)
          return n
        })
      const names = ["a", "b", "c", "d", "e", "f"]
      const working = yield* Effect.forkScoped(Effect.forEach(names, worker, { concurrency: "unbounded" }))
      for (let round = 0; round < 2; round++) {
        yield* Effect.sleep("200 millis")
        yield* server.kill
        yield* server.restart
      }
      yield* Effect.sleep("200 millis")
      isStopped = true
      const counts = yield* Fiber.join(working)
      const events = yield* all(log)
      expect(events.map(({ position }) => position)).toEqual(events.map((_, i) => i + 1))
      const data = events.map(({ data }): string => JSON.parse(data))
      for (const [i, name] of names.entries())
        expect(data.filter((text) => text.startsWith(name))).toEqual(
          Array.from({ length: counts[i] ?? 0 }, (_, n) => `${name} ${n + 1}`)
        )
    })
)

it.live("a user who may use the tables and nothing else appends", () =>
  Effect.gen(function* () {
    const url = yield* newDatabase
    yield* Effect.scoped(openDriver({ url }))
    const role = `appender_${process.pid}`
    yield* query(url, `CREATE ROLE ${role} LOGIN`)
    yield* query(url, `GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ${role}`)
    const guest = new URL(url)
    guest.username = role
    const log = yield* openLog({ url: guest.href })
    yield* log.append(added([1, 2]))
    yield* log.compact(id, 1)
    expect(yield* all(log)).toHaveLength(1)
  })
)

it.live("drivers that append to the same new streams, in any order, get each position once", () =>
  Effect.gen(function* () {
    const url = yield* newDatabase
    const logs = yield* Effect.forEach([1, 2, 3, 4], () => openLog({ url, max: 3 }))
    const keys = Array.from({ length: 12 }, (_, n) => `k${n}`)
    yield* Effect.forEach(
      logs,
      (log, l) =>
        Effect.forEach(
          Array.from({ length: 8 }, (_, round) => round),
          (round) =>
            Effect.forEach(
              round % 2 === l % 2 ? keys : keys.toReversed(),
              (key) =>
                log.append(
                  added(
                    [
                      [l, round, 0],
                      [l, round, 1]
                    ],
                    { key, id: `${l} ${round}` }
                  )
                ),
              { concurrency: "unbounded" }
            )
        ),
      { concurrency: "unbounded" }
    )
    for (const [i, key] of keys.entries()) {
      const log = logs[i % logs.length] ?? (yield* Effect.die("unreachable"))
      const events = yield* all(log, { ...id, key })
      expect(events.map(({ position }) => position)).toEqual(Array.from({ length: 64 }, (_, n) => n + 1))
      const pairs = events.map(({ data }): ReadonlyArray<number> => JSON.parse(data))
      for (let n = 0; n < 64; n += 2) expect(pairs[n + 1]).toEqual([...(pairs[n] ?? []).slice(0, 2), 1])
    }
  })
)

it.live("compactions that meet come to the highest position of all, and stay there", () =>
  Effect.gen(function* () {
    const url = yield* newDatabase
    const log = yield* openLog({ url })
    yield* log.append(added([1, 2, 3, 4, 5, 6]))
    yield* Effect.forEach([4, 5, 3, 2], (upTo) => log.compact(id, upTo), { concurrency: "unbounded" })
    // One that looked before the others were done.
    yield* query(url, statementsOf(tablesOf("public")).compact, [id.collection, id.key, 3])
    expect(yield* log.bounds(id)).toEqual({ compacted: 5, last: 6 })
    expect(yield* all(log)).toHaveLength(1)
  })
)

it.live("a stream that was only ever refused an append is no key", () =>
  Effect.gen(function* () {
    const log = yield* openLog({ url: yield* newDatabase })
    expect(yield* Effect.flip(log.append(added([1], { expected: 5 })))).toEqual({ _tag: "Conflict", actual: 0 })
    expect(yield* log.keys(id.collection, { prefix: "", after: undefined, limit: 9 })).toEqual([])
    expect(yield* log.bounds(id)).toEqual({ compacted: 0, last: 0 })
    expect(yield* log.append(added([1], { expected: 0 }))).toMatchObject({ first: 1 })
  })
)

it.live("works in a database whose transactions are serializable", () =>
  Effect.gen(function* () {
    const url = yield* newDatabase
    yield* query(
      url,
      `ALTER DATABASE "${new URL(url).pathname.slice(1)}" SET default_transaction_isolation = serializable`
    )
    const logs = yield* Effect.forEach([1, 2, 3], () => openLog({ url }))
    yield* Effect.forEach(logs, (log) => Effect.forEach([1, 2, 3, 4, 5], (n) => log.append(added([n]))), {
      concurrency: "unbounded"
    })
    for (const log of logs) expect(yield* log.bounds(id)).toEqual({ compacted: 0, last: 15 })
  })
)

it.live("appends of other drivers are noticed at once, and those to other streams are not", () =>
  Effect.gen(function* () {
    const url = yield* newDatabase
    const log = yield* openLog({ url, poll: "Infinity" })
    const other = yield* openLog({ url })
    const seen = yield* Effect.forkScoped(
      noticed(
        log,
        Effect.map(log.bounds(id), ({ last }) => last === 3)
      )
    )
    let notices = 0
    yield* log.watch({ ...id, key: "elsewhere" }, () => notices++)
    yield* other.append(added([1]))
    yield* log.append(added([2]))
    yield* other.append(added([3]))
    yield* Fiber.join(seen)
    expect(notices).toBe(0)
  })
)

it.live("everything works behind a proxy that hands out sessions by transaction", () =>
  Effect.gen(function* () {
    const proxy = yield* poolingProxy(yield* newDatabase, 3)
    const logs = yield* Effect.forEach([1, 2], () => openLog({ url: proxy.url }))
    yield* Effect.forEach(
      logs,
      (log) =>
        Effect.forEach(
          Array.from({ length: 40 }, (_, n) => n),
          (n) => log.append(added([n], { key: `${n % 4}`, at: n })),
          { concurrency: 8 }
        ),
      { concurrency: "unbounded" }
    )
    const [log = yield* Effect.die("unreachable")] = logs
    const one = { ...id, key: "1" }
    expect(yield* log.bounds(one)).toEqual({ compacted: 0, last: 20 })
    expect(yield* log.positionAt(one, 100)).toBe(20)
    yield* log.compact(one, 7)
    expect(yield* all(log, one)).toHaveLength(13)
    expect(yield* log.keys(id.collection, { prefix: "", after: "0", limit: 9 })).toEqual(["1", "2", "3"])
    expect(Math.min(...proxy.served())).toBeGreaterThan(0)
  })
)

it.live("in a schema of any name", () =>
  Effect.gen(function* () {
    const url = yield* newDatabase
    const schema = `o'dd "schema"; $$ \\ DROP TABLE x; --`
    yield* query(url, `CREATE SCHEMA "${schema.replaceAll('"', '""')}"`)
    const [log, plain] = [yield* openLog({ url, schema }), yield* openLog({ url })]
    yield* log.append(added([1, 2], { id: "x" }))
    expect(yield* log.append(added([1, 2], { id: "x" }))).toEqual({ first: 1, last: 2, wasKnown: true })
    expect(yield* all(plain)).toEqual([])
  })
)

it.live("what the server cannot store is refused, and its neighbours are not", () =>
  Effect.gen(function* () {
    const log = yield* openLog({ url: yield* newDatabase })
    const noise = Array.from({ length: 20_000 }, (_, n) => String.fromCharCode(0x4e00 + ((n * 7919) % 20_000))).join("")
    const appends = [
      added([1], { key: "a" }),
      added([1], { events: [{ type: "T", data: "\0" }] }),
      added([1], { key: noise }),
      added([1], { key: "b", id: noise }),
      added([2], { key: "c" })
    ]
    const exits = yield* Effect.forEach(appends, (one) => Effect.exit(log.append(one)), { concurrency: "unbounded" })
    expect(exits.map(Exit.isSuccess)).toEqual([true, false, false, false, true])
    for (const exit of exits.filter(Exit.isFailure))
      expect(yield* Effect.flip(exit)).toMatchObject({
        _tag: "Invalid",
        reason: expect.stringContaining("cannot store")
      })
    expect(yield* log.keys(id.collection, { prefix: "", after: undefined, limit: 9 })).toEqual(["a", "c"])
  })
)

it.live("a page of a long stream costs its own rows, and the place of a time some look-ups", () =>
  Effect.gen(function* () {
    const url = yield* newDatabase
    const log = yield* openLog({ url })
    for (let n = 0; n < 5; n++) yield* log.append(added(Array(4_000).fill(0), { at: n }))
    yield* query(url, "ANALYZE dgents_event")
    const { positionAt, read } = statementsOf(tablesOf("public"))
    /** How many rows of events a statement looks at. */
    const rows = (sql: string, params: ReadonlyArray<number>) =>
      Effect.map(query(url, `EXPLAIN (ANALYZE, FORMAT JSON) ${sql}`, [id.collection, id.key, ...params]), (plan) =>
        looks(plan[0]?.["QUERY PLAN"])
      )
    expect(yield* rows(read, [9_000, 10, 1_000_000])).toBe(10)
    expect(yield* rows(positionAt, [2])).toBeLessThan(20)
    expect(yield* log.positionAt(id, 2)).toBe(12_000)
  })
)

const looks = (plan: unknown): number => {
  if (typeof plan !== "object" || plan === null) return 0
  const inner = Object.values(plan).reduce((sum: number, part: unknown) => sum + looks(part), 0)
  const isScan = "Relation Name" in plan && plan["Relation Name"] === "dgents_event"
  const {
    "Actual Loops": loops,
    "Actual Rows": each,
    "Rows Removed by Filter": removed = 0
  } = plan as Record<string, number>
  return inner + (isScan ? Math.ceil((loops ?? 0) * ((each ?? 0) + removed)) : 0)
}

it.live("a database of version 1 is brought to this version by many at once, with all that was in it", () =>
  Effect.gen(function* () {
    const url = yield* newDatabase
    for (const statement of version1) yield* query(url, statement)
    const drivers = yield* Effect.forEach(Array.from({ length: 6 }), () => openDriver({ url }), {
      concurrency: "unbounded"
    })
    expect(yield* query(url, "SELECT version::int FROM dgents_meta")).toEqual([{ version }])
    for (const [n, driver] of drivers.entries()) {
      const log = yield* on(driver)
      expect(yield* log.append(added([n], { expected: n }))).toMatchObject({ last: n + 1 })
      const numbers = yield* Effect.provideService(
        SqlAgent.family({ name: "numbers", schema: Schema.Number }),
        SqlDriver,
        driver
      )
      expect(yield* numbers.at("a").load).toBe(7)
    }
  })
)

it.live("tables of version 1 that are not ours are refused, and left as they are", () =>
  Effect.gen(function* () {
    const foreign = [
      version1.map((statement) => statement.replace("raw bytea", "raw text")),
      version1.filter((statement) => !statement.includes("dgents_floor"))
    ]
    for (const statements of foreign) {
      const url = yield* newDatabase
      for (const statement of statements) yield* query(url, statement)
      expect(yield* Effect.flip(Effect.scoped(openDriver({ url })))).toMatchObject({
        _tag: "StateCorrupt",
        reason: expect.stringContaining("not of dgents")
      })
      expect(yield* query(url, "SELECT version::int FROM dgents_meta")).toEqual([{ version: 1 }])
      expect(yield* query(url, "SELECT FROM pg_class WHERE relname IN ('dgents_stream', 'dgents_event')")).toEqual([])
    }
  })
)

/** The tables of version 1 as they were released, with a state. */
const version1 = [
  `CREATE TABLE dgents_state (collection text COLLATE "C" NOT NULL, key text COLLATE "C" NOT NULL, revision bigint NOT NULL,
    since bigint NOT NULL, saved_at double precision NOT NULL, state jsonb, approximate boolean NOT NULL, body text, raw bytea,
    op uuid NOT NULL, PRIMARY KEY (collection, key))`,
  `CREATE TABLE dgents_history (collection text COLLATE "C" NOT NULL, key text COLLATE "C" NOT NULL, revision bigint NOT NULL,
    saved_at double precision NOT NULL, state jsonb, approximate boolean NOT NULL, body text, raw bytea, is_patch boolean NOT NULL,
    op uuid NOT NULL, PRIMARY KEY (collection, key, revision))`,
  'CREATE TABLE dgents_floor (collection text COLLATE "C" PRIMARY KEY, revision bigint NOT NULL)',
  "CREATE TABLE dgents_meta (version bigint NOT NULL)",
  "INSERT INTO dgents_meta VALUES (1)",
  `INSERT INTO dgents_state VALUES ('family:numbers', 'a', 3, 1, 1000, '7', false, '7', NULL, gen_random_uuid())`
]
