// The laws of real processes take longer than the budget of the other law tests: they have tests of their own, with fewer
// cases than the budget `ci` has. `npm run laws` has all of them.
import { expect, it } from "@effect/vitest"
import { Laws, type Subject } from "dgents/testing"
import { Effect } from "effect"

export const kill = "a killed process loses nothing acknowledged"
const increments = "increments of several processes are all counted"
export const shared = ["several processes keep one history", increments]

/** Tests that a subject keeps some laws. */
export const keeps = <S>(subject: Subject<S>, laws: ReadonlyArray<string>) => {
  for (const law of laws)
    it.effect(
      `${subject.name}: ${law}`,
      () =>
        Effect.gen(function* () {
          const { outcomes } = yield* Laws.check(subject, {
            budget: "ci",
            laws: [law],
            runs: law === increments ? 1 : 2
          })
          expect(outcomes).toMatchObject([{ _tag: "Kept", law }])
        }),
      600_000
    )
}
