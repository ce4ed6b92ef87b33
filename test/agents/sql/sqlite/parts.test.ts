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

/** A family in a file that refuses one key. */
const refusing = (key: string) =>
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
      `CREATE TRIGGER refuse BEFORE INSERT ON dgents_state WHEN NEW.key = '${key}' BEGIN SELECT RAISE(ABORT, 'no'); END`
    )
    return { db, driver, family }
  })

it.effect("a batch that takes several parts is stored as a whole, in one commit, or not at all", () =>
  Effect.gen(function* () {
    const { db, driver, family } = yield* refusing(`key ${count - 200}`)
    yield* Effect.flip(family.saveMany(entries))
    expect((yield* family.loadMany(entries.map(([key]) => key))).size).toBe(0)
    db.exec("DROP TRIGGER refuse")
    const { commitsInWorker } = yield* driver.figures
    yield* family.saveMany(entries)
    expect((yield* driver.figures).commitsInWorker).toBe(commitsInWorker + 1)
    expect(yield* family.loadMany(entries.map(([key]) => key))).toEqual(new Map(entries))
  })
)

it.effect("of two batches in parts that come together, one fails and the other one is stored as a whole", () =>
  Effect.gen(function* () {
    const { driver, family } = yield* refusing("key 0")
    // The worker is there: it takes more than one thing at a time then.
    yield* driver.integrity
    const others = entries.map(([key, text]) => [`other ${key}`, text] as const)
    const [refused, stored] = yield* Effect.all(
      [Effect.exit(family.saveMany(entries)), Effect.exit(family.saveMany(others))],
      { concurrency: "unbounded" }
    )
    expect([refused._tag, stored._tag]).toEqual(["Failure", "Success"])
    expect((yield* family.loadMany(entries.map(([key]) => key))).size).toBe(0)
    expect(yield* family.loadMany(others.map(([key]) => key))).toEqual(new Map(others))
  })
)
