import { existsSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { bench, measure, registered, temporaryDirectory } from "../../bench/harness.ts"

it.live("a benchmark gives each side another number each time, and removes its files", () =>
  Effect.gen(function* () {
    // The last number of each side, and whether each came after the one before: there are millions of calls.
    const sides = { ours: { last: -1, grew: true }, raw: { last: -2, grew: true } }
    const next = (side: keyof typeof sides, i: number) => {
      const { grew, last } = sides[side]
      sides[side] = { last: i, grew: grew && i === last + 1 }
      return i
    }
    let directory = ""
    bench(
      "harness/append, against a count",
      Effect.gen(function* () {
        directory = yield* temporaryDirectory
        return {
          ours: (i) => Effect.sync(() => writeFileSync(join(directory, "last"), `${next("ours", i)}`)),
          raw: async (i) => next("raw", i)
        }
      }),
      { per: 2 }
    )
    const [added] = registered.splice(0)
    if (added === undefined) throw new Error("nothing was registered")
    const result = yield* measure(added)
    expect(result).toMatchObject({ name: "harness/append, against a count", unit: "us" })
    expect([result.ratio, result.ours, result.raw].every((n) => Number.isFinite(n) && n > 0)).toBe(true)
    // The Effect that is built with -1, to see that it is one, is not run.
    expect(sides.raw.grew && sides.ours.grew).toBe(true)
    expect(sides.ours.last).toBeGreaterThan(0)
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
