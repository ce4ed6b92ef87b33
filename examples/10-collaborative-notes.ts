// Notes that two processes edit at once, in files that both have open. Each edit is an event: nobody overwrites anybody, both
// see the same in the end, and who wrote what is on record.
import { execFile } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { NodeServices } from "@effect/platform-node"
import { FileLog, StreamAgent } from "dgents"
import { Console, Effect, Layer, Schema, Stream } from "effect"

const notes = StreamAgent.make({
  name: "notes",
  events: Schema.TaggedStruct("Added", { by: Schema.String, line: Schema.String }),
  state: Schema.Array(Schema.String),
  initial: [],
  fold: (lines, { line }) => [...lines, line]
})

const filesIn = (directory: string) => Layer.provide(FileLog.layer({ directory, sharing: "host" }), NodeServices.layer)

/** What one process does: ten lines, each numbered by those that are there. */
const edit = (by: string) =>
  Effect.gen(function* () {
    const shared = yield* notes
    for (let i = 0; i < 10; i++)
      // Runs again when the other process was faster.
      yield* shared.decide((lines) =>
        Effect.succeed([undefined, [{ _tag: "Added" as const, by, line: `line ${lines.length + 1}` }]] as const)
      )
    // Waits for what the other one adds.
    yield* Stream.runDrain(Stream.take(shared.changes(), 20))
    yield* Console.log((yield* shared.load).join(", "))
  })

export const program = Effect.gen(function* () {
  const directory = mkdtempSync(join(tmpdir(), "notes-"))
  yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(directory, { recursive: true })))
  const run = (name: string) => {
    const args = [...process.execArgv, import.meta.filename, directory, name]
    return Effect.promise(() => promisify(execFile)(process.execPath, args))
  }
  const [ada, bob] = yield* Effect.all([run("ada"), run("bob")], { concurrency: 2 })
  yield* Console.log(`both see the same: ${ada.stdout === bob.stdout}\n${ada.stdout}`)
  const trail = Stream.unwrap(Effect.map(notes, ({ events }) => events()))
  yield* Stream.runForEach(trail, ({ at, event, position }) =>
    Console.log(`${position} ${new Date(at).toISOString()} ${event.by} added ${event.line}`)
  ).pipe(Effect.provide(filesIn(directory)))
}).pipe(Effect.scoped)

const [, , directory = "", name] = process.argv
const main = name === undefined ? program : edit(name).pipe(Effect.scoped, Effect.provide(filesIn(directory)))
if (import.meta.main) await Effect.runPromise(main)
