// What is left of a memory whose process is killed, with its index in a file that is saved every third change.
import { fileURLToPath } from "node:url"
import { expect, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import { type Note, type Question, queryOf, wrong } from "../../src/testing/laws/vectorModel.ts"
import { start } from "./sql/children/run.ts"
import { tempDirectory } from "./sql/temp.ts"
import { type Change, open } from "./vector/children/note.ts"

const everything: Question = { text: "1 2 1", k: Number.POSITIVE_INFINITY, minScore: undefined, evenOnly: false }

/** Runs a child until it has acknowledged so many changes and done something more, and answers what it printed. */
const killed = (args: ReadonlyArray<string>, acknowledged: number, later: number) =>
  Effect.promise(async () => {
    const { child, ended } = start(fileURLToPath(new URL("vector/children/remember.ts", import.meta.url)), args)
    let done = 0
    child.stdout.on("data", (chunk) => {
      done += String(chunk).split("done\n").length - 1
      if (done >= acknowledged) setTimeout(() => child.kill("SIGKILL"), later)
    })
    return (await ended).out.split("\n").slice(0, -1)
  })

for (const kind of ["sqlite", "files"])
  it.live(`a killed process loses no acknowledged item and shows no removed one: ${kind}`, () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      const items = new Map<string, Note>()
      let begun = 0
      for (const [round, acknowledged] of [1, 4, 12, 30, 7].entries()) {
        const lines = yield* killed([kind, directory, String(begun)], acknowledged, round)
        const changes = lines.filter((line) => line !== "done").map((line): Change => JSON.parse(line))
        begun += changes.length
        const count = lines.length - changes.length
        expect(count).toBeGreaterThanOrEqual(acknowledged)
        const set = (id: string, note: Note | null) => (note === null ? items.delete(id) : items.set(id, note))
        for (const change of changes.slice(0, count)) for (const [id, note] of change.items) set(id, note)
        yield* Effect.scoped(
          Effect.gen(function* () {
            const memory = yield* open(kind, directory)
            // What was under way has happened or not, item by item.
            for (const [id, note] of changes[count]?.items ?? []) {
              const got = Option.getOrNull(yield* memory.get(id))
              expect([items.get(id) ?? null, note]).toContainEqual(got)
              set(id, got)
            }
            expect(new Map(yield* memory.entries)).toEqual(items)
            const hits = yield* memory.search(queryOf(everything))
            expect(wrong("cosine", items, everything, hits)).toBeUndefined()
          })
        )
      }
      expect(items.size).toBeGreaterThan(3)
    })
  )
