/**
 * How many mistakes a suite finds: LangGraph's and Keyv's on broken copies of their own SQLite adapters, and the laws on
 * the mutants of `test/testing/mutants`. Prints the table of `docs/suites.md`; `--write` puts it there. Takes a few
 * minutes, installs into a temporary directory, and needs the npm registry; no part of `npm test`.
 *
 *     node --conditions=@dgents/source scripts/suites.ts [--write]
 */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { measureLaws } from "./suites/laws.ts"
import { measure } from "./suites/others.ts"
import { format } from "./suites/report.ts"

const runs = 2
const log = (line: string): void => console.error(line)

const report = format(measure(runs, log), await measureLaws(runs, log))

const begin = "<!-- measured: printed by scripts/suites.ts -->"
const end = "<!-- /measured -->"

if (process.argv.includes("--write")) {
  const path = join(import.meta.dirname, "..", "docs", "suites.md")
  const page = readFileSync(path, "utf8")
  const [from, to] = [page.indexOf(begin), page.indexOf(end)]
  if (from < 0 || to < from) throw new Error(`${path} has no lines "${begin}" and "${end}"`)
  writeFileSync(path, `${page.slice(0, from)}${begin}\n\n${report}\n\n${page.slice(to)}`)
} else {
  console.log(report)
}

// Some mutants leave a timer or a handle behind, which is their mistake.
process.exit()
