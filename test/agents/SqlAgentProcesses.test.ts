import { copyFileSync, readFileSync } from "node:fs"
import { expect, it } from "@effect/vitest"
import Database from "better-sqlite3"
import { SqlAgent } from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import { Effect, Schema, Stream } from "effect"
import { run, start } from "./sql/children/run.ts"
import { tempDirectory, tempFile } from "./sql/temp.ts"

/** What a process that comes later finds. */
const found = (filename: string) =>
  Effect.gen(function* () {
    const agent = yield* SqlAgent.make({
      name: "counter",
      schema: Schema.Struct({ n: Schema.Number }),
      history: "full"
    })
    const history = yield* Stream.runCollect(agent.history())
    return history.map((entry) => [entry.revision, entry.state.n] as const)
  }).pipe(Effect.scoped, Effect.provide(SqliteDriver.layer({ filename })))

it.live("processes that open a new file at the same instant set it up once, and all can use it", () =>
  Effect.gen(function* () {
    const directory = yield* tempDirectory
    const start = String(Date.now() + 1500)
    const ends = yield* Effect.forEach(
      ["a", "b", "c"],
      (key) => run("openTogether.ts", [directory, "20", start, key]),
      {
        concurrency: 3
      }
    )
    expect(ends.map((end) => [end.code, end.err])).toEqual(ends.map(() => [0, ""]))
    for (let i = 0; i < 20; i++) {
      const db = new Database(`${directory}/${i}.db`, { readonly: true })
      expect(db.prepare("SELECT key FROM dgents_state ORDER BY key").pluck().all()).toEqual(["a", "b", "c"])
      db.close()
    }
  })
)

it.live("processes that increment one counter lose nothing", () =>
  Effect.gen(function* () {
    const file = yield* tempFile
    const ends = yield* Effect.forEach([1, 2, 3], () => run("increment.ts", [file, "40"]), { concurrency: 3 })
    expect(ends.map((end) => [end.code, end.err])).toEqual(ends.map(() => [0, ""]))
    expect(yield* found(file)).toEqual(Array.from({ length: 120 }, (_, i) => [120 - i, 120 - i]))
  })
)

it.live("a writer killed at any moment leaves the last state that it acknowledged, or the one after", () =>
  Effect.gen(function* () {
    for (const lines of [1, 7, 40]) {
      const file = yield* tempFile
      const { child, ended } = start("saveForever.ts", [file])
      let printed = 0
      child.stdout.on("data", (chunk) => {
        printed += String(chunk).split("\n").length - 1
        if (printed >= lines) child.kill("SIGKILL")
      })
      const { out } = yield* Effect.promise(() => ended)
      const acknowledged = Number(out.trimEnd().split("\n").at(-1))
      expect(acknowledged).toBeGreaterThanOrEqual(lines)
      const history = yield* found(file)
      const last = history[0]?.[1] ?? 0
      expect([acknowledged, acknowledged + 1]).toContain(last)
      expect(history).toEqual(Array.from({ length: last }, (_, i) => [last - i, last - i]))
    }
  })
)

it.live("what a killed writer left in the log is synced and in the database file before it is served", () =>
  Effect.gen(function* () {
    const file = yield* tempFile
    const { child, ended } = start("saveForever.ts", [file])
    child.stdout.once("data", () => child.kill("SIGKILL"))
    yield* Effect.promise(() => ended)
    const statesIn = (path: string): unknown => {
      copyFileSync(path, `${file}-copy`)
      const db = new Database(`${file}-copy`)
      const count = db.prepare("SELECT count(*) FROM dgents_state").pluck().get()
      db.close()
      return count
    }
    yield* Effect.scoped(
      Effect.andThen(
        SqliteDriver.make({ filename: file }),
        Effect.sync(() => {
          expect(statesIn(file)).toBe(1)
        })
      )
    )
  })
)

it.live("a COMMIT that fails with an I/O error is WriteIndeterminate, and the agent goes on", () =>
  Effect.gen(function* () {
    const file = yield* tempFile
    const { code, err, out } = yield* run("fileSizeLimit.ts", [file], { before: "ulimit -f 1000" })
    expect([code, err]).toEqual([0, ""])
    expect(JSON.parse(out)).toMatchObject({ tag: "WriteIndeterminate", loaded: "before", after: "after" })
    expect(out).not.toContain("secret")
  })
)

it.live("a set-up that was killed half way is done again", () =>
  Effect.gen(function* () {
    const file = yield* tempFile
    const { code } = yield* run("killedInSetUp.ts", [file])
    expect(code).toBe(null)
    // The journal of the killed transaction is there, and the file is not empty.
    expect(readFileSync(`${file}-journal`).length).toBeGreaterThan(0)
    expect(readFileSync(file).length).toBeGreaterThan(0)
    expect(yield* found(file)).toEqual([])
    const db = new Database(file, { readonly: true })
    expect(db.pragma("integrity_check", { simple: true })).toBe("ok")
    db.close()
  })
)
