import { expect, it } from "@effect/vitest"
import { DataAgent, SqlAgent, type SqlEngine } from "dgents"
import { Effect, Exit, Fiber, Schema } from "effect"
import pg from "pg"
import { cutProxy } from "../../cutProxy.ts"
import { newDatabase, on, openDriver, query } from "./driver.ts"

const collection = "family:tests"
const all: SqlEngine.Keep = { count: Number.POSITIVE_INFINITY, from: Number.NEGATIVE_INFINITY }
const none: SqlEngine.Keep = { ...all, count: 1 }

const put = (key: string, state: string | Uint8Array, more: Partial<SqlEngine.Put> = {}): SqlEngine.Put => ({
  _tag: "Put",
  collection,
  key,
  state,
  savedAt: 1_000,
  expected: "any",
  keep: all,
  patch: undefined,
  ...more
})

const remove = (key: string): SqlEngine.Remove => ({ _tag: "Remove", collection, key })

const unbounded = { concurrency: "unbounded" } as const

it.effect("a state comes back to the byte: order of keys, escapes, -0, text that is no JSON, bytes", () =>
  Effect.gen(function* () {
    const { engine } = yield* openDriver()
    const texts = [
      '{"b":1,"a":2,"b":3}',
      '{ "spaced" : [1.0, -0, 1e2] }',
      '"\\u0000 \\ud800 \\udc00 \\ud83d\\ude00 \\\\u0000"',
      "no JSON at all",
      "a raw \0 and a lone \ud800",
      "",
      "[".repeat(20_000) + "]".repeat(20_000),
      `[1e${"9".repeat(7)}]`,
      new Uint8Array([0, 255, 128])
    ]
    // Together, so that they share a statement, and each alone.
    yield* Effect.forEach(texts, (state, i) => engine.write([put(`together ${i}`, state)]), unbounded)
    yield* Effect.forEach(texts, (state, i) => engine.write([put(`alone ${i}`, state)]))
    for (const [i, state] of texts.entries())
      for (const how of ["together", "alone"]) {
        const found = yield* engine.read({ collection, key: `${how} ${i}` })
        const same =
          typeof state === "string"
            ? found?.state === state
            : Buffer.compare(Buffer.from(found?.state as Uint8Array), state) === 0
        expect([how, i, same]).toEqual([how, i, true])
      }
  })
)

it.effect("queries see a state as JSONB, and what JSONB cannot hold as the closest that it can", () =>
  Effect.gen(function* () {
    const { engine } = yield* openDriver()
    yield* engine.write([put("a", '{"text":"nul \\u0000, lone \\ud800x, pair \\ud83d\\ude00, slash \\\\u0000"}')])
    yield* engine.write([put("b", "no JSON")])
    yield* engine.write([put("c", '{"text":"plain"}')])
    const sql = "SELECT key, state ->> 'text' AS text, approximate FROM dgents_state ORDER BY key"
    expect(yield* engine.query({ sql, params: [] })).toEqual([
      { key: "a", text: "nul \ufffd, lone \ufffdx, pair 😀, slash \\u0000", approximate: true },
      { key: "b", text: null, approximate: false },
      { key: "c", text: "plain", approximate: false }
    ])
  })
)

it.effect("keys are any text, in the order of their bytes", () =>
  Effect.gen(function* () {
    const { engine } = yield* openDriver()
    const keys = [
      "",
      "\0",
      "\0\0",
      "\0\u0001",
      "\u0001",
      "\u0001\0",
      "\u0001\u0001",
      "\u0002",
      "a",
      "a\0",
      "a\0b",
      "a\u0001",
      "ab",
      "é",
      "\uffff",
      "😀"
    ]
    yield* Effect.forEach(keys, (key, i) => engine.write([put(key, String(i))]), unbounded)
    expect(yield* engine.keys(collection, { from: "" }, 100)).toEqual(keys)
    expect(yield* engine.keys(collection, { from: "a" }, 2)).toEqual(["a", "a\0"])
    expect(yield* engine.keys(collection, { after: "a\0" }, 2)).toEqual(["a\0b", "a\u0001"])
    const found = yield* engine.readMany(collection, ["\0", "nowhere", "a\u0001"])
    expect([...found.keys()].sort()).toEqual(["\0", "a\u0001"])
  })
)

