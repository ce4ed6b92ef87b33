/** RedisAgent of several schemas and histories, where other processes find it too. */
import { createHash } from "node:crypto"
import { RedisAgent, RedisDriver, type RedisDriverService } from "dgents"
import { IoredisDriver } from "dgents/redis"
import type { Site, Subject } from "dgents/testing"
import { Effect, type Schema, Scope } from "effect"
import * as Server from "../agents/redis/server.ts"
import { Account, Person, Rich, Tree } from "./schemas.ts"

// To connect takes longer than all that a case does: one driver serves all cases of a process.
let driver: Promise<RedisDriverService> | undefined

const shared = Effect.promise(() => {
  driver ??= Server.shared().then(({ url }) =>
    Effect.runPromise(Scope.provide(IoredisDriver.make({ url }), Scope.makeUnsafe()))
  )
  return driver
})

/** The sites share the server, and are told apart by their agents' names, which are the same in all processes. */
const nameAt = (name: string, site: Site.Site): string =>
  `${name} ${createHash("sha256").update(site.path("states")).digest("hex").slice(0, 16)}`

const onServer = <A, E, R>(open: Effect.Effect<A, E, R>) =>
  Effect.flatMap(shared, (driver) => Effect.provideService(open, RedisDriver, driver))

const server = Effect.promise(Server.shared)

const subject = <S>(
  name: string,
  schema: Schema.Codec<S, unknown>,
  options: Pick<RedisAgent.Options<S>, "history" | "expire">
): Subject<S> => ({
  name: `RedisAgent of ${name}`,
  schema,
  open: (site) => onServer(RedisAgent.make({ name: nameAt(name, site), schema, ...options })),
  family: (site) => onServer(RedisAgent.family({ name: nameAt(name, site), schema, ...options })),
  openAs: (site, other) => onServer(RedisAgent.make({ name: nameAt(name, site), schema: other, ...options }))
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

export const trees = subject("trees that live on by being read", Tree, {
  history: "full",
  expire: { after: "1 hour", from: "read" }
})
