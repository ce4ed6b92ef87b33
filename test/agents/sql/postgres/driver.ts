import { SqlDriver, type SqlDriverService } from "dgents"
import { PostgresDriver } from "dgents/postgres"
import { Effect } from "effect"
import * as Server from "./server.ts"

export { following } from "../../following.ts"

let databases = 0

/** The URL of a new and empty database on this process's server. */
export const newDatabase = Effect.promise(async () => {
  const server = await Server.shared()
  return Server.database(server, `test_${process.pid}_${Date.now()}_${++databases}`)
})

/** A driver, on a new database unless a URL is given. */
export const openDriver = (options: PostgresDriver.Options = {}) =>
  Effect.flatMap(options.url === undefined ? newDatabase : Effect.succeed(options.url), (url) =>
    PostgresDriver.make({ ...options, url })
  )

/** What runs on a driver. */
export const on =
  (driver: SqlDriverService) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.provideService(effect, SqlDriver, driver)

/** One statement on a connection of its own. */
export const query = (url: string, text: string, values: ReadonlyArray<unknown> = []) =>
  Effect.promise(() => Server.query(url, text, values))
