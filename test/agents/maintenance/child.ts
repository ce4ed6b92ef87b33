// Migrates the profiles of a database, one after the other, and prints how far it is, until killed.
import { writeSync } from "node:fs"
import { Maintenance, SqlAgent, Versioned } from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import { Effect } from "effect"
import { third } from "../../schema/profiles.ts"

const [filename = ""] = process.argv.slice(2)

const main = Effect.gen(function* () {
  const profiles = yield* SqlAgent.family({ name: "profiles", schema: Versioned.make(third) })
  yield* Maintenance.migrateAll(profiles, {
    concurrency: 1,
    onProgress: ({ rewritten }) => Effect.sync(() => writeSync(1, `${rewritten}\n`))
  })
})

await Effect.runPromise(main.pipe(Effect.scoped, Effect.provide(SqliteDriver.layer({ filename }))))
