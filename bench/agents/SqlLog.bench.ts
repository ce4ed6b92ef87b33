import { join } from "node:path"
import Database from "better-sqlite3"
import { SqlDriver } from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import { Effect } from "effect"
import type { Append, Log } from "../../src/agents/stream/Log.ts"
import * as SqlLog from "../../src/agents/stream/sql/SqlLog.ts"
import { bench, temporaryDirectory } from "../harness.ts"

const id = { collection: "stream:bench", key: "k" }

const append = (n: number, key = id.key): Append => ({
  ...id,
  key,
  events: [{ type: "Deposited", data: `{"_tag":"Deposited","account":"a-${n}","amount":${n}}` }],
  expected: "any",
  at: n,
  id: undefined
})

/** The log of a database file of its own. */
const log = Effect.gen(function* () {
  const filename = join(yield* temporaryDirectory, "ours.db")
  const driver = yield* SqliteDriver.make({ filename })
  return yield* Effect.provideService(SqlLog.make, SqlDriver, driver)
})

/** The same in better-sqlite3 by hand: a row an event, durable against a power cut like ours. */
const raw = Effect.gen(function* () {
  const filename = join(yield* temporaryDirectory, "raw.db")
  const db = yield* Effect.acquireRelease(
    Effect.sync(() => new Database(filename)),
    (db) => Effect.sync(() => db.close())
  )
  db.pragma("journal_mode = WAL")
  db.pragma("synchronous = FULL")
  db.exec(`CREATE TABLE event (stream TEXT NOT NULL, position INTEGER NOT NULL, at REAL NOT NULL, type TEXT NOT NULL, data TEXT NOT NULL,
    PRIMARY KEY (stream, position)) STRICT`)
  const insert = db.prepare("INSERT INTO event VALUES (?, ?, ?, ?, ?)")
  const last = db
    .prepare<[string], number>("SELECT position FROM event WHERE stream = ? ORDER BY position DESC LIMIT 1")
    .pluck()
  const page = db
    .prepare<[string, number, number], [number, number, string, string]>(
      "SELECT position, at, type, data FROM event WHERE stream = ? AND position > ? ORDER BY position LIMIT ?"
    )
    .raw()
  const put = ({ at, events, key }: Append) => {
    let position = last.get(key) ?? 0
    for (const { data, type } of events) insert.run(key, ++position, at, type, data)
  }
  return { db, put, page }
})

const batch = (i: number) => Array.from({ length: 64 }, (_, n) => append(64 * i + n))

bench(
  "sqlite-log/append 64 at once, an event, against 64 inserts in one transaction",
  Effect.gen(function* () {
    const ours = yield* log
    const { db, put } = yield* raw
    const putAll = db.transaction((i: number) => batch(i).forEach(put))
    return {
      ours: (i) => Effect.forEach(batch(i), ours.append, { concurrency: "unbounded", discard: true }),
      raw: (i) => putAll.immediate(i)
    }
  }),
  { per: 64 }
)

bench(
  "sqlite-log/append 64 at once, an event, against a transaction each",
  Effect.gen(function* () {
    const ours = yield* log
    const { db, put } = yield* raw
    const putOne = db.transaction(put)
    return {
      ours: (i) => Effect.forEach(batch(i), ours.append, { concurrency: "unbounded", discard: true }),
      raw: (i) => {
        for (const one of batch(i)) putOne.immediate(one)
      }
    }
  }),
  { per: 64 }
)

bench(
  "sqlite-log/append one after the other, against a transaction each",
  Effect.gen(function* () {
    const ours = yield* log
    const { db, put } = yield* raw
    const putOne = db.transaction(put)
    return { ours: (i) => ours.append(append(i)), raw: (i) => putOne.immediate(append(i)) }
  })
)

const events = 200_000
const pageEvents = 1_000

bench(
  "sqlite-log/replay of 200 000 events, an event, against pages of rows as objects",
  Effect.gen(function* () {
    const ours = yield* log
    const { db, page, put } = yield* raw
    for (let from = 0; from < events; from += 10_000) {
      const many = Array.from({ length: 10_000 }, (_, n) => append(from + n))
      yield* ours.append({ ...append(from), events: many.flatMap(({ events }) => events) })
      db.transaction(() => many.forEach(put))()
    }
    return { ours: () => replay(ours), raw: () => replayRaw(page) }
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

const replayRaw = (page: Database.Statement<[string, number, number], [number, number, string, string]>): number => {
  let after = 0
  for (;;) {
    const found = page
      .all(id.key, after, pageEvents)
      .map(([position, at, type, data]) => ({ position, at, type, data }))
    if (found.length === 0) return after
    after = found.at(-1)?.position ?? after
  }
}
