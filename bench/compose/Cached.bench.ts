import { join } from "node:path"
import { Cached, SqlAgent, VolatileAgent } from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import { Effect, Layer, Schema } from "effect"
import { bench, temporaryDirectory } from "../harness.ts"
import { Conversation, conversation, conversations } from "../states.ts"

const Counter = Schema.Struct({ n: Schema.Number })

const stored = Effect.gen(function* () {
  const filename = join(yield* temporaryDirectory, "cached.db")
  const driver = yield* Layer.build(SqliteDriver.layer({ filename }))
  const agent = yield* Effect.provide(SqlAgent.make({ name: "thread", schema: Conversation }), driver)
  yield* agent.save(conversation(1_000))
  return agent
})

bench(
  "cached/load 1 KB again over SQLite, against a load from memory",
  Effect.gen(function* () {
    const cached = yield* Cached.make(yield* stored)
    const volatile = yield* VolatileAgent.make({ name: "thread", schema: Conversation })
    yield* volatile.save(conversation(1_000))
    return { ours: () => cached.load, raw: () => volatile.load }
  })
)

bench(
  "cached/load 1 KB again over SQLite, against a load from SQLite",
  Effect.gen(function* () {
    const agent = yield* stored
    const cached = yield* Cached.make(agent)
    return { ours: () => cached.load, raw: () => agent.load }
  })
)

bench(
  "cached/save 1 KB over SQLite, against a save to SQLite",
  Effect.gen(function* () {
    const cached = yield* Cached.make(yield* stored)
    const other = yield* stored
    const next = conversations(1_000)
    return { ours: (i) => cached.save(next(i)), raw: (i) => other.save(next(i)) }
  })
)

bench(
  "cached/load 1 KB over SQLite, refreshed behind each load, against a load from SQLite",
  Effect.gen(function* () {
    const agent = yield* stored
    const cached = yield* Cached.make(agent, { ttl: 0, staleWhileRevalidate: "1 hour" })
    return { ours: () => cached.load, raw: () => agent.load }
  })
)

bench(
  "cached/save 1 KB behind SQLite, against a save to memory",
  Effect.gen(function* () {
    const cached = yield* Cached.make(yield* stored, { write: { behind: {} } })
    const volatile = yield* VolatileAgent.make({ name: "thread", schema: Conversation })
    const next = conversations(1_000)
    return { ours: (i) => cached.save(next(i)), raw: (i) => volatile.save(next(i)) }
  })
)

bench(
  "cached/load 1 KB again from a family over memory, against a load of a key from memory",
  Effect.gen(function* () {
    const below = yield* VolatileAgent.family({ name: "threads", schema: Conversation })
    yield* below.at("a").save(conversation(1_000))
    const cached = (yield* Cached.family(below)).at("a")
    const volatile = below.at("a")
    return { ours: () => cached.load, raw: () => volatile.load }
  })
)

bench(
  "cached/load 1 KB for the first time from a family over memory, against a load of a key from memory",
  Effect.gen(function* () {
    const below = yield* VolatileAgent.family({ name: "threads", schema: Conversation })
    const next = conversations(1_000)
    const keys = 1_000
    yield* below.saveMany(Array.from({ length: keys }, (_, i) => [`${i}`, next(i)] as const))
    // Half of them are kept, so that each has been forgotten when its turn comes again.
    const cached = yield* Cached.family(below, { maxKeys: keys / 2 })
    return { ours: (i) => cached.at(`${i % keys}`).load, raw: (i) => below.at(`${i % keys}`).load }
  })
)

/** A cache of so many keys before twice as many: each has been forgotten when its turn comes again. */
const missing = (maxKeys: number) =>
  Effect.gen(function* () {
    const below = yield* VolatileAgent.family({ name: "counters", schema: Counter })
    const key = (i: number) => `key-${Math.abs(i) % (2 * maxKeys)}`
    yield* below.saveMany(Array.from({ length: 2 * maxKeys }, (_, i) => [key(i), { n: i }] as const))
    const cached = yield* Cached.family(below, { maxKeys })
    const load = (i: number) => cached.at(key(i)).load
    for (let i = 0; i < 2 * maxKeys; i++) yield* load(i)
    return load
  })

bench(
  "cached/load for the first time from a family of which 100 000 keys are cached, against 1 000",
  Effect.gen(function* () {
    return { ours: yield* missing(100_000), raw: yield* missing(1_000) }
  })
)
