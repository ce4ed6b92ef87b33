/** What `SqlAgent` adds to any database (histories of deltas, change feeds, paging), over the smallest one. */
import { it } from "@effect/vitest"
import { SqlAgent, SqlDriver } from "dgents"
import { Laws, type Site, type Subject } from "dgents/testing"
import { Effect, type Schema } from "effect"
import * as MapEngine from "../agents/sql/MapEngine.ts"
import { Account, Rich, Tree } from "./schemas.ts"

const over =
  (site: Site.Site) =>
  <A, E, R>(open: Effect.Effect<A, E, R>) =>
    Effect.suspend(() => {
      const engine = MapEngine.make(site.memory("rows", () => new MapEngine.Rows()))
      return Effect.provideService(open, SqlDriver, SqlDriver.fromEngine(engine))
    })

const subject = <S>(
  name: string,
  schema: Schema.Codec<S, unknown>,
  options: Pick<SqlAgent.Options<S>, "history" | "deltas">
): Subject<S> => ({
  name: `SqlAgent on maps of ${name}`,
  schema,
  open: (site) => over(site)(SqlAgent.make({ name, schema, ...options })),
  family: (site) => over(site)(SqlAgent.family({ name, schema, ...options }))
})

Laws.suite(it, subject("accounts, full history", Account, { history: "full" }))
Laws.suite(it, subject("all kinds of values, deltas", Rich, { history: "full", deltas: 4 }))
Laws.suite(it, subject("trees, deltas, three kept", Tree, { history: { bounded: 3 }, deltas: 2 }))
Laws.suite(it, subject("accounts, kept for an hour", Account, { history: { maxAge: "1 hour" } }))
