import { expect, it } from "@effect/vitest"
import { SqliteDriver } from "dgents/sqlite"
import { Effect } from "effect"
import { conditional } from "./conditional.ts"
import * as MapEngine from "./MapEngine.ts"
import { newDatabase, openDriver } from "./postgres/driver.ts"
import { tempFile } from "./temp.ts"

const promise = "several parts that expect revisions are written all or none"

it.effect(`${promise}: in maps`, () => conditional(MapEngine.make(new MapEngine.Rows())))

it.live(`${promise}: in SQLite`, () =>
  Effect.gen(function* () {
    const filename = yield* tempFile
    const [one, other] = [yield* SqliteDriver.make({ filename }), yield* SqliteDriver.make({ filename })]
    yield* conditional(one.engine, other.engine)
  })
)

it.live(`${promise}: in the worker of SQLite`, () =>
  Effect.gen(function* () {
    const { engine, figures } = yield* SqliteDriver.make({ filename: yield* tempFile })
    // What takes long is committed there.
    const large = {
      collection: "c",
      state: "x".repeat(20_000_000),
      savedAt: 1,
      patch: undefined,
      keep: { count: 1, from: 0 }
    }
    const put = (key: string) => ({ _tag: "Put", ...large, key, expected: 0 }) as const
    const look = { _tag: "Expect", collection: "c", key: "a" } as const
    expect(yield* engine.write([{ ...look, expected: 0 }, put("b")])).toEqual([0, 1])
    expect(yield* Effect.flip(engine.write([put("c"), { ...look, expected: 1 }]))).toEqual({
      _tag: "Conflict",
      actual: 0,
      part: 1
    })
    expect(yield* engine.keys("c", { from: "" }, 9)).toEqual(["b"])
    expect((yield* figures).commitsInWorker).toBe(2)
  })
)

it.live(`${promise}: in PostgreSQL`, () =>
  Effect.gen(function* () {
    const url = yield* newDatabase
    const [one, other] = [yield* openDriver({ url }), yield* openDriver({ url })]
    yield* conditional(one.engine, other.engine)
  })
)
