// Saves what a worker has to commit, and ends without closing anything.
import { SqlAgent, SqlDriver } from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import { Effect, Exit, Schema, Scope } from "effect"

const [filename = ""] = process.argv.slice(2)
let workers = 0
process.on("worker", () => workers++)

const scope = Scope.makeUnsafe()
const main = Effect.gen(function* () {
  const family = yield* SqlAgent.family({ name: "texts", schema: Schema.Struct({ s: Schema.String }) })
  const saved = yield* Effect.forEach(
    [..."abcdefgh"],
    (s) => Effect.exit(family.at(s).save({ s: s.repeat(1_000_000) })),
    {
      concurrency: "unbounded"
    }
  )
  if (saved.every(Exit.isSuccess)) process.stdout.write(`saved by ${workers} worker`)
})
await Effect.runPromise(
  Effect.flatMap(SqliteDriver.make({ filename }), (driver) => Effect.provideService(main, SqlDriver, driver)).pipe(
    Effect.provideService(Scope.Scope, scope)
  )
)
