import { SqlAgent } from "dgents"
import { PostgresDriver } from "dgents/postgres"
import { Effect, Layer } from "effect"
import pg from "pg"
import postgres from "postgres"
import * as Server from "../../test/agents/sql/postgres/server.ts"
import { bench } from "../harness.ts"
import { Conversation, conversation, conversations } from "../states.ts"

type Raw = {
  readonly get: (key: string) => Promise<unknown>
  readonly put: (key: string, state: Conversation) => Promise<unknown>
}

const table = "CREATE TABLE IF NOT EXISTS raw (key text PRIMARY KEY, revision bigint NOT NULL, state jsonb NOT NULL)"
const get = "SELECT state FROM raw WHERE key = $1"
const put = `INSERT INTO raw VALUES ($1, 1, $2)
  ON CONFLICT (key) DO UPDATE SET revision = raw.revision + 1, state = excluded.state`

/** Each driver by hand: a row a state in JSONB, ten connections as ours has. */
const drivers = {
  pg: (url: string) =>
    Effect.map(
      Effect.acquireRelease(
        Effect.sync(() => new pg.Pool({ connectionString: url, max: 10 })),
        (pool) => Effect.promise(() => pool.end())
      ),
      (pool): Raw => ({
        get: async (key) => (await pool.query<{ state: unknown }>(get, [key])).rows[0]?.state,
        put: (key, state) => pool.query(put, [key, JSON.stringify(state)])
      })
    ),
  "postgres.js": (url: string) =>
    Effect.map(
      Effect.acquireRelease(
        Effect.sync(() => postgres(url, { max: 10 })),
        (sql) => Effect.promise(() => sql.end())
      ),
      (sql): Raw => ({
        get: async (key) => (await sql<Array<{ state: unknown }>>`SELECT state FROM raw WHERE key = ${key}`)[0]?.state,
        put: async (key, state) =>
          await sql`
          INSERT INTO raw VALUES (${key}, 1, ${sql.json(state)})
          ON CONFLICT (key) DO UPDATE SET revision = raw.revision + 1, state = excluded.state`
      })
    )
}

const threads = Array.from({ length: 64 }, (_, n) => `thread-${n}`)

const setup = (driver: keyof typeof drivers, bytes: number) =>
  Effect.gen(function* () {
    const { url } = yield* Server.start
    const layer = yield* Layer.build(PostgresDriver.layer({ url }))
    const family = yield* Effect.provide(SqlAgent.family({ name: "threads", schema: Conversation }), layer)
    yield* Effect.promise(() => Server.query(url, table))
    const raw = yield* drivers[driver](url)
    yield* family.saveMany(threads.map((key) => [key, conversation(bytes)] as const))
    yield* Effect.promise(() => Promise.all(threads.map((key) => raw.put(key, conversation(bytes)))))
    return { family, raw, next: conversations(bytes) }
  })

const unbounded = { concurrency: "unbounded", discard: true } as const

for (const driver of ["pg", "postgres.js"] as const)
  for (const [size, bytes] of [
    ["1 KB", 1_000],
    ["100 KB", 100_000]
  ] as const) {
    bench(
      `postgres/load ${size}, against ${driver}`,
      Effect.map(setup(driver, bytes), ({ family, raw }) => {
        const agent = family.at("thread-0")
        return { ours: () => agent.load, raw: () => raw.get("thread-0") }
      })
    )
    bench(
      `postgres/save ${size}, against ${driver}`,
      Effect.map(setup(driver, bytes), ({ family, next, raw }) => {
        const agent = family.at("thread-0")
        return { ours: (i) => agent.save(next(i)), raw: (i) => raw.put("thread-0", next(i)) }
      })
    )
    bench(
      `postgres/load ${size}, 64 at once, against ${driver}`,
      Effect.map(setup(driver, bytes), ({ family, raw }) => {
        const agents = threads.map(family.at)
        return {
          ours: () => Effect.forEach(agents, (agent) => agent.load, unbounded),
          raw: () => Promise.all(threads.map((key) => raw.get(key)))
        }
      }),
      { per: 64 }
    )
    bench(
      `postgres/save ${size}, 64 at once, against ${driver}`,
      Effect.map(setup(driver, bytes), ({ family, next, raw }) => {
        const agents = threads.map(family.at)
        return {
          ours: (i) => Effect.forEach(agents, (agent, n) => agent.save(next(i + n)), unbounded),
          raw: (i) => Promise.all(threads.map((key, n) => raw.put(key, next(i + n))))
        }
      }),
      { per: 64 }
    )
  }
