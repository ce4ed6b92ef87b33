// Run under a limit on the size of files, so that a COMMIT fails: prints what a save answers then, and what loads after.
import { SqlAgent } from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import { Effect, Schema } from "effect"

const [filename = ""] = process.argv.slice(2)
// Without a listener the signal that comes with the error would end the process.
process.on("SIGXFSZ", () => {})

const main = Effect.gen(function* () {
  const agent = yield* SqlAgent.make({ name: "text", schema: Schema.Struct({ s: Schema.String }), history: "full" })
  yield* agent.save({ s: "before" })
  const error = yield* Effect.flip(agent.save({ s: "secret".repeat(1_000_000) }))
  const loaded = yield* agent.load
  yield* agent.save({ s: "after" })
  const answer = { tag: error._tag, message: error.message, loaded: loaded.s, after: (yield* agent.load).s }
  process.stdout.write(JSON.stringify(answer))
})

await Effect.runPromise(main.pipe(Effect.scoped, Effect.provide(SqliteDriver.layer({ filename }))))
