// Changes a memory one time after another, and prints each change when it begins and when it is acknowledged, until killed.
import { writeSync } from "node:fs"
import { Effect, Logger } from "effect"
import { apply, changeOf, open } from "./note.ts"

const [kind = "", directory = "", first = "0"] = process.argv.slice(2)

const main = Effect.gen(function* () {
  const memory = yield* open(kind, directory)
  for (let n = Number(first); ; n++) {
    writeSync(1, `${JSON.stringify(changeOf(n))}\n`)
    yield* apply(memory, changeOf(n))
    writeSync(1, "done\n")
  }
})

await Effect.runPromise(main.pipe(Effect.scoped, Effect.provide(Logger.layer([]))))
