// What the rows promise, below the agents.
import { readFileSync, writeFileSync } from "node:fs"
import { expect, it } from "@effect/vitest"
import Database from "better-sqlite3"
import type { SqlEngine } from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import { Effect, Schema } from "effect"
import { tempFile } from "../temp.ts"

const id = { collection: "c", key: "k" }
const all = { count: Number.POSITIVE_INFINITY, from: Number.NEGATIVE_INFINITY }
const put = (savedAt: number, options?: Partial<SqlEngine.Put>): SqlEngine.Put => ({
  _tag: "Put",
  ...id,
  state: `at ${savedAt}`,
  savedAt,
  expected: "any",
  keep: all,
  patch: undefined,
  ...options
})
const inMemory = Effect.map(SqliteDriver.make({ filename: ":memory:" }), (driver) => driver.engine)
const revisions = (engine: SqlEngine.Engine) =>
  Effect.map(engine.history(id, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY), (rows) =>
    rows.map(({ revision }) => revision)
  )

const upTo = (most: number) => Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: most }))
const Saves = Schema.Array(Schema.Struct({ wait: upTo(3), kept: Schema.Boolean })).check(
  Schema.isMinLength(1),
  Schema.isMaxLength(40)
)

it.effect.prop(
  "the revision as of a time is the one that a scan finds, whatever is kept",
  [Saves, upTo(40)],
  ([saves, more]) =>
    Effect.scoped(
      Effect.gen(function* () {
        const engine = yield* inMemory
        let now = 0
        for (const { kept, wait } of saves) {
          now += wait
          yield* engine.write([put(now, { keep: { ...all, count: kept ? more + 2 : 1 } })])
        }
        const rows = yield* engine.history(id, Number.POSITIVE_INFINITY, 100)
        for (let time = -1; time <= now + 1; time++)
          expect(yield* engine.revisionAt(id, time)).toBe(rows.find((row) => row.savedAt <= time)?.revision ?? 0)
      })
    )
)

it.effect("a write prunes by number and by age, both in its own step, and one without a history leaves it alone", () =>
  Effect.gen(function* () {
    const engine = yield* inMemory
    for (let n = 1; n <= 6; n++) yield* engine.write([put(n)])
    expect(yield* revisions(engine)).toEqual([6, 5, 4, 3, 2, 1])
    yield* engine.write([put(7, { keep: { ...all, count: 5 } })])
    expect(yield* revisions(engine)).toEqual([7, 6, 5, 4, 3])
    yield* engine.write([put(8, { keep: { ...all, from: 5 } })])
    expect(yield* revisions(engine)).toEqual([8, 7, 6, 5])
    yield* engine.write([put(9, { keep: { count: 1, from: 100 } })])
    expect(yield* revisions(engine)).toEqual([9, 7, 6, 5])
    yield* engine.write([put(10, { keep: { ...all, from: 100 } })])
    expect(yield* revisions(engine)).toEqual([10])
  })
)

it.effect("a patch takes the place of the revision that it was made for, and of no other", () =>
  Effect.gen(function* () {
    const engine = yield* inMemory
    yield* engine.write([put(1)])
    yield* engine.write([put(2, { patch: { base: 1, text: "[1]" } })])
    yield* engine.write([put(3, { patch: { base: 1, text: "[2]" } })])
    const rows = yield* engine.history(id, Number.POSITIVE_INFINITY, 10)
    expect(rows.map(({ isPatch, state }) => [state, isPatch])).toEqual([
      ["at 3", false],
      ["at 2", false],
      ["[1]", true]
    ])
  })
)

it.effect("a life begins above the floor, and since says where", () =>
  Effect.gen(function* () {
    const engine = yield* inMemory
    yield* engine.write([put(1)])
    yield* engine.write([put(2)])
    expect(yield* engine.write([{ _tag: "Remove", ...id }])).toEqual([2])
    expect(yield* engine.write([{ _tag: "Remove", ...id }])).toEqual([0])
    expect(yield* engine.floor("c")).toBe(2)
    yield* engine.write([put(3)])
    yield* engine.write([put(4)])
    expect(yield* engine.read(id)).toMatchObject({ revision: 4, since: 3, state: "at 4" })
    expect(yield* revisions(engine)).toEqual([4, 3])
  })
)

