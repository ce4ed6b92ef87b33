// Opens the file given, which may be new, and increments its counter as often as asked.
import { SqlAgent } from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import { Effect, Schema } from "effect"

const [filename = "", times = "0"] = process.argv.slice(2)

const main = Effect.gen(function* () {
  const agent = yield* SqlAgent.make({
    name: "counter",
    schema: Schema.Struct({ n: Schema.Number }),
    initial: { n: 0 },
    history: "full"
  })
  for (let i = 0; i < Number(times); i++) {
    yield* agent.modify(({ n }) => Effect.as(Effect.yieldNow, [undefined, { n: n + 1 }] as const), { retries: 10_000 })
  }
})

await Effect.runPromise(main.pipe(Effect.scoped, Effect.provide(SqliteDriver.layer({ filename }))))
