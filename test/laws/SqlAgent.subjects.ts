/** SqlAgent on SQLite, of several schemas and histories, where other processes find it too. */
import { SqlAgent, SqlDriver } from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import type { Site, Subject } from "dgents/testing"
import { Effect, type Schema } from "effect"
import { Account, Person, Rich, Tree } from "./schemas.ts"

const onFile =
  (site: Site.Site) =>
  <A, E, R>(open: Effect.Effect<A, E, R>) =>
    Effect.flatMap(SqliteDriver.make({ filename: site.path("states.db") }), (driver) =>
      Effect.provideService(open, SqlDriver, driver)
    )

const subject = <S>(
  name: string,
  schema: Schema.Codec<S, unknown>,
  history: SqlAgent.Options<S>["history"],
  deltas?: number
): Subject<S> => ({
  name: `SqlAgent on SQLite of ${name}`,
  schema,
  open: (site) => onFile(site)(SqlAgent.make({ name, schema, history, deltas })),
  family: (site) => onFile(site)(SqlAgent.family({ name, schema, history, deltas })),
  openAs: (site, other) => onFile(site)(SqlAgent.make({ name, schema: other, history, deltas }))
})

export const accounts: Subject<typeof Account.Type> = {
  ...subject("accounts, full history", Account, "full"),
  module: { url: import.meta.url, export: "accounts" }
}

export const everything = subject("all kinds of values, no history", Rich, "none")

export const persons = subject("class instances, three kept", Person, { bounded: 3 })

export const recent = subject("all kinds of values, of the last hour", Rich, { maxAge: "1 hour" })

export const deltas: Subject<typeof Account.Type> = {
  ...subject("accounts, as differences", Account, "full", 4),
  module: { url: import.meta.url, export: "deltas" }
}

export const trees = subject("trees, two kept", Tree, { bounded: 2 })
