import { SqlDriver } from "dgents"
import { PostgresDriver } from "dgents/postgres"
import { Effect } from "effect"
import pg from "pg"
import type { Append, Log } from "../../src/agents/stream/Log.ts"
import * as SqlLog from "../../src/agents/stream/sql/SqlLog.ts"
import * as Server from "../../test/agents/sql/postgres/server.ts"
import { bench } from "../harness.ts"

const id = { collection: "stream:bench", key: "k" }

const append = (n: number): Append => ({
  ...id,
  events: [{ type: "Deposited", data: `{"_tag":"Deposited","account":"a-${n}","amount":${n}}` }],
  expected: "any",
  at: n,
  id: undefined
})

const batch = (i: number) => Array.from({ length: 64 }, (_, n) => append(64 * i + n))

/** The log, and a table by hand with a row an event. */
const setup = Effect.gen(function* () {
  const { url } = yield* Server.start
  const driver = yield* PostgresDriver.make({ url })
  const log = yield* Effect.provideService(SqlLog.make, SqlDriver, driver)
  const client = yield* Effect.acquireRelease(
    Effect.promise(async () => {
      const client = new pg.Client({ connectionString: url })
      await client.connect()
      await client.query(
        "CREATE TABLE raw (position bigserial PRIMARY KEY, at float8 NOT NULL, type text NOT NULL, data text NOT NULL)"
      )
      return client
    }),
    (client) => Effect.promise(() => client.end())
  )
  const insert = (appends: ReadonlyArray<Append>) => {
    const events = appends.flatMap(({ at, events }) => events.map((event) => ({ ...event, at })))
    return client.query({
      name: "insert",
      text: "INSERT INTO raw (at, type, data) SELECT * FROM unnest($1::float8[], $2::text[], $3::text[])",
      values: [events.map(({ at }) => at), events.map(({ type }) => type), events.map(({ data }) => data)]
    })
  }
  return { client, insert, log }
})

bench(
  "postgres-log/append 64 at once, an event, against 64 rows in one INSERT",
  Effect.map(setup, ({ insert, log }) => ({
    ours: (i) => Effect.forEach(batch(i), log.append, { concurrency: "unbounded", discard: true }),
    raw: (i) => insert(batch(i))
  })),
  { per: 64 }
)

bench(
  "postgres-log/append one after the other, against an INSERT each",
  Effect.map(setup, ({ insert, log }) => ({ ours: (i) => log.append(append(i)), raw: (i) => insert([append(i)]) }))
)

const events = 100_000
const pageEvents = 1_000

bench(
  "postgres-log/replay of 100 000 events, an event, against pages of rows",
  Effect.gen(function* () {
    const { client, insert, log } = yield* setup
    for (let from = 0; from < events; from += 10_000) {
      const many = Array.from({ length: 10_000 }, (_, n) => append(from + n))
      yield* log.append({ ...append(from), events: many.flatMap(({ events }) => events) })
      yield* Effect.promise(() => insert(many))
    }
    const page = async (after: number) =>
      (
        await client.query<{ position: string }>({
          name: "page",
          text: "SELECT position, at, type, data FROM raw WHERE position > $1 ORDER BY position LIMIT $2",
          values: [after, pageEvents]
        })
      ).rows
    return { ours: () => replay(log), raw: () => replayRaw(page) }
  }),
  { per: events }
)

const replay = (log: Log) =>
  Effect.gen(function* () {
    let after = 0
    for (;;) {
      const page = yield* log.read(id, { after, limit: pageEvents })
      if (page.length === 0) return after
      after = page.at(-1)?.position ?? after
    }
  })

const replayRaw = async (page: (after: number) => Promise<ReadonlyArray<{ readonly position: string }>>) => {
  let after = 0
  for (;;) {
    const found = await page(after)
    if (found.length === 0) return after
    after = Number(found.at(-1)?.position ?? after)
  }
}
