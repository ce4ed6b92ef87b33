import { expect, it } from "@effect/vitest"
import { Codec } from "dgents"
import { Laws, Report } from "dgents/testing"
import { Effect } from "effect"
import { fileSubject } from "./mutants/file.ts"
import { State, subject } from "./mutants/memory.ts"
import { mutants } from "./mutants/mutants.ts"

const broken = mutants(Codec.json(State))
// Filled by the mutants' own tests, which run first.
const tokens: Array<string> = []

for (const { law, patience, subject } of broken) {
  it.effect(`"${subject.name}" is caught by "${law}", and by its replay token again`, () =>
    Effect.gen(function* () {
      const options = { budget: "ci", patience } as const
      const violation = yield* Effect.flip(Laws.check(subject, { ...options, seed: 1, laws: [law] }))
      expect(violation).toMatchObject({ _tag: "LawViolation", subject: subject.name, law })
      const again = yield* Effect.flip(Laws.check(subject, { ...options, replay: violation.replay }))
      expect(again).toMatchObject({ law, script: violation.script, replay: violation.replay })
      if (subject.claims === undefined) tokens.push(violation.replay)
    })
  )
}

for (const right of [subject("right in memory"), fileSubject("right in a file")]) {
  it.effect(`an agent that is ${right.name} keeps every law, and every case that broke a mutant`, () =>
    Effect.gen(function* () {
      const report = yield* Laws.check(right)
      expect(report.outcomes.map(({ law }) => law)).toEqual(Laws.names)
      expect(Report.format(report)).toContain("undecided 0")
      expect(tokens.length).toBe(broken.length - 1)
      for (const replay of tokens) yield* Laws.check(right, { replay })
    })
  )
}
