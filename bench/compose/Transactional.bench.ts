import { join } from "node:path"
import Database from "better-sqlite3"
import { SqlAgent, SqlDriver, Transactional, VolatileAgent } from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import { Effect, Schema } from "effect"
import { bench, temporaryDirectory } from "../harness.ts"
import { Conversation, conversation, conversations } from "../states.ts"

const thread = VolatileAgent.make({ name: "thread", schema: Conversation, initial: conversation(1_000) })

bench(
  "transactional/load 1 KB from memory outside of a transaction, against a load below",
  Effect.gen(function* () {
    const agent = yield* thread
    yield* agent.save(conversation(1_000))
    const taking = Transactional.make(agent)
    return { ours: () => taking.load, raw: () => agent.load }
  })
)

bench(
  "transactional/save 1 KB to memory outside of a transaction, against a save below",
  Effect.gen(function* () {
    const [agent, other] = [Transactional.make(yield* thread), yield* thread]
    const next = conversations(1_000)
    return { ours: (i) => agent.save(next(i)), raw: (i) => other.save(next(i)) }
  })
)

const Account = Schema.Struct({ balance: Schema.Number })

bench(
  "transactional/a transfer between two accounts in SQLite, against an immediate transaction",
  Effect.gen(function* () {
    const directory = yield* temporaryDirectory
    const driver = yield* SqliteDriver.make({ filename: join(directory, "ours.db") })
    const initial = { balance: 0 }
    const accounts = Transactional.family(
      yield* Effect.provideService(SqlAgent.family({ name: "accounts", schema: Account, initial }), SqlDriver, driver)
    )
    const [a, b] = [accounts.at("a"), accounts.at("b")]
    const transfer = Transactional.run(
      Effect.andThen(
        a.update(({ balance }) => ({ balance: balance - 1 })),
        b.update(({ balance }) => ({ balance: balance + 1 }))
      )
    )
    const db = new Database(join(directory, "raw.db"))
    db.pragma("journal_mode = WAL")
    db.pragma("synchronous = FULL")
    db.exec(
      `CREATE TABLE account (key TEXT PRIMARY KEY, state TEXT); INSERT INTO account VALUES ('a', '{"balance":0}'), ('b', '{"balance":0}')`
    )
    const get = db.prepare<[string], string>("SELECT state FROM account WHERE key = ?").pluck()
    const set = db.prepare("UPDATE account SET state = ? WHERE key = ?")
    const add = (key: string, by: number) => {
      // Sound: the table holds nothing else.
      const { balance } = JSON.parse(get.get(key) ?? "") as typeof Account.Type
      set.run(JSON.stringify({ balance: balance + by }), key)
    }
    const raw = db.transaction(() => {
      add("a", -1)
      add("b", 1)
    })
    yield* Effect.addFinalizer(() => Effect.sync(() => db.close()))
    return { ours: () => transfer, raw: () => Effect.sync(() => raw.immediate()) }
  })
)
