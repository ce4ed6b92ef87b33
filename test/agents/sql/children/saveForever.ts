// Saves 1, 2, 3, ... and prints each number once its save is acknowledged, until killed.
import { writeSync } from "node:fs"
import { SqlAgent } from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import { Effect, Schema } from "effect"

const [filename = ""] = process.argv.slice(2)

const main = Effect.gen(function* () {
  const agent = yield* SqlAgent.make({ name: "counter", schema: Schema.Struct({ n: Schema.Number }), history: "full" })
  for (let n = 1; ; n++) {
    yield* agent.save({ n })
    writeSync(1, `${n}\n`)
  }
})

await Effect.runPromise(main.pipe(Effect.scoped, Effect.provide(SqliteDriver.layer({ filename }))))
