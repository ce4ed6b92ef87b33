/** Families that answer queries by a database, made with tables like those of the driver and nothing else of it. */
import Database from "better-sqlite3"
import { type Codec, Family, type Query, VolatileAgent } from "dgents"
import { Effect, type Schema, type Scope, Stream } from "effect"
import pg from "pg"
import { compile, type Dialect, type Source, type Statement } from "../../../src/agents/query/sql.ts"
import { dialect as postgres } from "../../../src/agents/sql/postgres/dialect.ts"
import { toStored } from "../../../src/agents/sql/postgres/names.ts"
import { toColumns } from "../../../src/agents/sql/postgres/payload.ts"
import { dialect as sqlite } from "../../../src/agents/sql/sqlite/dialect.ts"
import * as Server from "../sql/postgres/server.ts"

type AnySchema = Schema.Codec<unknown, unknown>

/** A stored revision. */
export interface Stored {
  readonly key: string
  readonly revision: number
  readonly savedAt: number
  readonly payload: string
  readonly isCurrent: boolean
}

/** A family in memory with every revision of the states saved, and what a database would store for it. */
export const inMemory = (schema: AnySchema, saved: ReadonlyArray<readonly [key: string, state: unknown]>) =>
  Effect.gen(function* () {
    const family = yield* VolatileAgent.family({ name: "people", schema, history: "full" })
    for (const [key, state] of saved) yield* family.at(key).save(state)
    const stored: Array<Stored> = []
    for (const key of new Set(saved.map(([key]) => key))) {
      const all = yield* Stream.runCollect(family.at(key).history())
      for (const [i, { revision, savedAt, state }] of all.entries()) {
        const payload = yield* family.codec.encode(state)
        if (typeof payload !== "string") return yield* Effect.die("JSON is text")
        stored.push({ key, revision, savedAt, payload, isCurrent: i === 0 })
      }
    }
    return { family, stored }
  })

type Answer = (statement: Statement) => Promise<ReadonlyArray<Readonly<Record<string, unknown>>>>

/** A family that can do nothing but answer queries, by statements. */
const answering = (
  codec: Codec.Codec<unknown>,
  dialect: Dialect,
  source: (over: Query.Ir.Over) => Source,
  answer: Answer
) =>
  Family.fromStore({
    name: "people",
    schema: codec,
    claims: VolatileAgent.claims(),
    store: {
      at: () => ({ read: Effect.die("read"), write: () => Effect.die("write"), remove: Effect.die("remove") }),
      keys: () => Stream.die("keys"),
      query: (plan) => {
        const statement = compile(dialect, source(plan.over), plan)
        return Effect.map(
          Effect.promise(() => answer(statement)),
          (rows) => rows.map(statement.read)
        )
      }
    }
  })

const tables = `
  CREATE TABLE dgents_state (collection TEXT NOT NULL, key TEXT NOT NULL, revision INTEGER NOT NULL, saved_at REAL NOT NULL,
    state ANY NOT NULL, PRIMARY KEY (collection, key)) STRICT;
  CREATE TABLE dgents_history (collection TEXT NOT NULL, key TEXT NOT NULL, revision INTEGER NOT NULL, saved_at REAL NOT NULL,
    state ANY NOT NULL, PRIMARY KEY (collection, key, revision)) STRICT;`

/** The collection that the rows are in; others lie beside them. */
export const collection = "family:people"

/** Tables as the driver makes them, in memory. */
export const openSqlite: Effect.Effect<Database.Database, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => new Database(":memory:").exec(tables)),
  (db) => Effect.sync(() => db.close())
)

/** Replaces all rows. */
export const fillSqlite = (db: Database.Database, stored: ReadonlyArray<Stored>): void => {
  db.exec("DELETE FROM dgents_state; DELETE FROM dgents_history")
  const insert = (table: string) => db.prepare(`INSERT INTO ${table} VALUES (?, ?, ?, ?, ?)`)
  const [current, history] = [insert("dgents_state"), insert("dgents_history")]
  for (const { isCurrent, key, payload, revision, savedAt } of stored)
    (isCurrent ? current : history).run(collection, key, revision, savedAt, payload)
  current.run("family:others", "a", 1, 0, Buffer.from([1, 2, 3]))
  history.run("family:others", "a", 1, 0, "no JSON")
}

const columns = "key, revision, saved_at, state"

export const sqliteSource = (over: Query.Ir.Over): Source => {
  const current = `SELECT ${columns} FROM dgents_state WHERE collection = '${collection}'`
  return over === "current"
    ? { sql: current, params: [] }
    : {
        sql: `${current} UNION ALL SELECT ${columns} FROM dgents_history WHERE collection = ?`,
        params: [collection]
      }
}

/** A family over rows in SQLite. */
export const onSqlite = (db: Database.Database, codec: Codec.Codec<unknown>) =>
  answering(
    codec,
    sqlite,
    sqliteSource,
    async ({ params, sql }) =>
      // Sound: better-sqlite3 answers an object for each row.
      db.prepare(sql).all(...params) as ReadonlyArray<Record<string, unknown>>
  )

/** Tables with what queries see of those of the driver. */
const postgresTables = ["dgents_state", "dgents_history"]
  .map(
    (
      table
    ) => `CREATE TABLE ${table} (collection text COLLATE "C" NOT NULL, key text COLLATE "C" NOT NULL, revision bigint NOT NULL,
      saved_at double precision NOT NULL, state jsonb, approximate boolean NOT NULL, body text)`
  )
  .join(";")

/** Replaces all rows. */
export const fillPostgres = async (client: pg.Client, stored: ReadonlyArray<Stored>): Promise<void> => {
  await client.query("DELETE FROM dgents_state; DELETE FROM dgents_history")
  for (const { isCurrent, key, payload, revision, savedAt } of stored) {
    const { approximate, body, json } = toColumns(payload)
    await client.query(
      `INSERT INTO ${isCurrent ? "dgents_state" : "dgents_history"} VALUES ($1, $2, $3, $4, coalesce($5, $7)::jsonb, $6, $7)`,
      [collection, toStored(key), revision, savedAt, json, approximate, body]
    )
  }
}

export const postgresSource = (over: Query.Ir.Over): Source => {
  const select = (table: string, collection: string) =>
    `SELECT key, revision, saved_at, state, approximate, body FROM ${table} WHERE collection = ${collection}`
  const current = select("dgents_state", `'${collection}'`)
  return over === "current"
    ? { sql: current, params: [], hasBody: true }
    : { sql: `${current} UNION ALL ${select("dgents_history", "$1")}`, params: [collection], hasBody: true }
}

let databases = 0

/** A database of its own with the tables. */
export const openPostgres: Effect.Effect<pg.Client, never, Scope.Scope> = Effect.acquireRelease(
  Effect.promise(async () => {
    const server = await Server.shared()
    const name = `query_${process.pid}_${databases++}`
    // With an order of text that is not that of code points, so that queries have to ask for theirs.
    await Server.query(server.url, `CREATE DATABASE ${name} TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en'`)
    const url = Object.assign(new URL(server.url), { pathname: `/${name}` }).href
    const client = new pg.Client({ connectionString: url })
    client.on("error", () => {})
    await client.connect()
    await client.query(postgresTables)
    return client
  }),
  (client) => Effect.promise(() => client.end())
)

/** A family over rows in Postgres. */
export const onPostgres = (client: pg.Client, codec: Codec.Codec<unknown>) =>
  answering(codec, postgres, postgresSource, async ({ params, sql }) => (await client.query(sql, [...params])).rows)
