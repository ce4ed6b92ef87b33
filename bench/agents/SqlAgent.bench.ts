import { join } from "node:path"
import Database from "better-sqlite3"
import { Codec, DataAgent, SqlAgent } from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import { Effect, Layer, Schema, Stream } from "effect"
import { bench, temporaryDirectory } from "../harness.ts"
import { Conversation, conversation, conversations } from "../states.ts"

/** A family in a database file of its own. */
const family = <S>(
  name: string,
  schema: Schema.Codec<S, unknown>,
  options?: Pick<SqlAgent.Options<S>, "history" | "deltas">
) =>
  Effect.gen(function* () {
    const filename = join(yield* temporaryDirectory, "ours.db")
    const driver = yield* Layer.build(SqliteDriver.layer({ filename }))
    return yield* Effect.provide(SqlAgent.family({ name, schema, ...options }), driver)
  })

/** A database of better-sqlite3, durable against a power cut like ours. */
const database = Effect.gen(function* () {
  const filename = join(yield* temporaryDirectory, "raw.db")
  const db = yield* Effect.acquireRelease(
    Effect.sync(() => new Database(filename)),
    (db) => Effect.sync(() => db.close())
  )
  db.pragma("journal_mode = WAL")
  db.pragma("synchronous = FULL")
  return db
})

