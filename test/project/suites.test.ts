import { readFileSync } from "node:fs"
import { expect, it } from "vitest"
import { rows } from "../../scripts/suites/rows.ts"
import { mutants } from "../testing/mutants/mutants.ts"

it("the comparison with other suites names mutants that exist, and the page shows each of them", () => {
  const names = mutants.map(({ subject }) => subject.name)
  const page = readFileSync(new URL("../../docs/suites.md", import.meta.url), "utf8")
  for (const { ours } of rows) {
    expect(names).toContain(ours)
    expect(page).toContain(`| ${ours} |`)
  }
})
