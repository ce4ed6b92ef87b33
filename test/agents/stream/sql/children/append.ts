// Appends pairs of events to the file given, which may be new, as often as asked: each pair in one append.
import { Effect } from "effect"
import { added, openFile } from "../logs.ts"

const [filename = "", times = "0", name = ""] = process.argv.slice(2)

const main = Effect.gen(function* () {
  const log = yield* openFile(filename)
  for (let n = 0; n < Number(times); n++)
    yield* log.append(added([`${name} ${n} a`, `${name} ${n} b`], { at: Date.now(), id: `${name} ${n}` }))
})

await Effect.runPromise(Effect.scoped(main))