it.effect("a query answers rows by the names of their columns, and only reads", () =>
  Effect.gen(function* () {
    const file = yield* tempFile
    const { engine } = yield* SqliteDriver.make({ filename: file })
    yield* engine.write([put(1)])
    const found = yield* engine.query({
      sql: "SELECT key AS k, ? AS n, ? AS b, ? AS none FROM dgents_state WHERE key = ?",
      params: [1.5, new Uint8Array([1, 2]), null, "k"]
    })
    expect(found).toEqual([{ k: "k", n: 1.5, b: Buffer.from([1, 2]), none: null }])
    for (const sql of [
      "DELETE FROM dgents_state",
      "DELETE FROM dgents_state RETURNING key",
      "PRAGMA user_version = 9",
      "BEGIN",
      "ATTACH ':memory:' AS other",
      "SELECT 1; SELECT 2",
      "",
      "SELECT missing FROM dgents_state",
      "SELECT ?"
    ])
      expect(yield* Effect.flip(engine.query({ sql, params: [] }))).toMatchObject({
        _tag: "Unavailable",
        retryable: false
      })
    expect(yield* Effect.flip(engine.query({ sql: "SELECT missing FROM dgents_state", params: [] }))).toMatchObject({
      reason: expect.stringContaining("no such column: missing")
    })
    expect(yield* engine.read(id)).toMatchObject({ state: "at 1" })
    // More statements than are kept prepared.
    for (let n = 0; n < 250; n++) expect(yield* engine.query({ sql: `SELECT ${n} AS n`, params: [] })).toEqual([{ n }])
  })
)

it.effect("a ping changes nothing, and says when the database is closed", () =>
  Effect.gen(function* () {
    const engine = yield* Effect.scoped(Effect.tap(inMemory, (engine) => engine.ping))
    expect(yield* Effect.flip(engine.ping)).toEqual({ _tag: "Closed" })
  })
)

it.live("integrity is an empty list, or what SQLite finds wrong; figures tell sizes", () =>
  Effect.gen(function* () {
    const file = yield* tempFile
    const driver = yield* SqliteDriver.make({ filename: file })
    for (let n = 1; n <= 20; n++) yield* driver.engine.write([put(n, { state: "x".repeat(5000) })])
    expect(yield* driver.integrity).toEqual([])
    const { busy, fileBytes, freeBytes, logBytes, writes } = yield* driver.figures
    expect([busy, freeBytes, writes]).toEqual([0, 0, 20])
    expect(fileBytes).toBeGreaterThan(100_000)
    expect(logBytes).toBeGreaterThan(100_000)
    // A row that its table does not allow.
    const schemaWith = (from: string, to: string) => {
      const db = new Database(file)
      db.unsafeMode()
      db.pragma("writable_schema = ON")
      db.prepare("UPDATE sqlite_schema SET sql = replace(sql, ?, ?) WHERE name = 'dgents_state'").run(from, to)
      db.close()
    }
    schemaWith("saved_at REAL NOT NULL", "saved_at REAL")
    const db = new Database(file)
    db.exec("UPDATE dgents_state SET saved_at = NULL")
    db.close()
    schemaWith("saved_at REAL", "saved_at REAL NOT NULL")
    const found = yield* Effect.flatMap(SqliteDriver.make({ filename: file }), (driver) => driver.integrity)
    expect(found).toEqual(["NULL value in dgents_state.saved_at"])
  })
)

it.live("integrity tells of a file that is too damaged to be checked", () =>
  Effect.gen(function* () {
    const file = yield* tempFile
    yield* Effect.scoped(Effect.flatMap(SqliteDriver.make({ filename: file }), ({ engine }) => engine.write([put(1)])))
    const driver = yield* SqliteDriver.make({ filename: file })
    const bytes = readFileSync(file)
    bytes.fill(0xa5, 4096)
    writeFileSync(file, bytes)
    const found = yield* driver.integrity
    expect(found.length).toBeGreaterThan(0)
    expect(found.join()).toMatch(/dgents|malformed|damaged|btree|page/i)
  })
)

it.effect("integrity and figures are there in memory too, and closed after the scope", () =>
  Effect.gen(function* () {
    const driver = yield* Effect.scoped(
      Effect.gen(function* () {
        const driver = yield* SqliteDriver.Service
        expect(yield* driver.integrity).toEqual([])
        expect((yield* driver.figures).logBytes).toBe(0)
        return driver
      }).pipe(Effect.provide(SqliteDriver.layer({ filename: ":memory:" })))
    )
    const closed: ReadonlyArray<Effect.Effect<unknown, unknown>> = [driver.integrity, driver.figures]
    for (const use of closed) expect(yield* Effect.flip(use)).toMatchObject({ _tag: "AgentClosed" })
  })
)
