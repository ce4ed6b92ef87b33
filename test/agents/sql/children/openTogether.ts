// Opens new files, each at the instant at which others open it too, and saves its own state in each.
import { SqlAgent } from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import { Effect, Schema } from "effect"

const [directory = "", files = "0", start = "0", key = ""] = process.argv.slice(2)

const main = Effect.gen(function* () {
  const family = yield* SqlAgent.family({ name: "family", schema: Schema.Struct({ n: Schema.Number }) })
  yield* family.at(key).save({ n: 1 })
})

// The driver is loaded before the first instant comes.
await Effect.runPromise(main.pipe(Effect.scoped, Effect.provide(SqliteDriver.layer({ filename: ":memory:" }))))
for (let i = 0; i < Number(files); i++) {
  while (Date.now() < Number(start) + 50 * i) {}
  const filename = `${directory}/${i}.db`
  await Effect.runPromise(main.pipe(Effect.scoped, Effect.provide(SqliteDriver.layer({ filename }))))
}