it.effect("a key that no index can hold is refused, and its neighbours are stored", () =>
  Effect.gen(function* () {
    const { engine } = yield* openDriver()
    // Of chance, since what repeats itself is compressed.
    const long = Array.from({ length: 9_000 }, () => String.fromCharCode(97 + Math.random() * 26)).join("")
    const exits = yield* Effect.forEach(
      ["a", long, "b"],
      (key) => Effect.exit(engine.write([put(key, "1")])),
      unbounded
    )
    expect(exits.map(Exit.isSuccess)).toEqual([true, false, true])
    expect(yield* Effect.flip(engine.write([put(long, "1")]))).toMatchObject({ _tag: "Invalid" })
    expect(yield* engine.keys(collection, { from: "" }, 10)).toEqual(["a", "b"])
  })
)

it.effect("of many who expect one revision one succeeds, and the others are told which one there is", () =>
  Effect.gen(function* () {
    const url = yield* newDatabase
    const [a, b] = [(yield* openDriver({ url })).engine, (yield* openDriver({ url })).engine]
    for (let expected = 0; expected < 20; expected++) {
      const exits = yield* Effect.forEach(
        [a, b, a, b, a, b],
        (engine, i) => Effect.exit(engine.write([put("k", String(i), { expected })])),
        unbounded
      )
      expect(exits.filter(Exit.isSuccess).map(({ value }) => value)).toEqual([[expected + 1]])
      expect(exits.filter(Exit.isFailure).map(({ cause }) => cause.reasons[0])).toMatchObject(
        Array.from({ length: 5 }, () => ({ error: { _tag: "Conflict", actual: expected + 1 } }))
      )
    }
  })
)

it.effect("no revision is used twice, however deletes and writes of several connections meet", () =>
  Effect.gen(function* () {
    const url = yield* newDatabase
    const engines = yield* Effect.forEach([1, 2, 3, 4], () => openDriver({ url }))
    const written: Array<string> = []
    const removed: Array<string> = []
    yield* Effect.forEach(
      engines,
      ({ engine }, e) =>
        Effect.gen(function* () {
          for (let i = 0; i < 60; i++) {
            const key = `k${(i * 7 + e) % 3}`
            if ((i + e) % 3 === 0) {
              const [revision] = yield* engine.write([remove(key)])
              if (revision !== 0) removed.push(`${key} ${revision}`)
            } else {
              const [revision] = yield* engine.write([put(key, `"${e} ${i}"`)])
              written.push(`${key} ${revision}`)
            }
          }
        }),
      unbounded
    )
    expect(new Set(written).size).toBe(written.length)
    expect(new Set(removed).size).toBe(removed.length)
    expect(written).toEqual(expect.arrayContaining(removed))
    // A history is what was written since the last delete, without a gap.
    const { engine } = yield* openDriver({ url })
    for (const key of yield* engine.keys(collection, { from: "" }, 10)) {
      const current = yield* engine.read({ collection, key })
      const revisions = (yield* engine.history({ collection, key }, Number.POSITIVE_INFINITY, 1_000)).map(
        (row) => row.revision
      )
      const since = current?.since ?? 0
      expect(revisions).toEqual(Array.from({ length: revisions.length }, (_, i) => (current?.revision ?? 0) - i))
      expect(revisions.at(-1)).toBe(since)
    }
  })
)

/** What an engine does that meets a transaction of somebody else, which commits as soon as the engine waits for it. */
const meeting = <A, E, R>(url: string, transaction: ReadonlyArray<string>, effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const other = new pg.Client({ connectionString: url })
    yield* Effect.promise(() => other.connect())
    yield* Effect.addFinalizer(() => Effect.promise(() => other.end()))
    for (const sql of ["BEGIN", ...transaction]) yield* Effect.promise(() => other.query(sql))
    const fiber = yield* Effect.forkScoped(effect)
    const waiting = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    while ((yield* query(url, waiting)).length === 0) yield* Effect.yieldNow
    yield* Effect.promise(() => other.query("COMMIT"))
    return yield* Fiber.join(fiber)
  })

