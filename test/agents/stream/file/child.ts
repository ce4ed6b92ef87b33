// A process that appends to a stream in files: `count` events, and says of each its position, or why it could not.
import { writeSync } from "node:fs"
import { NodeFileSystem } from "@effect/platform-node"
import { Effect } from "effect"
import * as FileLog from "../../../../src/agents/stream/file/log.ts"

const [directory = "", sharing = "process", name = "", count = "1", concurrency = "1"] = process.argv.slice(2)

// Not console.log: what is said has to be out before the process is killed.
const say = (text: string) => Effect.sync(() => writeSync(1, `${text}\n`))

const program = Effect.gen(function* () {
  const log = yield* FileLog.make({ directory, sharing: sharing === "host" ? "host" : "process", segmentBytes: 5_000 })
  yield* say("open")
  const append = (n: number) =>
    Effect.flatMap(
      log.append({
        collection: "c",
        key: "k",
        events: [
          { type: "Added", data: JSON.stringify({ name, n, part: 1 }) },
          { type: "Added", data: JSON.stringify({ name, n, part: 2 }) }
        ],
        expected: "any",
        at: Date.now(),
        id: `${name} ${n}`
      }),
      ({ first }) => say(`${first} ${n}`)
    )
  yield* Effect.forEach(
    Array.from({ length: Number(count) }, (_, n) => n),
    append,
    { concurrency: Number(concurrency), discard: true }
  )
})

Effect.runPromise(Effect.scoped(Effect.provide(program, NodeFileSystem.layer))).catch((error) => {
  writeSync(1, `${error._tag}: ${error.message ?? error.reason}\n`)
  process.exitCode = 1
})
