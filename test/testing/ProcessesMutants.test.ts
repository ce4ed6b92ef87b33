import { expect, it } from "@effect/vitest"
import { Laws } from "dgents/testing"
import { Effect } from "effect"
import { killMutants } from "./mutants/kill.ts"
import { subject } from "./mutants/killFile.ts"

for (const { law, patience, subject } of killMutants)
  it.effect(`"${subject.name}" is caught by "${law}"`, () =>
    Effect.gen(function* () {
      const violation = yield* Effect.flip(Laws.check(subject, { budget: "ci", seed: 1, laws: [law], patience }))
      expect(violation).toMatchObject({ _tag: "LawViolation", subject: subject.name, law })
    })
  )

it.effect(
  "the same agent without a mistake keeps every one of these laws",
  () =>
    Effect.gen(function* () {
      const laws = [...new Set(killMutants.map(({ law }) => law))]
      const report = yield* Laws.check(subject(), { budget: "ci", seed: 1, laws, runs: 3 })
      const kept = laws.map((law) => ["Kept", law]).sort()
      expect(report.outcomes.map(({ _tag, law }) => [_tag, law]).sort()).toEqual(kept)
    }),
  600_000
)
