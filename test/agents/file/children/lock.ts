// A process that uses a lock: "count <n>" increments the number in a file n times, each under the lock, by a plain read
// and write; "hold" takes the lock, says so, and keeps it until it is killed or told to end.
import { readFileSync, writeFileSync, writeSync } from "node:fs"
import { join } from "node:path"
import { NodeFileSystem } from "@effect/platform-node"
import { Effect, FileSystem } from "effect"
import { Disk } from "../../../../src/agents/file/disk.ts"
import { HostLock, lockOf } from "../../../../src/agents/file/lock.ts"

const [directory = "", task = "", times = "0"] = process.argv.slice(2)
const file = join(directory, "counter")

// Nobody is left behind: this process ends with the pipe to its parent.
process.stdin.on("end", () => process.exit(1)).resume()

const increment = Effect.gen(function* () {
  const n = Number(readFileSync(file, "utf8"))
  yield* Effect.yieldNow
  writeFileSync(file, String(n + 1))
})

const program = Effect.gen(function* () {
  const lock = new HostLock(new Disk(yield* FileSystem.FileSystem), lockOf(directory, "counter"), { waitLimit: 60_000 })
  if (task === "hold") {
    yield* lock.withLock(
      Effect.andThen(
        Effect.sync(() => writeSync(1, "held\n")),
        Effect.never
      )
    )
  } else {
    for (let i = 0; i < Number(times); i++) yield* lock.withLock(increment)
  }
})

await Effect.runPromise(Effect.provide(program, NodeFileSystem.layer))
process.exit(0)
