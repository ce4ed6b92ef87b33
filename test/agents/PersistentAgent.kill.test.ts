import { spawn } from "node:child_process"
import { readdirSync } from "node:fs"
import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { expect, it } from "@effect/vitest"
import { PersistentAgent } from "dgents"
import { Effect, FileSystem, Schema, Stream } from "effect"

const State = Schema.Struct({ n: Schema.Number, filler: Schema.String })
const writer = join(import.meta.dirname, "file", "writer.ts")

/** Lets a writer work until it has acknowledged some saves, kills it a moment later, and answers all that it said. */
const killedWriter = (path: string, from: number, acks: number, wait: number) =>
  Effect.callback<{ readonly started: number; readonly acked: number }, Error>((resume) => {
    const child = spawn(process.execPath, ["--conditions=@dgents/source", writer, path, String(from)], {
      stdio: ["ignore", "pipe", "pipe"]
    })
    let out = ""
    let errors = ""
    let killed = false
    const last = (word: string) =>
      Number([...out.matchAll(new RegExp(`^${word} (\\d+)$`, "gm"))].at(-1)?.[1] ?? from - 1)
    child.stderr.on("data", (data) => {
      errors += data
    })
    child.stdout.on("data", (data) => {
      out += data
      if (killed || last("ack") < from + acks) return
      killed = true
      setTimeout(() => child.kill("SIGKILL"), wait)
    })
    child.on("close", () =>
      resume(killed ? Effect.succeed({ started: last("start"), acked: last("ack") }) : Effect.fail(new Error(errors)))
    )
    return Effect.sync(() => child.kill("SIGKILL"))
  })

it.effect("a killed writer leaves the last acknowledged state or the one it was writing, and nothing else", () =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const directory = yield* fs.makeTempDirectoryScoped({ prefix: "dgents-" })
    const path = join(directory, "state.json")
    let next = 1
    for (const [acks, wait] of [
      [0, 0],
      [1, 1],
      [3, 2],
      [2, 3],
      [5, 0],
      [4, 1]
    ] as const) {
      const { acked, started } = yield* killedWriter(path, next, acks, wait)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const agent = yield* PersistentAgent.make({ path, schema: State, history: { bounded: 3 } })
          const { n } = yield* agent.load
          expect(n).toBeGreaterThanOrEqual(acked)
          expect(n).toBeLessThanOrEqual(started)
          const kept = (yield* Stream.runCollect(agent.history())).map(({ state }) => state.n)
          expect(kept).toEqual([n, n - 1, n - 2].filter((n) => n > 0))
          next = n + 1
        })
      )
      expect(readdirSync(directory).sort()).toEqual(["state.json", "state.json.history"].slice(0, next > 2 ? 2 : 1))
    }
  }).pipe(Effect.provide(NodeServices.layer))
)
