import { open, rename } from "node:fs/promises"
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

for (const [size, bytes] of [
  ["1 KB", 1_000],
  ["100 KB", 100_000]
] as const)
  bench(
    `file/save ${size}, against write, fsync, rename, fsync`,
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const fileSystem = yield* Layer.build(NodeFileSystem.layer)
      const agent = yield* PersistentAgent.make({ path: join(directory, "ours.json"), schema: Conversation }).pipe(
        Effect.provide(fileSystem)
      )
      const next = conversations(bytes)
      return {
        ours: (i) => agent.save(next(i)),
        raw: (i) => replace(directory, "raw.json", JSON.stringify(next(i), null, 2))
      }
    })
  )
