import { existsSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { bench, measure, registered, temporaryDirectory } from "../../bench/harness.ts"

it.live("a benchmark gives each side another number each time, and removes its files", () =>
  Effect.gen(function* () {
    const ours: Array<number> = []
    const raw: Array<number> = []
    let directory = ""
    bench(
      "harness/append, against push",
      Effect.gen(function* () {
        directory = yield* temporaryDirectory
        return {
          ours: (i) => Effect.sync(() => writeFileSync(join(directory, "last"), `${ours.push(i)}`)),
          raw: async (i) => raw.push(i)
        }
      }),
      { per: 2 }
    )
    const [added] = registered.splice(0)
    if (added === undefined) throw new Error("nothing was registered")
    const result = yield* measure(added)
    expect(result).toMatchObject({ name: "harness/append, against push", unit: "us" })
    expect([result.ratio, result.ours, result.raw].every((n) => Number.isFinite(n) && n > 0)).toBe(true)
    expect(new Set(ours).size).toBe(ours.length)
    expect(raw.slice(1)).toEqual(raw.slice(1).map((_, i) => i))
    expect(existsSync(directory)).toBe(false)
  })
)

it.live("a benchmark that fails says so, and removes its files", () =>
  Effect.gen(function* () {
    let directory = ""
    const setup = Effect.gen(function* () {
      directory = yield* temporaryDirectory
      return { ours: () => Effect.fail("no disk"), raw: () => 1 }
    })
    const exit = yield* Effect.exit(measure({ name: "harness/fails", setup, per: 1 }))
    expect(String(exit)).toContain("no disk")
    expect(existsSync(directory)).toBe(false)
  })
)
