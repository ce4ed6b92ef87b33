import { inspect } from "node:util"
import { expect, it } from "@effect/vitest"
import { SqlAgent, SqlDriver } from "dgents"
import { PostgresDriver } from "dgents/postgres"
import { Effect, Redacted, Schema } from "effect"
import { version } from "../../../../src/agents/sql/postgres/schema.ts"
import { newDatabase, on, openDriver, query } from "./driver.ts"

const secret = "hunter2-is-not-to-be-seen"
const numbers = SqlAgent.family({ name: "numbers", schema: Schema.Number })

/** All that a person or a log could be shown of an error. */
const shown = (error: unknown): string =>
  [
    inspect(error, { depth: 20, showHidden: true }),
    JSON.stringify(error),
    String(error),
    error instanceof Error ? error.stack : ""
  ].join("\n")

const refusal = (options: PostgresDriver.Options) => Effect.flip(Effect.scoped(PostgresDriver.make(options)))

it.live("many who open an empty database at once set it up once, and all can use it", () =>
  Effect.gen(function* () {
    const url = yield* newDatabase
    const drivers = yield* Effect.forEach(Array.from({ length: 8 }), () => openDriver({ url }), {
      concurrency: "unbounded"
    })
    yield* Effect.forEach(
      drivers,
      (driver, i) => Effect.flatMap(on(driver)(numbers), (family) => family.at(`${i}`).save(i)),
      {
        concurrency: "unbounded"
      }
    )
    expect(yield* query(url, "SELECT version::int FROM dgents_meta")).toEqual([{ version }])
    expect(yield* query(url, "SELECT count(*)::int AS n FROM dgents_state")).toEqual([{ n: 8 }])
  })
)

it.live("tables live in the schema that is asked for, whatever its name, and never in another one", () =>
  Effect.gen(function* () {
    const url = yield* newDatabase
    const schema = `o'dd "schema"; DROP TABLE x; --`
    expect(yield* refusal({ url, schema })).toMatchObject({
      _tag: "StorageUnavailable",
      reason: expect.stringContaining("does not exist")
    })
    yield* query(url, `CREATE SCHEMA "${schema.replaceAll('"', '""')}"`)
    const [odd, plain] = [yield* openDriver({ url, schema }), yield* openDriver({ url })]
    yield* Effect.flatMap(on(odd)(numbers), (family) => family.at("a").save(1))
    yield* Effect.flatMap(on(plain)(numbers), (family) => family.at("a").save(2))
    expect(yield* Effect.flatMap(on(odd)(numbers), (family) => family.at("a").load)).toBe(1)
    expect(yield* Effect.flatMap(on(plain)(numbers), (family) => family.at("a").load)).toBe(2)
  })
)

it.live("tables of a newer dgents, and foreign tables under our names, are refused and left as they are", () =>
  Effect.gen(function* () {
    const foreign = [
      "CREATE TABLE dgents_state (id int); INSERT INTO dgents_state VALUES (7)",
      "CREATE TABLE dgents_meta (version text); INSERT INTO dgents_meta VALUES ('1')",
      "CREATE TABLE dgents_meta (version bigint); INSERT INTO dgents_meta VALUES (1)",
      "CREATE TABLE dgents_meta (version bigint)",
      "CREATE VIEW dgents_history AS SELECT 1 AS one"
    ]
    const tables = "SELECT relname, relkind::text FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1"
    for (const sql of foreign) {
      const url = yield* newDatabase
      for (const one of sql.split("; ")) yield* query(url, one)
      const before = yield* query(url, tables)
      expect(yield* refusal({ url })).toMatchObject({
        _tag: "StateCorrupt",
        reason: expect.stringContaining("not of dgents")
      })
      expect(yield* query(url, tables)).toEqual(before)
    }
    const url = yield* newDatabase
    yield* Effect.scoped(openDriver({ url }))
    yield* query(url, "UPDATE dgents_meta SET version = 99")
    expect(yield* refusal({ url })).toMatchObject({
      _tag: "StorageUnavailable",
      retryable: false,
      reason: expect.stringContaining("update dgents")
    })
    expect(yield* query(url, "SELECT version::int FROM dgents_meta")).toEqual([{ version: 99 }])
  })
)

