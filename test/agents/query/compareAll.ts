import { expect } from "@effect/vitest"
import type { Codec, Family } from "dgents"
import { Effect, Exit, type Scope } from "effect"
import { type Limits, Random, someCase, someQuery } from "./cases.ts"
import { inMemory, type Stored } from "./families.ts"
import { sameAnswer } from "./sameAnswer.ts"

const queriesOfEach = 12

/** Runs random queries over random states in memory and over what `push` makes of the same states. */
export const compareAll = (
  limits: Limits,
  seeds: number,
  push: (
    stored: ReadonlyArray<Stored>,
    codec: Codec.Codec<unknown>
  ) => Effect.Effect<Family.Family<unknown>, unknown, Scope.Scope>
) =>
  Effect.gen(function* () {
    let rows = 0
    for (let seed = 0; seed < seeds; seed++) {
      const random = new Random(seed)
      const some = someCase(random, limits)
      const { family, stored } = yield* inMemory(some.schema, some.saved)
      const pushed = yield* push(stored, family.codec)
      for (let i = 0; i < queriesOfEach; i++) {
        const { run, text } = someQuery(random, limits, some)
        const expected = yield* Effect.exit(run(family))
        const actual = yield* Effect.exit(run(pushed))
        if (Exit.isFailure(expected) || Exit.isFailure(actual) || !sameAnswer(actual.value, expected.value))
          expect({ seed, i, text, actual }).toEqual({ seed, i, text, actual: expected })
        else if (Array.isArray(expected.value)) rows += expected.value.length
      }
    }
    // Queries that answer nothing would agree about anything.
    expect(rows).toBeGreaterThan(seeds * queriesOfEach)
  })
