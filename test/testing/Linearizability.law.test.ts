import { expect, it } from "@effect/vitest"
import { Laws } from "dgents/testing"
import { Effect } from "effect"
import { mutants, sharedSubject } from "./mutants/linear.ts"

const laws = ["operations are linearizable", "long histories are linearizable"]

for (const { law, patience, subject } of mutants) {
  it.effect(`"${subject.name}" is rejected with a timeline, and by its replay token again`, () =>
    Effect.gen(function* () {
      const options = { budget: "ci", patience } as const
      const violation = yield* Effect.flip(Laws.check(subject, { ...options, seed: 1, laws: [law] }))
      expect(violation).toMatchObject({ _tag: "LawViolation", subject: subject.name, law })
      expect(violation.evidence).toMatch(/^(client \d|last reader) +\[ .*\n +\^/m)
      const again = yield* Effect.flip(Laws.check(subject, { ...options, replay: violation.replay }))
      expect(again).toMatchObject({ law, script: violation.script, evidence: violation.evidence })
    })
  )
  it.effect(`"${subject.name}" is rejected in long histories too`, () =>
    Effect.flip(Laws.check(subject, { budget: "ci", patience, seed: 1, laws: laws.slice(1) }))
  )
}

it.effect(
  "a right register that several agents share passes in thousands of schedules",
  () =>
    Effect.gen(function* () {
      let schedules = 0
      for (let seed = 1; schedules < 3_000; seed++) {
        const { outcomes } = yield* Laws.check(sharedSubject("right"), { budget: "ci", seed, laws })
        for (const outcome of outcomes) if (outcome._tag === "Kept") schedules += outcome.counts["schedules"] ?? 0
      }
    }),
  240_000
)
