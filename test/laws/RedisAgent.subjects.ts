/** RedisAgent of several schemas and histories on servers that tests started, where other processes find it too. */
import type { RedisDriverService } from "dgents"
import { IoredisDriver } from "dgents/redis"
import type { Subject } from "dgents/testing"
import { Effect, type Scope } from "effect"
import * as Server from "../agents/redis/server.ts"
import { once, redisSubject } from "./redisSubject.ts"
import { Account, Person, Rich, Tree } from "./schemas.ts"

const driverOf = (url: Effect.Effect<string, Error, Scope.Scope>): Effect.Effect<RedisDriverService> =>
  once(Effect.flatMap(url, (url) => IoredisDriver.make({ url })))

const server = Effect.promise(Server.shared)

const always = redisSubject(driverOf(Effect.map(server, ({ url }) => url)))

export const accounts: Subject<typeof Account.Type> = {
  ...always("accounts, full history", Account, { history: "full" }),
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

export const everything = always("all kinds of values, no history", Rich, { history: "none" })

export const persons = always("class instances, three kept", Person, { history: { bounded: 3 } })

export const trees = always("trees that live on by being read", Tree, {
  history: "full",
  expire: { after: "1 hour", from: "read" }
})

/** Handed down, so that the processes that the laws start use the same server. */
const handedDown = (name: string, options: Server.Options): Effect.Effect<string, Error, Scope.Scope> =>
  Effect.suspend(() => {
    const known = process.env[name]
    if (known !== undefined) return Effect.succeed(known)
    return Effect.map(Server.start(options), ({ url }) => {
      process.env[name] = url
      return url
    })
  })

const everySecond = redisSubject(driverOf(handedDown("DGENTS_TEST_REDIS_EVERYSEC", { persistence: "everysec" })))

export const synced: Subject<typeof Account.Type> = {
  ...everySecond("accounts, synced every second", Account, { history: { bounded: 2 } }),
  module: { url: import.meta.url, export: "synced" }
}

const never = redisSubject(driverOf(handedDown("DGENTS_TEST_REDIS_NONE", { persistence: "none" })))

export const kept = never("accounts, kept in memory", Account, { history: "none" })
