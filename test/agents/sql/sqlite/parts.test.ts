// A write of many states goes to the worker in parts, and is one write all the same.
import { join } from "node:path"
import { expect, it } from "@effect/vitest"
import Database from "better-sqlite3"
import { SqlAgent, SqlDriver } from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import { Effect, Schema } from "effect"
import { tempDirectory } from "../temp.ts"

const count = 1_500
const entries = Array.from({ length: count }, (_, i) => [`key ${i}`, "x".repeat(2_000) + i] as const)

it.effect("a batch that takes several parts is stored as a whole, in one commit, or not at all", () =>
  Effect.gen(function* () {
    const filename = join(yield* tempDirectory, "states.db")
    const driver = yield* SqliteDriver.make({ filename })
    const family = yield* Effect.provideService(
      SqlAgent.family({ name: "texts", schema: Schema.String }),
      SqlDriver,
      driver
    )
    const db = yield* Effect.acquireRelease(
      Effect.sync(() => new Database(filename)),
      (db) => Effect.sync(() => db.close())
    )
    db.exec(
      `CREATE TRIGGER refuse BEFORE INSERT ON dgents_state WHEN NEW.key = 'key ${count - 200}' BEGIN SELECT RAISE(ABORT, 'no'); END`
    )
    yield* Effect.flip(family.saveMany(entries))
    expect((yield* family.loadMany(entries.map(([key]) => key))).size).toBe(0)
    db.exec("DROP TRIGGER refuse")
    const { commitsInWorker } = yield* driver.figures
    yield* family.saveMany(entries)
    expect((yield* driver.figures).commitsInWorker).toBe(commitsInWorker + 1)
    expect(yield* family.loadMany(entries.map(([key]) => key))).toEqual(new Map(entries))
  })
)
