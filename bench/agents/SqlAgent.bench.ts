import { join } from "node:path"
import Database from "better-sqlite3"
import { DataAgent, SqlAgent } from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import { Effect, Layer, Schema } from "effect"
import { bench, temporaryDirectory } from "../harness.ts"
import { Conversation, conversation, conversations } from "../states.ts"

/** A family in a database file of its own. */
const family = <S>(name: string, schema: Schema.Codec<S, unknown>) =>
  Effect.gen(function* () {
    const filename = join(yield* temporaryDirectory, "ours.db")
    const driver = yield* Layer.build(SqliteDriver.layer({ filename }))
    return yield* Effect.provide(SqlAgent.family({ name, schema }), driver)
  })

/** The same in better-sqlite3 by hand: a row a state, durable against a power cut like ours. */
const raw = Effect.gen(function* () {
  const filename = join(yield* temporaryDirectory, "raw.db")
  const db = yield* Effect.acquireRelease(
    Effect.sync(() => new Database(filename)),
    (db) => Effect.sync(() => db.close())
  )
  db.pragma("journal_mode = WAL")
  db.pragma("synchronous = FULL")
  db.exec("CREATE TABLE state (key TEXT PRIMARY KEY, revision INTEGER NOT NULL, state TEXT NOT NULL) STRICT")
  const get = db.prepare<[string], string>("SELECT state FROM state WHERE key = ?").pluck()
  const put = db.prepare<[string, string]>(
    "INSERT INTO state VALUES (?, 1, ?) ON CONFLICT DO UPDATE SET revision = revision + 1, state = excluded.state"
  )
  return {
    db,
    get: (key: string) => JSON.parse(get.get(key) ?? "null"),
    put: (key: string, state: unknown) => put.run(key, JSON.stringify(state))
  }
})

for (const [size, bytes] of [
  ["1 KB", 1_000],
  ["100 KB", 100_000]
] as const)
  bench(
    `sqlite/load ${size}, against get and JSON.parse`,
    Effect.gen(function* () {
      const agent = (yield* family("threads", Conversation)).at("thread")
      const { get, put } = yield* raw
      yield* agent.save(conversation(bytes))
      put("thread", conversation(bytes))
      return { ours: () => agent.load, raw: () => get("thread") }
    })
  )

bench(
  "sqlite/save 1 KB, against JSON.stringify and upsert",
  Effect.gen(function* () {
    const agent = (yield* family("threads", Conversation)).at("thread")
    const { put } = yield* raw
    const next = conversations(1_000)
    return { ours: (i) => agent.save(next(i)), raw: (i) => put("thread", next(i)) }
  })
)

bench(
  "sqlite/update a counter, against an immediate transaction",
  Effect.gen(function* () {
    const agent = (yield* family("counters", Schema.Struct({ n: Schema.Number }))).at("counter")
    const { db, get, put } = yield* raw
    const increment = db.transaction(() => put("counter", { n: get("counter").n + 1 }))
    yield* agent.save({ n: 0 })
    put("counter", { n: 0 })
    return { ours: () => DataAgent.update(agent, ({ n }) => ({ n: n + 1 })), raw: () => increment.immediate() }
  })
)

bench(
  "sqlite/saveMany 100 of 1 KB, a state, against 100 upserts in one transaction",
  Effect.gen(function* () {
    const threads = yield* family("threads", Conversation)
    const { db, put } = yield* raw
    const next = conversations(1_000)
    const keys = Array.from({ length: 100 }, (_, n) => `thread-${n}`)
    const putAll = db.transaction((i: number) => {
      for (const [n, key] of keys.entries()) put(key, next(i + n))
    })
    return {
      ours: (i) => threads.saveMany(keys.map((key, n) => [key, next(i + n)] as const)),
      raw: (i) => putAll.immediate(i)
    }
  }),
  { per: 100 }
)
