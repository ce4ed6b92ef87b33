import { open, readFile, rename, unlink, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { NodeFileSystem } from "@effect/platform-node"
import { PersistentAgent } from "dgents"
import { Effect, Layer } from "effect"
import { bench, temporaryDirectory } from "../harness.ts"
import { Conversation, conversations } from "../states.ts"

/** What any program has to do to replace a file so that it survives a power cut. */
const replace = async (directory: string, name: string, text: string): Promise<void> => {
  const target = join(directory, name)
  const file = await open(`${target}.tmp`, "w")
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(`${target}.tmp`, target)
  const parent = await open(directory)
  try {
    await parent.sync()
  } finally {
    await parent.close()
  }
}

const sizes = [
  ["1 KB", 1_000],
  ["100 KB", 100_000]
] as const

type Options = Pick<PersistentAgent.Options<typeof Conversation.Type>, "history" | "sharing">

const opened = (directory: string, options?: Options) =>
  Effect.gen(function* () {
    const fileSystem = yield* Layer.build(NodeFileSystem.layer)
    const make = PersistentAgent.make({ path: join(directory, "ours.json"), schema: Conversation, ...options })
    return yield* Effect.provide(make, fileSystem)
  })

for (const [size, bytes] of sizes) {
  bench(
    `file/save ${size}, against write, fsync, rename, fsync`,
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const agent = yield* opened(directory)
      const next = conversations(bytes)
      return {
        ours: (i) => agent.save(next(i)),
        raw: (i) => replace(directory, "raw.json", JSON.stringify(next(i), null, 2))
      }
    })
  )

  bench(
    `file/save ${size} with a history of 10, against append, fsync, write, fsync, rename, fsync`,
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const agent = yield* opened(directory, { history: { bounded: 10 } })
      const next = conversations(bytes)
      const log = yield* Effect.acquireRelease(
        Effect.promise(() => open(join(directory, "raw.log"), "a")),
        (log) => Effect.promise(() => log.close())
      )
      let before = ""
      return {
        ours: (i) => agent.save(next(i)),
        raw: async (i) => {
          await log.appendFile(before)
          await log.sync()
          before = JSON.stringify(next(i), null, 2)
          await replace(directory, "raw.json", before)
        }
      }
    })
  )

  bench(
    `file/save ${size} shared by a host, against lock file, read, write, fsync, rename, fsync, unlink`,
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const agent = yield* opened(directory, { sharing: "host" })
      const next = conversations(bytes)
      yield* Effect.promise(() => writeFile(join(directory, "raw.json"), "{}"))
      return {
        ours: (i) => agent.save(next(i)),
        raw: async (i) => {
          const lock = await open(join(directory, "raw.lock"), "wx")
          await lock.close()
          await readFile(join(directory, "raw.json"), "utf8")
          await replace(directory, "raw.json", JSON.stringify(next(i), null, 2))
          await unlink(join(directory, "raw.lock"))
        }
      }
    })
  )

  bench(
    `file/load ${size} shared by a host, against read and parse`,
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const agent = yield* opened(directory, { sharing: "host" })
      yield* agent.save(conversations(bytes)(0))
      const path = join(directory, "raw.json")
      yield* Effect.promise(() => writeFile(path, JSON.stringify(conversations(bytes)(0), null, 2)))
      return {
        ours: () => agent.load,
        raw: async () => JSON.parse(await readFile(path, "utf8"))
      }
    })
  )
}
