// A process that opens servers in each way it is told of, closes them, and then has nothing left to do.
import { IoredisDriver } from "dgents/redis"
import { Effect, Result, Scope } from "effect"

const [ways = "[]"] = process.argv.slice(2)
process.on("unhandledRejection", () => console.log("unhandled"))

for (const options of JSON.parse(ways)) {
  const opened = Effect.gen(function* () {
    const { server } = yield* IoredisDriver.make(options)
    // It outlives its driver.
    yield* Scope.provide(
      server.subscribe("channel", () => {}),
      Scope.makeUnsafe()
    )
    yield* server.command("write", "set", ["a", 1])
  })
  const result = await Effect.runPromise(Effect.result(Effect.scoped(opened)))
  console.log(Result.isSuccess(result) ? "used" : result.failure._tag)
}