it.effect("a key that is removed while it is written begins above the revision that was removed", () =>
  Effect.gen(function* () {
    const url = yield* newDatabase
    const { engine } = yield* openDriver({ url })
    yield* engine.write([put("a", "1")])
    yield* engine.write([put("a", "2")])
    const removal = [
      "DELETE FROM dgents_state WHERE key = 'a'",
      "DELETE FROM dgents_history WHERE key = 'a'",
      "UPDATE dgents_floor SET revision = 2"
    ]
    expect(yield* meeting(url, removal, engine.write([put("a", "3"), put("b", "1")]))).toEqual([3, 3])
  })
)

it.effect("a key that is written while it is removed leaves no history to the next one", () =>
  Effect.gen(function* () {
    const url = yield* newDatabase
    const { engine } = yield* openDriver({ url })
    yield* engine.write([put("a", "1")])
    const put2 = [
      `INSERT INTO dgents_history
       SELECT collection, key, revision, saved_at, state, approximate, body, raw, false, op FROM dgents_state`,
      "UPDATE dgents_state SET revision = 2"
    ]
    expect(yield* meeting(url, put2, engine.write([remove("a")]))).toEqual([2])
    expect(yield* engine.history({ collection, key: "a" }, 10, 10)).toEqual([])
    expect(yield* engine.write([put("a", "3")])).toEqual([3])
    expect((yield* engine.history({ collection, key: "a" }, 10, 10)).map((row) => row.revision)).toEqual([3])
  })
)

it.effect("what is superseded goes to the history as it was committed last, also while one waited for it", () =>
  Effect.gen(function* () {
    const url = yield* newDatabase
    const { engine } = yield* openDriver({ url })
    for (const more of [[], [put("other", "1")]]) {
      yield* engine.write([remove("a")])
      const [first = 0] = yield* engine.write([put("a", '"first"')])
      const second = ["UPDATE dgents_state SET revision = revision + 1, body = '\"second\"' WHERE key = 'a'"]
      expect((yield* meeting(url, second, engine.write([put("a", '"third"'), ...more])))[0]).toBe(first + 2)
      expect(yield* engine.history({ collection, key: "a" }, first + 2, 10)).toMatchObject([
        { revision: first + 1, state: '"second"' }
      ])
    }
  })
)

it.effect("many states in one write are all there or none, whoever writes them at the same time", () =>
  Effect.gen(function* () {
    const url = yield* newDatabase
    const engines = yield* Effect.forEach([1, 2, 3], () => openDriver({ url }))
    const keys = Array.from({ length: 8 }, (_, i) => `k${i}`)
    const writers = engines.map(({ engine }, e) =>
      Effect.gen(function* () {
        for (let i = 0; i < 20; i++) {
          // Each in an order of its own, which must not lead to a deadlock.
          const mine = e === 1 ? keys.toReversed() : keys
          yield* engine.write(mine.map((key) => put(key, `"${e} ${i}"`)))
          if (e === 2) yield* engine.write(keys.map(remove))
        }
      })
    )
    const { engine } = yield* openDriver({ url })
    const reader = Effect.gen(function* () {
      for (let i = 0; i < 60; i++) {
        const found = yield* engine.readMany(collection, keys)
        expect([0, keys.length]).toContain(found.size)
        expect(new Set([...found.values()].map(({ state }) => state)).size).toBeLessThanOrEqual(1)
      }
    })
    yield* Effect.all([...writers, reader], unbounded)
  })
)

it.live("writes of one key are answered in the order of their commits, whichever connection is faster", () =>
  Effect.gen(function* () {
    const proxy = yield* cutProxy(yield* newDatabase)
    const { engine } = yield* openDriver({ url: proxy.url })
    // Two connections, so that neither has to be made first.
    yield* Effect.all([engine.write([put("k", "0")]), engine.ping], unbounded)
    const answered: Array<number> = []
    const write = (state: string) =>
      Effect.map(engine.write([put("k", state)]), ([revision = 0]) => answered.push(revision))
    proxy.cutNext("delay")
    const first = yield* Effect.forkScoped(write("1"))
    yield* Effect.sleep("30 millis")
    yield* write("2")
    yield* Fiber.join(first)
    expect(answered).toEqual([2, 3])
  })
)

