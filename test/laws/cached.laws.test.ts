import { it } from "@effect/vitest"
import { Cached, type DataAgent, type Family, SqlAgent, SqlDriver, VolatileAgent } from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import { Faults, Laws, type Site } from "dgents/testing"
import { Effect, type FileSystem, type Scope } from "effect"
import { Account } from "./schemas.ts"

type Opening<A> = Effect.Effect<A, unknown, Scope.Scope | FileSystem.FileSystem>
type Cache = (agent: DataAgent.DataAgent<typeof Account.Type>) => Opening<DataAgent.DataAgent<typeof Account.Type>>
type Caches = (family: Family.Family<typeof Account.Type>) => Opening<Family.Family<typeof Account.Type>>

const inMemory = () => VolatileAgent.make({ name: "below", schema: Account, history: "full" })
const manyInMemory = () => VolatileAgent.family({ name: "below", schema: Account, history: "full" })

const sql = <A, E, R>(site: Site.Site, effect: Effect.Effect<A, E, R | SqlDriver>) =>
  Effect.flatMap(SqliteDriver.make({ filename: site.path("states.db") }), (driver) =>
    Effect.provideService(effect, SqlDriver, driver)
  )

/** Those laws that a slower backend may add something to. */
const only = (which: RegExp) => ({ laws: Laws.names.filter((name) => which.test(name)) })

/** A cache over what is in memory, over the same when it fails, and one over each key of a family. */
const run = (name: string, cache: Cache, caches: Caches) =>
  Laws.suite(it, {
    name: `Cached, ${name}`,
    schema: Account,
    open: () => Effect.flatMap(inMemory(), cache),
    faulty: (_, faults) => Effect.flatMap(inMemory(), (agent) => cache(Faults.agent(agent, faults))),
    family: () => Effect.flatMap(manyInMemory(), caches)
  })

// Every answer is a stale one, and whenever the backend fails.
const stale = { ttl: 0, staleWhileRevalidate: "1 hour", staleIfError: "1 hour", retryAfter: 0 } as const
run("always stale", Cached.make(stale), Cached.family({ ...stale, maxKeys: 2 }))

run("stale when the backend fails", Cached.make({ ...stale, staleWhileRevalidate: 0 }), Cached.family({ maxKeys: 1 }))

run("written around", Cached.make({ write: "around" }), Cached.family({ write: "around", maxBytes: 1_000 }))

run(
  "of a cache, neither following",
  (agent) => Effect.flatMap(Cached.make(agent, { changes: "ignore" }), Cached.make({ changes: "ignore" })),
  (family) => Effect.flatMap(Cached.family(family, { changes: "ignore" }), Cached.family({ changes: "ignore" }))
)

// The entries of another cache over the same backend are there to be used, and now and then older ones.
const withAnother = { ttl: "1 hour", shared: true } as const
run(
  "sharing its entries with another one",
  (agent) =>
    Effect.gen(function* () {
      const common = yield* VolatileAgent.make({ name: "common", schema: Cached.Entry(Account) })
      const cache = () => Effect.succeed(common)
      yield* Cached.make(agent, { ...withAnother, cache })
      return yield* Cached.make(agent, { ...withAnother, cache })
    }),
  (family) =>
    Effect.gen(function* () {
      const common = yield* VolatileAgent.family({ name: "common", schema: Cached.Entry(Account) })
      return yield* Cached.family(family, { ...withAnother, cache: () => Effect.succeed(common), maxKeys: 2 })
    })
)

Laws.suite(
  it,
  {
    name: "Cached family over SqlAgent",
    schema: Account,
    open: (site) =>
      Effect.map(
        Effect.flatMap(sql(site, SqlAgent.family({ name: "states", schema: Account })), Cached.family()),
        (family) => family.at("state")
      ),
    family: (site) =>
      Effect.flatMap(sql(site, SqlAgent.family({ name: "states", schema: Account })), Cached.family({ maxKeys: 2 }))
  },
  only(/family|keys|closing/)
)

const behind = { write: { behind: { delay: 0 } } } as const

Laws.suite(it, {
  name: "Cached, written behind, over VolatileAgent",
  schema: Account,
  open: () => Effect.flatMap(inMemory(), Cached.make(behind)),
  family: () => Effect.flatMap(manyInMemory(), Cached.family({ ...behind, maxKeys: 2 }))
})

Laws.suite(it, {
  name: "Cached, written behind where there is no room, over VolatileAgent",
  schema: Account,
  open: () =>
    Effect.flatMap(inMemory(), Cached.make({ write: { behind: { delay: 0, maxPending: 1, whenFull: "through" } } })),
  family: () =>
    Effect.flatMap(manyInMemory(), Cached.family({ write: { behind: { delay: 0, maxPending: 2 } }, maxKeys: 1 }))
})

Laws.suite(
  it,
  {
    name: "Cached over Cached, written behind, over SqlAgent",
    schema: Account,
    open: (site) =>
      sql(site, SqlAgent.make({ name: "state", schema: Account })).pipe(
        Effect.flatMap(Cached.make(behind)),
        Effect.flatMap(Cached.make())
      )
  },
  only(/model|operations are linearizable/)
)