it.live("the claims are what the server keeps", () =>
  Effect.gen(function* () {
    const url = yield* newDatabase
    expect((yield* openDriver({ url })).claims).toEqual(PostgresDriver.claims)
    expect(PostgresDriver.claims).toEqual({ durability: "power", consistency: "linearizable", sharing: "network" })
    const database = new URL(url).pathname.slice(1)
    yield* query(url, `ALTER DATABASE "${database}" SET synchronous_commit = off`)
    expect((yield* openDriver({ url })).claims.durability).toBe("process")
    yield* query(url, `ALTER DATABASE "${database}" SET synchronous_commit = remote_apply`)
    expect((yield* openDriver({ url })).claims.durability).toBe("power")
  })
)

it.live("a password opens the door, and is shown by no error", () =>
  Effect.gen(function* () {
    const url = new URL(yield* newDatabase)
    yield* query(url.href, "DROP ROLE IF EXISTS guarded")
    yield* query(url.href, `CREATE ROLE guarded LOGIN PASSWORD '${secret}'`)
    yield* query(url.href, "GRANT ALL ON SCHEMA public TO guarded")
    url.username = "guarded"
    url.password = secret
    const driver = yield* openDriver({ url: url.href })
    yield* Effect.flatMap(on(driver)(numbers), (family) => family.at("a").save(1))
    yield* openDriver({ url: Redacted.make(url.href) })
    expect(shown(driver)).not.toContain(secret)

    url.password = `${secret}-wrong`
    const wrong = yield* refusal({ url: url.href })
    expect(wrong).toMatchObject({
      _tag: "StorageUnavailable",
      retryable: false,
      reason: expect.stringContaining("28P01")
    })
    url.password = ""
    const missing = yield* refusal({ url: url.href })
    expect(missing).toMatchObject({
      _tag: "StorageUnavailable",
      retryable: false,
      reason: expect.stringContaining("password")
    })
    const base = { url: url.href, password: Redacted.make(secret) }
    const errors = [
      wrong,
      missing,
      yield* refusal({ ...base, database: "nowhere" }),
      yield* refusal({ ...base, host: "127.0.0.1", port: 1 }),
      yield* refusal({ ...base, tls: true }),
      yield* refusal({ url: `postgres://guarded:${secret}@127.0.0.1:1/${secret}?sslmode=${secret}` }),
      yield* refusal({ url: `postgres://guarded:${secret}@[oops/` }),
      // Sound: what plain JavaScript may pass.
      yield* refusal({ ...base, max: secret as unknown as number }),
      yield* refusal({ ...base, password: { secret } as unknown as string })
    ]
    for (const error of errors) {
      expect(error._tag).toBe("StorageUnavailable")
      expect(shown(error)).not.toContain(secret)
    }
  }).pipe(Effect.scoped)
)

it.live("a state is in no error, whatever the server says of it", () =>
  Effect.gen(function* () {
    const driver = yield* openDriver()
    const errors = [
      yield* Effect.flip(driver.engine.query({ sql: "SELECT $1::text::int", params: [secret] })),
      yield* Effect.flip(driver.engine.query({ sql: "SELECT $1::text::jsonb", params: [`{"a": ${secret}`] })),
      yield* Effect.flip(driver.engine.query({ sql: "SELECT $1::text::date", params: [secret] }))
    ]
    for (const error of errors) {
      expect(error._tag).toBe("Unavailable")
      expect(shown(error)).not.toContain(secret)
    }
  })
)

