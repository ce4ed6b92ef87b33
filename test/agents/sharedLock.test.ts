import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { NodeFileSystem } from "@effect/platform-node"
import { describe, expect, it } from "@effect/vitest"
import { type DataAgent, PersistentAgent, SqlAgent } from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import { Deferred, Effect, Fiber, Schema } from "effect"

const Counter = Schema.Struct({ n: Schema.Number })
type Counter = typeof Counter.Type

/** A costly modify through one handle, and a save through the other while it is under way. */
const costlyRuns = (one: DataAgent.DataAgent<Counter>, other: DataAgent.DataAgent<Counter>) =>
  Effect.gen(function* () {
    yield* one.save({ n: 1 })
    let runs = 0
    const started = yield* Deferred.make<void>()
    const costly = yield* Effect.forkChild(
      one.modify(({ n }) =>
        Effect.gen(function* () {
          runs++
          yield* Deferred.succeed(started, undefined)
          for (let i = 0; i < 50; i++) yield* Effect.yieldNow
          return [undefined, { n: n + 1 }] as const
        })
      )
    )
    yield* Deferred.await(started)
    yield* other.update(({ n }) => ({ n: n + 10 }))
    yield* Fiber.join(costly)
    expect(yield* other.load).toEqual({ n: 12 })
    return runs
  })

const directory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "dgents-lock-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true }))
)

describe("two handles of one state in one process share their lock, so a costly modify runs once", () => {
  it.effect("PersistentAgent", () =>
    Effect.gen(function* () {
      const path = join(yield* directory, "counter.json")
      const open = Effect.provide(PersistentAgent.make({ path, schema: Counter }), NodeFileSystem.layer)
      expect(yield* costlyRuns(yield* open, yield* open)).toBe(1)
      const family = Effect.provide(
        PersistentAgent.family({ directory: `${path}s`, schema: Counter }),
        NodeFileSystem.layer
      )
      expect(yield* costlyRuns((yield* family).at("k"), (yield* family).at("k"))).toBe(1)
    })
  )

  it.effect("SqlAgent", () =>
    Effect.gen(function* () {
      const open = SqlAgent.make({ name: "counter", schema: Counter })
      expect(yield* costlyRuns(yield* open, yield* open)).toBe(1)
      const family = SqlAgent.family({ name: "counters", schema: Counter })
      expect(yield* costlyRuns((yield* family).at("k"), (yield* family).at("k"))).toBe(1)
    }).pipe(Effect.provide(SqliteDriver.layer({ filename: ":memory:" })))
  )
})