it.effect("a put and a remove in one write happen together", () =>
  Effect.gen(function* () {
    const { engine } = yield* openDriver()
    yield* engine.write([put("a", "1")])
    expect(yield* engine.write([remove("a"), put("b", "2")])).toEqual([1, 2])
    expect(yield* engine.keys(collection, { from: "" }, 10)).toEqual(["b"])
    const long = Array.from({ length: 9_000 }, () => String.fromCharCode(97 + Math.random() * 26)).join("")
    expect(yield* Effect.flip(engine.write([remove("b"), put(long, "3")]))).toMatchObject({ _tag: "Invalid" })
    expect(yield* engine.keys(collection, { from: "" }, 10)).toEqual(["b"])
  })
)

it.effect("a history is pruned by count and by age in the step that writes, and a patch stands in for a state", () =>
  Effect.gen(function* () {
    const { engine } = yield* openDriver()
    const revisions = (key: string) =>
      Effect.map(engine.history({ collection, key }, Number.POSITIVE_INFINITY, 100), (rows) =>
        rows.map((row) => row.revision)
      )
    for (let i = 1; i <= 10; i++) {
      yield* engine.write([put("count", `${i}`, { savedAt: i, keep: { ...all, count: 3 } })])
      yield* engine.write([put("age", `${i}`, { savedAt: i, keep: { ...all, from: i - 4 } })])
      // Two in one statement.
      yield* engine.write([
        put("count 2", `${i}`, { savedAt: i, keep: { ...all, count: 3 } }),
        put("age 2", `${i}`, { savedAt: i, keep: { ...all, from: i - 4 } })
      ])
    }
    for (const key of ["count", "count 2"]) expect(yield* revisions(key)).toEqual([10, 9, 8])
    for (const key of ["age", "age 2"]) expect(yield* revisions(key)).toEqual([10, 9, 8, 7, 6])
    yield* engine.write([put("count", "11", { savedAt: 11, keep: none })])
    expect(yield* revisions("count")).toEqual([11, 9, 8])

    yield* engine.write([put("p", '"old"')])
    yield* engine.write([put("p", '"new"', { expected: 1, patch: { base: 1, text: '"patch"' } })])
    yield* engine.write([put("q", '"old"'), put("q 2", '"old"')])
    const patches = (base: number) => ({ patch: { base, text: '"patch"' } })
    yield* engine.write([put("q", '"new"', patches(1)), put("q 2", '"new"', patches(7))])
    for (const [key, state, isPatch] of [
      ["q", '"patch"', true],
      ["q 2", '"old"', false]
    ] as const)
      expect(yield* engine.history({ collection, key }, 2, 10)).toMatchObject([{ revision: 1, state, isPatch }])
    yield* engine.write([put("p", '"newer"', { patch: { base: 7, text: '"of another"' } })])
    expect(yield* engine.history({ collection, key: "p" }, 3, 10)).toMatchObject([
      { revision: 2, state: '"new"', isPatch: false },
      { revision: 1, state: '"patch"', isPatch: true }
    ])
  })
)

it.effect("the revision at a time is found by looking up, not by reading the history", () =>
  Effect.gen(function* () {
    const url = yield* newDatabase
    const { engine } = yield* openDriver({ url })
    const id = { collection, key: "k" }
    expect(yield* engine.revisionAt(id, 1)).toBe(0)
    yield* engine.write([put("k", "0")])
    yield* query(
      url,
      `INSERT INTO dgents_history SELECT collection, key, n, n * 10, state, approximate, body, raw, false, op
       FROM dgents_state, generate_series(1, 20000) n WHERE n % 5 <> 0`
    )
    yield* query(url, "UPDATE dgents_state SET revision = 20001, since = 1, saved_at = 200010")
    yield* query(url, "ANALYZE dgents_history")
    expect(yield* engine.revisionAt(id, 9)).toBe(0)
    expect(yield* engine.revisionAt(id, 10)).toBe(1)
    expect(yield* engine.revisionAt(id, 59)).toBe(4)
    expect(yield* engine.revisionAt(id, 100_019)).toBe(10_001)
    expect(yield* engine.revisionAt(id, 200_009)).toBe(19_999)
    expect(yield* engine.revisionAt(id, 200_010)).toBe(20_001)
    const read = () =>
      Effect.map(
        query(
          url,
          "SELECT seq_tup_read + idx_tup_fetch AS n FROM pg_stat_user_tables WHERE relname = 'dgents_history'"
        ),
        ([row]) => Number(row?.["n"])
      )
    const before = yield* read()
    // Figures of a session are told at its end, by which nothing else happens.
    const another = Effect.flatMap(openDriver({ url }), (driver) => driver.engine.revisionAt(id, 77_777))
    expect(yield* Effect.scoped(another)).toBe(7_777)
    while ((yield* read()) === before) yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 10)))
    expect((yield* read()) - before).toBeLessThan(50)
  })
)