it.live("what is wrong with the options is said by the name of the option", () =>
  Effect.gen(function* () {
    const wrong: ReadonlyArray<readonly [object, string]> = [
      [{ max: 0 }, "the option max has to be a whole number from 1"],
      [{ port: 70_000 }, "the option port"],
      [{ statementTimeout: "soon" }, "the option statementTimeout has to be a duration"],
      [{ schema: "s".repeat(64) }, "the option schema"],
      [{ maximum: 3 }, "there is no option maximum"],
      [{ tls: { rejectUnauthorised: false } }, "tls"],
      [{ url: "mysql://localhost" }, "has to begin with postgres://"],
      [{ url: "postgres://localhost/db?target_session_attrs=any" }, "target_session_attrs"]
    ]
    for (const [options, reason] of wrong)
      expect(yield* refusal(options)).toMatchObject({
        _tag: "StorageUnavailable",
        retryable: false,
        reason: expect.stringContaining(reason)
      })
  })
)

it.live("what the server refuses is typed, says what to do, and whether to try again", () =>
  Effect.gen(function* () {
    const url = yield* newDatabase
    const at = (change: (url: URL) => void): string => {
      const changed = new URL(url)
      change(changed)
      return changed.href
    }
    expect(
      yield* refusal({
        url: at((u) => {
          u.pathname = "/nowhere"
        })
      })
    ).toMatchObject({ retryable: false, reason: expect.stringContaining("3D000") })
    expect(
      yield* refusal({
        url: at((u) => {
          u.port = "1"
        })
      })
    ).toMatchObject({ retryable: true, reason: expect.stringContaining("ECONNREFUSED") })
    expect(yield* refusal({ url, host: "no-such-host.invalid" })).toMatchObject({
      retryable: true,
      reason: expect.stringMatching(/host/)
    })

    yield* query(url, "DROP ROLE IF EXISTS visitor")
    yield* query(url, "CREATE ROLE visitor LOGIN")
    const visitor = at((u) => {
      u.username = "visitor"
    })
    expect(yield* refusal({ url: visitor })).toMatchObject({
      retryable: false,
      reason: expect.stringContaining("42501")
    })
    yield* Effect.scoped(openDriver({ url }))
    yield* query(url, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO visitor")
    const reader = yield* Effect.flatMap(openDriver({ url: visitor }), (driver) => on(driver)(numbers))
    expect(yield* Effect.flip(reader.at("a").save(1))).toMatchObject({
      _tag: "StorageUnavailable",
      retryable: false,
      reason: expect.stringContaining("grant")
    })
    expect(yield* Effect.option(reader.at("a").load)).toMatchObject({ _tag: "None" })

    yield* query(url, `ALTER DATABASE "${new URL(url).pathname.slice(1)}" CONNECTION LIMIT 0`)
    expect(yield* refusal({ url: visitor })).toMatchObject({
      retryable: true,
      reason: expect.stringContaining("53300")
    })

    yield* query(url, `ALTER DATABASE "${new URL(url).pathname.slice(1)}" SET default_transaction_read_only = on`)
    const standby = yield* Effect.flatMap(openDriver({ url }), (driver) => on(driver)(numbers))
    expect(yield* Effect.flip(standby.at("a").save(1))).toMatchObject({
      retryable: false,
      reason: expect.stringContaining("25006")
    })
  })
)

it.live("as a layer, and what is used after its scope says so", () =>
  Effect.gen(function* () {
    const url = yield* newDatabase
    const agent = SqlAgent.make({ name: "n", schema: Schema.Number })
    const left = yield* agent.pipe(
      Effect.tap((agent) => agent.save(1)),
      Effect.scoped,
      Effect.provide(PostgresDriver.layer({ url }))
    )
    expect(yield* Effect.flip(left.load)).toMatchObject({ _tag: "AgentClosed" })
    const engine = yield* Effect.scoped(Effect.map(openDriver({ url }), ({ engine }) => engine))
    const id = { collection: "agent:n", key: "" }
    expect(yield* Effect.flip(engine.read(id))).toEqual({ _tag: "Closed" })
    expect(yield* Effect.flip(engine.write([]))).toEqual({ _tag: "Closed" })
    expect(yield* Effect.flip(engine.ping)).toEqual({ _tag: "Closed" })
    expect(SqlDriver.key).toBeDefined()
  })
)
