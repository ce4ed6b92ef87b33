// Appends 1, 2, 3, ... and prints each number once its append is acknowledged, until killed.
import { writeSync } from "node:fs"
import { Effect } from "effect"
import { added, openFile } from "../logs.ts"

const [filename = ""] = process.argv.slice(2)

const main = Effect.gen(function* () {
  const log = yield* openFile(filename)
  for (let n = 1; ; n++) {
    yield* log.append(added([n]))
    writeSync(1, `${n}\n`)
  }
})

await Effect.runPromise(Effect.scoped(main))
