import { createHash } from "node:crypto"
import { RedisAgent, RedisDriver, type RedisDriverService } from "dgents"
import type { Site, Subject } from "dgents/testing"
import { Effect, type Schema, Scope } from "effect"

/** The sites share the server, and are told apart by their agents' names, which are the same in all processes. */
const nameAt = (name: string, site: Site.Site): string =>
  `${name} ${createHash("sha256").update(site.path("states")).digest("hex").slice(0, 16)}`

/** RedisAgent of a schema. To connect takes longer than all that a case does, so that one driver serves all cases. */
export const redisSubject =
  (driver: Effect.Effect<RedisDriverService>) =>
  <S>(
    name: string,
    schema: Schema.Codec<S, unknown>,
    options: Pick<RedisAgent.Options<S>, "history" | "expire">
  ): Subject<S> => {
    const on = <A, E, R>(open: Effect.Effect<A, E, R>) =>
      Effect.flatMap(driver, (driver) => Effect.provideService(open, RedisDriver, driver))
    return {
      name: `RedisAgent of ${name}`,
      schema,
      open: (site) => on(RedisAgent.make({ name: nameAt(name, site), schema, ...options })),
      family: (site) => on(RedisAgent.family({ name: nameAt(name, site), schema, ...options })),
      openAs: (site, other) => on(RedisAgent.make({ name: nameAt(name, site), schema: other, ...options }))
    }
  }

/** What is made once in a process, and lives as long as that does. */
export const once = <A>(make: Effect.Effect<A, unknown, Scope.Scope>): Effect.Effect<A> => {
  let made: Promise<A> | undefined
  return Effect.promise(() => {
    made ??= Effect.runPromise(Scope.provide(make, Scope.makeUnsafe()))
    return made
  })
}
