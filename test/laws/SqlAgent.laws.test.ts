import { it } from "@effect/vitest"
import { SqlAgent, SqlDriver } from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import { Laws, type Site } from "dgents/testing"
import { Effect, type Schema } from "effect"
import { Account, Person, Rich, Tree } from "./schemas.ts"

const onFile =
  (site: Site.Site) =>
  <A, E, R>(open: Effect.Effect<A, E, R>) =>
    Effect.flatMap(SqliteDriver.make({ filename: site.path("states.db") }), (driver) =>
      Effect.provideService(open, SqlDriver, driver)
    )

const run = <S>(name: string, schema: Schema.Codec<S, unknown>, history: SqlAgent.Options<S>["history"]) =>
  Laws.suite(it, {
    name: `SqlAgent on SQLite of ${name}`,
    schema,
    open: (site) => onFile(site)(SqlAgent.make({ name, schema, history })),
    family: (site) => onFile(site)(SqlAgent.family({ name, schema, history }))
  })

run("accounts, full history", Account, "full")
run("all kinds of values, no history", Rich, "none")
run("class instances, three kept", Person, { bounded: 3 })
run("trees, two kept", Tree, { bounded: 2 })
