import { Effect, type Scope } from "effect"
import { StorageUnavailable } from "../StateError.ts"
import type { Claimed } from "./claims.ts"
import type { Driver } from "./clients.ts"
import { Connection } from "./connection.ts"
import { unavailable } from "./errors.ts"
import { type Options, settingsOf } from "./options.ts"

/** Why servers cannot be used. */
export type OpenError = StorageUnavailable

/** An error of a driver that is not there. */
const notLoaded = (cause: unknown): StorageUnavailable => {
  const isMissing = cause instanceof Error && "code" in cause && cause.code === "ERR_MODULE_NOT_FOUND"
  return unavailable(
    isMissing
      ? 'the package "ioredis" is not installed; run `npm install ioredis`'
      : 'the package "ioredis" is installed but does not load; install it again',
    cause
  )
}

const load: Effect.Effect<Driver, StorageUnavailable> = Effect.tryPromise({
  try: () => import("ioredis"),
  catch: notLoaded
})

/** A connection to servers that can be used, and what they are worth. It ends with the scope. */
export const open = (
  options: Options
): Effect.Effect<{ readonly connection: Connection; readonly claimed: Claimed }, OpenError, Scope.Scope> =>
  Effect.gen(function* () {
    const settings = yield* settingsOf(options)
    const driver = yield* load
    const connection = yield* Effect.acquireRelease(
      Effect.sync(() => new Connection(driver, settings)),
      (connection) => Effect.promise(() => connection.close())
    )
    const claimed = yield* Effect.mapError(connection.claimed, (failure) =>
      failure._tag === "Unavailable"
        ? new StorageUnavailable({ agent: "RedisDriver", operation: "open", ...failure })
        : unavailable(`${settings.place}: the connection was closed`)
    )
    if (typeof claimed === "string") return yield* Effect.fail(unavailable(`${settings.place}: ${claimed}`))
    yield* Effect.forEach(claimed.warnings, (warning) => Effect.logWarning(warning))
    return { connection, claimed }
  })
