import { RedisDriver, type RedisDriverService } from "dgents"
import { IoredisDriver } from "dgents/redis"
import { Effect } from "effect"
import * as Server from "./server.ts"

export { following } from "../following.ts"

let names = 0

/** A name that nobody else uses on the server. */
export const newName = (): string => `test ${process.pid} ${Date.now()} ${++names}`

/** The URL of this process's server. */
export const url = Effect.promise(() => Server.shared().then((server) => server.url))

/** A driver, on this process's server unless a URL is given. */
export const openDriver = (options: IoredisDriver.Options = {}) =>
  Effect.flatMap(url, (url) => IoredisDriver.make({ url, ...options }))

/** What runs on a driver. */
export const on =
  (driver: RedisDriverService) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.provideService(effect, RedisDriver, driver)

/** One command on a connection of its own. */
export const send = (name: string, ...args: ReadonlyArray<string | number>) =>
  Effect.flatMap(url, (url) => Effect.promise(() => Server.command(url, name, ...args)))
