/** Combinators over SQLite, where other processes find it: of the agents below, one is often away and comes back. */
import { Cached, type DataAgent, EntropyConstrained, Fallback, Mirrored, Retrying, SqlAgent, SqlDriver } from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import { Faults, type Site, type Subject } from "dgents/testing"
import { Effect, Schedule, type Schema, type Scope } from "effect"
import { Account } from "./schemas.ts"

type State = typeof Account.Type
type Opening = Effect.Effect<DataAgent.DataAgent<State>, unknown, Scope.Scope>

// A file of its own for each: with one of them away, both are there in the end, whatever happened.
const stored =
  (site: Site.Site, name: string) =>
  <S>(schema: Schema.Codec<S, unknown>) =>
    Effect.flatMap(SqliteDriver.make({ filename: site.path(`${name}.db`) }), (driver) =>
      Effect.provideService(SqlAgent.make({ name, schema, history: { bounded: 3 } }), SqlDriver, driver)
    )

/** The same, which a part of the time cannot be reached, in each process at other times. */
const flaky =
  (site: Site.Site, name: string) =>
  <S>(schema: Schema.Codec<S, unknown>) =>
    Effect.map(stored(site, name)(schema), (agent) => Faults.agent(agent, Faults.plan(process.pid, Faults.flaky(0.3))))

const imported = (exported: string, name: string, open: (site: Site.Site) => Opening): Subject<State> => ({
  name,
  schema: Account,
  open,
  module: { url: import.meta.url, export: exported }
})

const patient = Retrying.make({ schedule: Schedule.max([Schedule.spaced("1 millis"), Schedule.recurs(30)]) })

// What a process that was just started never saw does not fall: the first is asked again.
export const fallback = imported("fallback", "Fallback over SQLite, of which the first is often away", (site) =>
  Effect.flatMap(flaky(site, "first")(Account), (first) =>
    Effect.map(Fallback.make(first, { second: stored(site, "second"), retryAfter: 0, logs: false }), patient)
  )
)

export const mirrored = imported("mirrored", "Mirrored over SQLite, of which one follower is often away", (site) =>
  Effect.flatMap(stored(site, "first")(Account), (first) =>
    Mirrored.make(first, { followers: [stored(site, "second"), flaky(site, "third")], quorum: 2 })
  )
)

export const cached = imported("cached", "Cached over EntropyConstrained over SQLite", (site) =>
  Effect.flatMap(stored(site, "first")(Account), (first) =>
    Cached.make(EntropyConstrained.make(first, { maxBytes: 10_000 }))
  )
)