/** A row a state by hand, and nothing else. */
const raw = Effect.gen(function* () {
  const db = yield* database
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

/** 64 of them in one transaction. */
const upserts = (keys: ReadonlyArray<string>, next: (i: number) => unknown) =>
  Effect.map(raw, ({ db, put }) => {
    const putAll = db.transaction((i: number) => {
      for (const [n, key] of keys.entries()) put(key, next(64 * i + n))
    })
    return (i: number) => putAll.immediate(i)
  })

// As ours: what the schema does not know is an error, and not dropped without a word.
const encode = Schema.encodeSync(Conversation, { onExcessProperty: "error" })

/** What a save does, by hand: checks the state against its schema, and stores it if the revision is the one that it follows. */
const checked = Effect.gen(function* () {
  const db = yield* database
  db.exec(
    `CREATE TABLE state (
       collection TEXT NOT NULL, key TEXT NOT NULL, revision INTEGER NOT NULL, saved_at REAL NOT NULL, state TEXT NOT NULL,
       PRIMARY KEY (collection, key)
     ) STRICT`
  )
  const add = db.prepare<[key: string]>("INSERT INTO state VALUES ('threads', ?, 0, 0, 'null')")
  const replace = db.prepare<[savedAt: number, state: string, collection: string, key: string, revision: number]>(
    "UPDATE state SET revision = revision + 1, saved_at = ?, state = ? WHERE collection = ? AND key = ? AND revision = ?"
  )
  const set = (key: string, state: string, revision: number) => {
    const { changes } = replace.run(Date.now(), state, "threads", key, revision)
    if (changes === 0) throw new Error(`${key} is not at revision ${revision}`)
  }
  return {
    db,
    add: (key: string) => add.run(key),
    set,
    replace: (key: string, state: Conversation, revision: number) => set(key, JSON.stringify(encode(state)), revision)
  }
})

const codec = Codec.json(Conversation)

/** What is left of a save when nothing of an agent is: fibers that wait for one transaction, the codec, and the row. */
const bare = Effect.gen(function* () {
  const { add, db, set } = yield* checked
  interface Waiting {
    readonly key: string
    readonly text: string
    readonly resume: (saved: Effect.Effect<void>) => void
  }
  let waiting: Array<Waiting> = []
  let revision = 0
  const setAll = db.transaction((group: ReadonlyArray<Waiting>) => {
    for (const { key, text } of group) set(key, text, revision)
    revision++
  })
  const commit = () => {
    const group = waiting
    waiting = []
    setAll.immediate(group)
    for (const { resume } of group) resume(Effect.void)
  }
  const save = (key: string, state: Conversation) =>
    Effect.flatMap(codec.encode(state), (payload) =>
      Effect.callback<void>((resume) => {
        if (waiting.push({ key, text: String(payload), resume }) === 1) queueMicrotask(commit)
      })
    )
  return { add, save }
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

for (const [size, bytes] of [
  ["1 KB", 1_000],
  ["100 KB", 100_000]
] as const) {
  bench(
    `sqlite/save ${size}, against JSON.stringify and upsert`,
    Effect.gen(function* () {
      const agent = (yield* family("threads", Conversation)).at("thread")
      const { put } = yield* raw
      const next = conversations(bytes)
      return { ours: (i) => agent.save(next(i)), raw: (i) => put("thread", next(i)) }
    })
  )

  bench(
    `sqlite/save ${size}, against the same by hand: schema, JSON.stringify, compare and set`,
    Effect.gen(function* () {
      const agent = (yield* family("threads", Conversation)).at("thread")
      const { add, replace } = yield* checked
      add("thread")
      const next = conversations(bytes)
      let revision = 0
      return { ours: (i) => agent.save(next(i)), raw: (i) => replace("thread", next(i), revision++) }
    })
  )

  /** As 64 fibers save at once, each its own key. */
  const together = Effect.gen(function* () {
    const threads = yield* family("threads", Conversation)
    const next = conversations(bytes)
    const keys = Array.from({ length: 64 }, (_, n) => `thread-${n}`)
    const agents = keys.map((key) => threads.at(key))
    const ours = (i: number) =>
      Effect.forEach(agents, (agent, n) => agent.save(next(64 * i + n)), { concurrency: "unbounded", discard: true })
    return { keys, next, ours }
  })

  bench(
    `sqlite/save ${size}, 64 at once, a save, against 64 upserts in one transaction`,
    Effect.gen(function* () {
      const { keys, next, ours } = yield* together
      return { ours, raw: yield* upserts(keys, next) }
    }),
    { per: 64 }
  )

  bench(
    `sqlite/64 fibers, codec and row of ${size} alone, a save, against 64 upserts in one transaction`,
    Effect.gen(function* () {
      const { keys, next } = yield* together
      const { add, save } = yield* bare
      for (const key of keys) add(key)
      const ours = (i: number) =>
        Effect.forEach(keys, (key, n) => save(key, next(64 * i + n)), { concurrency: "unbounded", discard: true })
      return { ours, raw: yield* upserts(keys, next) }
    }),
    { per: 64 }
  )

  bench(
    `sqlite/save ${size}, 64 at once, a save, against the same by hand in one transaction`,
    Effect.gen(function* () {
      const { keys, next, ours } = yield* together
      const { add, db, replace } = yield* checked
      for (const key of keys) add(key)
      let revision = 0
      const replaceAll = db.transaction((i: number) => {
        for (const [n, key] of keys.entries()) replace(key, next(64 * i + n), revision)
        revision++
      })
      return { ours, raw: (i) => replaceAll.immediate(i) }
    }),
    { per: 64 }
  )

  bench(
    `sqlite/save ${size}, 64 at once, a save, against a transaction each`,
    Effect.gen(function* () {
      const { keys, next, ours } = yield* together
      const { put } = yield* raw
      return {
        ours,
        raw: (i) => {
          for (const [n, key] of keys.entries()) put(key, next(64 * i + n))
        }
      }
    }),
    { per: 64 }
  )
}

const firstSaves = Array.from({ length: 500 }, (_, n) => n)

bench(
  "sqlite/save 1 KB, the first 500 to a new database, a save, against the same of JSON.stringify and upsert",
  Effect.succeed({
    ours: (i: number) =>
      Effect.scoped(
        Effect.gen(function* () {
          const agent = (yield* family("threads", Conversation)).at("thread")
          const next = conversations(1_000)
          yield* Effect.forEach(firstSaves, (n) => agent.save(next(i + n)), { discard: true })
        })
      ),
    raw: (i: number) =>
      Effect.scoped(
        Effect.map(raw, ({ put }) => {
          const next = conversations(1_000)
          for (const n of firstSaves) put("thread", next(i + n))
        })
      )
  }),
  { per: firstSaves.length }
)

const Counter = Schema.Struct({ n: Schema.Number })

bench(
  "sqlite/load after 100 000 revisions, against a load after one",
  Effect.gen(function* () {
    const long = (yield* family("counters", Counter, { history: "full" })).at("counter")
    const short = (yield* family("counters", Counter, { history: "full" })).at("counter")
    yield* short.save({ n: 0 })
    const saves = Array.from({ length: 100_000 }, (_, n) => ({ n }))
    yield* Effect.forEach(saves, (state) => long.save(state), { concurrency: 500, discard: true })
    return { ours: () => long.load, raw: () => short.load }
  })
)

const million = 1_000_000
/** Keys all over the table, not one that stays in the cache. */
const anyKey = (i: number) => `key-${(Math.abs(i) * 7919) % million}`
const manyCounters = Effect.gen(function* () {
  const many = yield* family("counters", Counter)
  for (let from = 0; from < million; from += 10_000)
    yield* many.saveMany(Array.from({ length: 10_000 }, (_, n) => [`key-${from + n}`, { n }] as const))
  return many
})

bench(
  "sqlite/load from 1 000 000 keys, against a load from one",
  Effect.gen(function* () {
    const many = yield* manyCounters
    const one = (yield* family("counters", Counter)).at("key")
    yield* one.save({ n: 0 })
    return { ours: (i) => many.at(anyKey(i)).load, raw: () => one.load }
  })
)

bench(
  "sqlite/load from 1 000 000 keys, against get and JSON.parse from as many",
  Effect.gen(function* () {
    const many = yield* manyCounters
    const { db, get, put } = yield* raw
    db.transaction(() => {
      for (let n = 0; n < million; n++) put(`key-${n}`, { n })
    })()
    return { ours: (i) => many.at(anyKey(i)).load, raw: (i) => get(anyKey(i)) }
  })
)

bench(
  "sqlite/history of 16 states of 100 KB as differences, a state, against in full",
  Effect.gen(function* () {
    const base = conversation(100_000)
    const agents = yield* Effect.forEach([16, 0], (deltas) =>
      Effect.map(family("threads", Conversation, { history: "full", deltas }), (threads) => threads.at("thread"))
    )
    for (let n = 0; n < 40; n++) for (const agent of agents) yield* agent.save({ ...base, id: `thread-${n}` })
    const [deltas, full] = agents.map((agent) => () => Stream.runDrain(agent.history({ limit: 16 })))
    if (deltas === undefined || full === undefined) return yield* Effect.die("unreachable")
    return { ours: deltas, raw: full }
  }),
  { per: 16 }
)

bench(
  "sqlite/update a counter, against an immediate transaction",
  Effect.gen(function* () {
    const agent = (yield* family("counters", Counter)).at("counter")
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
