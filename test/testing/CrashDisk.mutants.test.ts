/** Agents that write files with a mistake are caught by the law of crashes, and those without one are left alone. */
import { expect, it } from "@effect/vitest"
import { Laws, Report } from "dgents/testing"
import { Effect } from "effect"
import { diskMutants, rightOnDisk } from "./mutants/disk.ts"

const crashes = [
  "a crash at any point leaves an acknowledged state",
  "a crash in any short script leaves an acknowledged state"
]

for (const { law, subject } of diskMutants)
  it.effect(`"${subject.name}" is caught by "${law}", and by its replay token again`, () =>
    Effect.gen(function* () {
      const violation = yield* Effect.flip(Laws.check(subject, { budget: "ci", seed: 1, laws: [law] }))
      expect(violation).toMatchObject({ _tag: "LawViolation", subject: subject.name, law })
      const again = yield* Effect.flip(Laws.check(subject, { budget: "ci", replay: violation.replay }))
      expect(again).toMatchObject({ law, script: violation.script, replay: violation.replay })
    })
  )

for (const subject of rightOnDisk)
  it.effect(`an agent that is ${subject.name} keeps the laws of crashes`, () =>
    Effect.gen(function* () {
      for (let seed = 1; seed <= 5; seed++) {
        const report = yield* Laws.check(subject, { budget: "quick", seed, laws: crashes })
        expect(report.outcomes.map(({ _tag }) => _tag)).toEqual(["Kept", "Kept"])
        expect(Report.format(report)).toContain("disk images")
      }
    })
  )
