import { it } from "@effect/vitest"
import { Cached, type DataAgent, EntropyConstrained, PersistentAgent, SqlAgent, SqlDriver, VolatileAgent } from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import { Faults, Laws, type Site, type Subject } from "dgents/testing"
import { Effect, type FileSystem, type Schema, type Scope } from "effect"
import { Account, Person } from "./schemas.ts"

type Opening<S> = Effect.Effect<DataAgent.DataAgent<S>, unknown, Scope.Scope | FileSystem.FileSystem>

/** A combinator over an agent, and over the same agent when it fails. */
const run = <S>(
  name: string,
  schema: Schema.Codec<S, unknown>,
  below: (site: Site.Site) => Opening<S>,
  combine: (agent: DataAgent.DataAgent<S>) => Opening<S>
) => {
  const subject: Subject<S> = {
    name,
    schema,
    open: (site) => Effect.flatMap(below(site), combine),
    faulty: (site, faults) => Effect.flatMap(below(site), (agent) => combine(Faults.agent(agent, faults)))
  }
  Laws.suite(it, subject)
}

const constrained = (maxBytes: number) => (agent: DataAgent.DataAgent<typeof Account.Type>) =>
  Effect.succeed(EntropyConstrained.make(agent, { maxBytes }))

run(
  "Cached over VolatileAgent",
  Account,
  () => VolatileAgent.make({ name: "cached", schema: Account, history: "full" }),
  Cached.make()
)

run(
  "Cached over PersistentAgent",
  Person,
  (site) => PersistentAgent.make({ path: site.path("state.json"), schema: Person, history: { bounded: 3 } }),
  Cached.make()
)

run(
  "Cached over SqlAgent",
  Account,
  (site) =>
    Effect.flatMap(SqliteDriver.make({ filename: site.path("states.db") }), (driver) =>
      Effect.provideService(
        SqlAgent.make({ name: "cached", schema: Account, history: { bounded: 2 } }),
        SqlDriver,
        driver
      )
    ),
  Cached.make()
)

run(
  "EntropyConstrained over VolatileAgent, without a limit",
  Account,
  () => VolatileAgent.make({ name: "unlimited", schema: Account, history: "full" }),
  constrained(Number.POSITIVE_INFINITY)
)

run(
  "EntropyConstrained over VolatileAgent, with a limit",
  Account,
  () => VolatileAgent.make({ name: "limited", schema: Account, history: { bounded: 2 } }),
  constrained(120)
)

run(
  "Cached over EntropyConstrained over PersistentAgent",
  Account,
  (site) =>
    Effect.map(PersistentAgent.make({ path: site.path("state.json"), schema: Account }), (agent) =>
      EntropyConstrained.make(agent, { maxBytes: 160 })
    ),
  Cached.make()
)