it.effect("a query reads, and nothing that it says can write or outlast it", () =>
  Effect.gen(function* () {
    const { engine } = yield* openDriver({ max: 1 })
    yield* engine.write([put("a", '{"n":1}')])
    for (const sql of [
      "DELETE FROM dgents_state",
      "WITH gone AS (DELETE FROM dgents_state RETURNING 1) SELECT * FROM gone",
      "SELECT 1; DELETE FROM dgents_state",
      "SELECT 1; COMMIT; DELETE FROM dgents_state",
      "CREATE TABLE mine (a int)",
      "SELECT nonsense"
    ])
      expect(yield* Effect.flip(engine.query({ sql, params: [] }))).toMatchObject({
        _tag: "Unavailable",
        retryable: false
      })
    yield* Effect.exit(engine.query({ sql: "COMMIT", params: [] }))
    yield* engine.query({ sql: "SET search_path = nowhere", params: [] })
    expect(yield* engine.query({ sql: "SELECT current_setting('search_path') AS path", params: [] })).not.toEqual([
      { path: "nowhere" }
    ])
    const params = ["x'; --", 1.5, 2n, null, new Uint8Array([1, 2])]
    const sql =
      "SELECT $1::text AS a, $2::float8 AS b, $3::bigint AS c, $4::text AS d, $5::bytea AS e, 9007199254740993 AS f"
    expect(yield* engine.query({ sql, params })).toEqual([
      { a: "x'; --", b: 1.5, c: 2, d: null, e: Buffer.from([1, 2]), f: 9_007_199_254_740_993n }
    ])
    expect(yield* engine.keys(collection, { from: "" }, 10)).toEqual(["a"])
  })
)

it.effect("writes that come together share a commit, and reads a round trip", () =>
  Effect.gen(function* () {
    const url = yield* newDatabase
    const driver = yield* openDriver({ url })
    const numbers = yield* on(driver)(SqlAgent.family({ name: "numbers", schema: Schema.Number }))
    const keys = Array.from({ length: 64 }, (_, i) => `k${i}`)
    yield* Effect.forEach(keys, (key, i) => numbers.at(key).save(i), unbounded)
    const commits = yield* query(url, "SELECT count(DISTINCT xmin::text)::int AS n FROM dgents_state")
    expect(Number(commits[0]?.["n"])).toBeLessThanOrEqual(2)
    expect(yield* Effect.forEach(keys, (key) => numbers.at(key).load, unbounded)).toEqual(keys.map((_, i) => i))
    expect((yield* driver.figures).total).toBeLessThanOrEqual(2)
  })
)

it.live("increments through several drivers are all counted", () =>
  Effect.gen(function* () {
    const url = yield* newDatabase
    const counters = yield* Effect.forEach([1, 2, 3], () =>
      Effect.flatMap(openDriver({ url }), (driver) =>
        on(driver)(SqlAgent.make({ name: "counter", schema: Schema.Number, initial: 0, history: "full" }))
      )
    )
    yield* Effect.forEach(
      counters,
      (counter) =>
        Effect.repeat(
          DataAgent.update(counter, (n) => n + 1, { retries: 10_000 }),
          { times: 29 }
        ),
      unbounded
    )
    expect(yield* (counters[0] ?? expect.fail()).load).toBe(90)
  })
)
