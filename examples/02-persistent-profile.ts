// State in a file that survives kill -9 and power cuts, and that a person can open and read.
import { mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { NodeFileSystem } from "@effect/platform-node"
import { DataAgent, PersistentAgent } from "dgents"
import { Console, Effect, Schema } from "effect"

const Profile = Schema.Struct({
  name: Schema.String,
  born: Schema.Date,
  tags: Schema.ReadonlySet(Schema.String),
  city: Schema.optionalKey(Schema.String)
})

const open = (path: string) => PersistentAgent.make({ path, schema: Profile, history: { bounded: 10 } })

export const program = Effect.gen(function* () {
  const directory = yield* Effect.acquireRelease(
    Effect.promise(() => mkdtemp(join(tmpdir(), "dgents-example-"))),
    (directory) => Effect.promise(() => rm(directory, { recursive: true }))
  )
  const path = join(directory, "ada.json")

  // One program saves ...
  yield* Effect.scoped(
    Effect.gen(function* () {
      const profile = yield* open(path)
      yield* profile.save({ name: "Ada", born: new Date("1815-12-10"), tags: new Set(["maths"]) })
      yield* DataAgent.update(profile, (p) => ({ ...p, city: "London" }))
    })
  )

  // ... another one, started later, goes on where it was. The Date is a Date and the Set is a Set.
  const profile = yield* open(path)
  const { born, city, name, tags } = yield* profile.load
  yield* Console.log(`${name}, born ${born.getUTCFullYear()}, ${city}, ${[...tags].join(", ")}`)
  yield* Console.log(yield* Effect.promise(() => readFile(path, "utf8")))
}).pipe(Effect.scoped, Effect.provide(NodeFileSystem.layer))

if (import.meta.main) await Effect.runPromise(program)
