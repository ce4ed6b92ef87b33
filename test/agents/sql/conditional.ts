/** What every engine promises of writes of several parts that expect revisions. */
import { expect } from "@effect/vitest"
import type { SqlEngine } from "dgents"
import { Effect, Exit } from "effect"

const all: SqlEngine.Keep = { count: Number.POSITIVE_INFINITY, from: Number.NEGATIVE_INFINITY }

/** `other` is an engine on the same rows. All or none is done of several parts, and each expectation counts: of a put, of a state that is only read, of an absent one. */
export const conditional = (engine: SqlEngine.Engine, other = engine) =>
  Effect.gen(function* () {
    const id = (key: string, collection = "conditional") => ({ collection, key })
    const put = (key: string, state: string, expected: SqlEngine.Put["expected"], collection?: string) =>
      ({ _tag: "Put", ...id(key, collection), state, savedAt: 1, expected, keep: all, patch: undefined }) as const
    const look = (key: string, expected: number) => ({ _tag: "Expect", ...id(key), expected }) as const
    const remove = (key: string) => ({ _tag: "Remove", ...id(key) }) as const
    const states = Effect.map(
      Effect.forEach(["a", "b", "c"], (key) => engine.read(id(key))),
      (found) => found.map((entry) => entry && [entry.state, entry.revision])
    )

    expect(yield* engine.write([put("a", "1", 0), put("b", "1", 0), look("c", 0)])).toEqual([1, 1, 0])
    expect(yield* engine.write([put("a", "2", 1), put("b", "2", 1)])).toEqual([2, 2])
    const before = yield* states
    expect(before).toEqual([["2", 2], ["2", 2], undefined])

    const refused: ReadonlyArray<readonly [SqlEngine.Write, actual: number, part: number]> = [
      [[put("a", "3", 2), put("b", "3", 1)], 2, 1],
      [[put("c", "3", 0), put("a", "3", 2), put("b", "3", 0)], 2, 2],
      [[put("a", "3", "any"), look("b", 1)], 2, 1],
      [[look("c", 3), put("a", "3", 2)], 0, 0],
      [[put("a", "3", 2), look("b", 0)], 2, 1],
      [[remove("b"), put("a", "3", 1)], 2, 1],
      [[look("a", 1), remove("a")], 2, 0],
      [[look("b", 1)], 2, 0],
      [[put("x", "3", 0, "elsewhere"), put("a", "3", 1)], 2, 1]
    ]
    for (const [write, actual, part] of refused) {
      const failure = yield* Effect.flip(engine.write(write))
      expect([write, { ...failure, part: "part" in failure ? (failure.part ?? 0) : 0 }]).toEqual([
        write,
        { _tag: "Conflict", actual, part }
      ])
      expect(yield* states).toEqual(before)
    }
    expect(yield* engine.read(id("x", "elsewhere"))).toBe(undefined)

    // Expected, removed and put again: what was there is gone, and its number is not used again.
    expect(yield* engine.write([look("a", 2), remove("a"), put("a", "4", "any"), remove("c")])).toEqual([2, 2, 3, 0])
    expect((yield* engine.history(id("a"), 100, 100)).map(({ revision }) => revision)).toEqual([3])

    // Whoever reads what another one writes, and the other way round, is told; also where what is read is that there is nothing.
    const skew = (reads: string, writes: string) => [look(reads, 0), put(writes, "5", 0)]
    for (let n = 0; n < 10; n++) {
      const [one, two] = [`one ${n}`, `two ${n}`]
      const exits = yield* Effect.all(
        [Effect.exit(engine.write(skew(one, two))), Effect.exit(other.write(skew(two, one)))],
        { concurrency: 2 }
      )
      expect(exits.filter(Exit.isSuccess)).toHaveLength(1)
    }
  })
