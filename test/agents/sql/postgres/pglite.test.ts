import { expect, it } from "@effect/vitest"
import { DataAgent, SqlAgent } from "dgents"
import { PgliteDriver } from "dgents/postgres"
import { Effect, Schema, Stream } from "effect"
import { conditional } from "../conditional.ts"
import { tempDirectory } from "../temp.ts"
import { following, on } from "./driver.ts"

// It takes seconds and most of a gigabyte to start: one story for all that is not the same as on a server.
it.live("PGlite keeps states, histories, deletes and changes, and has them again from its directory", () =>
  Effect.gen(function* () {
    const directory = yield* tempDirectory
    const hostile = ['"{}\\,', "{1,2}", "NULL", "", "\0", "'; --", "1"]
    yield* Effect.scoped(
      Effect.gen(function* () {
        const driver = yield* PgliteDriver.make({ directory })
        expect(driver.claims).toEqual({ durability: "process", consistency: "linearizable", sharing: "process" })
        const family = yield* on(driver)(
          SqlAgent.family({ name: "texts", schema: Schema.String, history: { bounded: 2 } })
        )
        yield* Effect.forEach(hostile, (text) => family.at(text).save(text), { concurrency: "unbounded" })
        yield* Effect.forEach(hostile, (text) => family.at(text).save(`${text}!`))
        expect(yield* Effect.forEach(hostile, (text) => family.at(text).load, { concurrency: "unbounded" })).toEqual(
          hostile.map((text) => `${text}!`)
        )
        const next = yield* following(family.at("1"))
        expect(yield* next).toBe("1!")
        yield* DataAgent.update(family.at("1"), (text) => `${text}!`)
        expect(yield* next).toBe("1!!")
        const { engine } = driver
        const bytes = {
          collection: "bytes",
          savedAt: 1,
          expected: "any",
          keep: { count: 1, from: 0 },
          patch: undefined
        } as const
        const put = (key: string) => ({ _tag: "Put", ...bytes, key, state: new Uint8Array([0, 92, 255]) }) as const
        yield* engine.write([put("a"), put("b")])
        yield* engine.write([put("a")])
        const found = yield* engine.readMany("bytes", ["a", "b"])
        expect([...found.values()].map(({ state }) => [...(state as Uint8Array)])).toEqual([
          [0, 92, 255],
          [0, 92, 255]
        ])
        expect(yield* Effect.flip(engine.query({ sql: "DELETE FROM dgents_state", params: [] }))).toMatchObject({
          _tag: "Unavailable"
        })
        expect(yield* Effect.flip(engine.write([{ ...put("a"), expected: 7 }]))).toEqual({
          _tag: "Conflict",
          actual: 2
        })
        yield* conditional(engine)
      })
    )
    const driver = yield* PgliteDriver.make({ directory })
    const family = yield* on(driver)(SqlAgent.family({ name: "texts", schema: Schema.String, history: { bounded: 2 } }))
    expect(yield* Stream.runCollect(Stream.map(family.at("1").history(), ({ state }) => state))).toEqual(["1!!", "1!"])
  })
)
