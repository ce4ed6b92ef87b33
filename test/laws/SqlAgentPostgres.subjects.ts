/** SqlAgent on PostgreSQL, of several schemas and histories, where other processes find it too. */
import { createHash } from "node:crypto"
import { SqlAgent, SqlDriver } from "dgents"
import { PostgresDriver } from "dgents/postgres"
import type { Site, Subject } from "dgents/testing"
import { Effect, type Schema, Scope } from "effect"
import * as Server from "../agents/sql/postgres/server.ts"
import { Account, Person, Rich, Tree } from "./schemas.ts"

// To connect takes longer than all that a case does: connections are shared by the drivers of all cases.
let pool: Promise<PostgresDriver.SharedPool> | undefined

const shared = Effect.promise(() => {
  pool ??= Server.shared().then(({ url }) =>
    Effect.runPromise(Scope.provide(PostgresDriver.makePool({ url }), Scope.makeUnsafe()))
  )
  return pool
})

/** The sites share the tables, and are told apart by their agents' names, which are the same in all processes. */
const nameAt = (name: string, site: Site.Site): string =>
  `${name} ${createHash("sha256").update(site.path("states")).digest("hex").slice(0, 16)}`

const onServer = <A, E, R>(open: Effect.Effect<A, E, R>) =>
  Effect.flatMap(Effect.flatMap(shared, PostgresDriver.fromPool), (driver) =>
    Effect.provideService(open, SqlDriver, driver)
  )

const server = Effect.promise(Server.shared)

const subject = <S>(
  name: string,
  schema: Schema.Codec<S, unknown>,
  options: Pick<SqlAgent.Options<S>, "history" | "deltas">
): Subject<S> => ({
  name: `SqlAgent on PostgreSQL of ${name}`,
  schema,
  open: (site) => onServer(SqlAgent.make({ name: nameAt(name, site), schema, ...options })),
  family: (site) => onServer(SqlAgent.family({ name: nameAt(name, site), schema, ...options })),
  openAs: (site, other) => onServer(SqlAgent.make({ name: nameAt(name, site), schema: other, ...options }))
})

export const accounts: Subject<typeof Account.Type> = {
  ...subject("accounts, full history", Account, { history: "full" }),
  module: {
    url: import.meta.url,
    export: "accounts",
    settled: Effect.flatMap(server, ({ settled }) => settled),
    ...(Server.isOurs()
      ? {
          server: {
            kill: Effect.flatMap(server, ({ kill }) => kill),
            restart: Effect.flatMap(server, ({ restart }) => restart)
          }
        }
      : {})
  }
}

export const everything = subject("all kinds of values, no history", Rich, { history: "none" })

export const persons = subject("class instances, three kept", Person, { history: { bounded: 3 } })

export const trees = subject("trees, kept as differences", Tree, { history: "full", deltas: 4 })
