import { readFileSync } from "node:fs"
import { join } from "node:path"
import { expect, it } from "@effect/vitest"
import { Laws, Report } from "dgents/testing"
import { Effect } from "effect"
import { afterAll } from "vitest"
import { backendSubject } from "./mutants/faultsBackend.ts"
import { diskSubject } from "./mutants/faultsDisk.ts"
import { fileSubject } from "./mutants/file.ts"
import { subject } from "./mutants/memory.ts"
import type { Mutant } from "./mutants/mutant.ts"
import { all, mutants, table } from "./mutants/mutants.ts"

// Filled by the mutants' own tests, which run first. A law that tries all its cases has one token for several mutants.
const tokens = new Map<string, string>()
const caught = new Set<Mutant>()

const caseOf = (token: string): string => {
  const read: { readonly law: string; readonly case: string } = JSON.parse(Buffer.from(token, "base64url").toString())
  return `${read.law} ${read.case}`
}

for (const mutant of mutants) {
  const { law, patience, subject } = mutant
  it.effect(`"${subject.name}" is caught by "${law}", and by its replay token again`, () =>
    Effect.gen(function* () {
      // Found within so many cases, whatever the machine does besides.
      const options = { budget: "ci", millis: 60_000, patience } as const
      const violation = yield* Effect.flip(Laws.check(subject, { ...options, seed: 1, laws: [law] }))
      expect(violation).toMatchObject({ _tag: "LawViolation", subject: subject.name, law })
      const again = yield* Effect.flip(Laws.check(subject, { ...options, replay: violation.replay }))
      expect(again).toMatchObject({ law, script: violation.script, replay: violation.replay })
      caught.add(mutant)
      // The first law has no cases that could be repeated.
      if (law !== Laws.names[0]) tokens.set(caseOf(violation.replay), violation.replay)
    })
  )
}

const rights = [
  subject("right in memory"),
  fileSubject("right in a file"),
  backendSubject("right over a backend that fails"),
  diskSubject("right on a disk that fails")
]

for (const right of rights) {
  it.effect(
    `an agent that is ${right.name} keeps every law, and every case that broke a mutant`,
    () =>
      Effect.gen(function* () {
        const report = yield* Laws.check(right)
        expect(report.outcomes.map(({ law }) => law)).toEqual(Laws.names)
        expect(Report.format(report)).toContain("undecided 0")
        expect(caught.size).toBe(mutants.length)
        for (const replay of tokens.values()) yield* Laws.check(right, { replay })
      }),
    600_000
  )
}

it("there are more mutants than the suite promises, each of them another one", () => {
  expect(new Set(all.map(({ law, name }) => `${name} ${law}`)).size).toBe(all.length)
  expect(all.length).toBeGreaterThanOrEqual(25)
  const readme = readFileSync(join(import.meta.dirname, "../../README.md"), "utf8")
  expect(readme).toContain(`all ${all.length} of its own list`)
})

afterAll(() => {
  const rows = mutants.map((mutant) => ({ law: mutant.law, rejected: caught.has(mutant) }))
  process.stdout.write(`${table(rows)}\n`)
})
