/**
 * Everything that must hold before a change is merged. Each stage runs even when an earlier one failed; the closing line
 * counts the tests, plus one failure for each other stage that failed, and is kept in a file for `.ci/run`.
 *
 *     npm test
 */
import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { missingServers } from "./servers.ts"

const root = resolve(import.meta.dirname, "..")
const cache = join(root, "node_modules", ".cache", "dgents")
const results = join(cache, "vitest.json")
const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${results}`]

const stages: ReadonlyArray<readonly [name: string, ...args: ReadonlyArray<string>]> = [
  ["lint"],
  ["types"],
  ["rooms"],
  ["test:unit", "--", ...reporters],
  ["pack:check"]
]

interface Report {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly numPendingTests: number
  readonly testResults: ReadonlyArray<{
    readonly status: string
    readonly assertionResults: ReadonlyArray<{ readonly status: string }>
  }>
}

const isFailed = ({ status }: { readonly status: string }): boolean => status === "failed"

/** What Vitest counted, and a failure for each file that broke before its tests were known. */
const tests = (): { readonly passed: number; readonly failed: number; readonly skipped: number } => {
  // Without a report the run broke off before a test was counted.
  if (!existsSync(results)) return { passed: 0, failed: 0, skipped: 0 }
  const report: Report = JSON.parse(readFileSync(results, "utf8"))
  const broken = report.testResults.filter((file) => isFailed(file) && !file.assertionResults.some(isFailed)).length
  return { passed: report.numPassedTests, failed: report.numFailedTests + broken, skipped: report.numPendingTests }
}

for (const sentence of missingServers()) console.error(sentence)

rmSync(cache, { recursive: true, force: true })
mkdirSync(cache, { recursive: true })

const outcomes = stages.map(([name, ...args]) => {
  console.log(`\n== ${name}`)
  const started = performance.now()
  const { status } = spawnSync("npm", ["run", "--silent", name, ...args], { cwd: root, stdio: ["ignore", 1, 2] })
  return { name, ok: status === 0, seconds: (performance.now() - started) / 1000 }
})

console.log("")
for (const { name, ok, seconds } of outcomes)
  console.log(`${ok ? "ok    " : "FAILED"} ${name.padEnd(12)}${seconds.toFixed(1).padStart(7)} s`)

const { failed, passed, skipped } = tests()
const broken = outcomes.filter(({ name, ok }) => !ok && (name !== "test:unit" || failed === 0)).length
const summary = `${passed} passed, ${failed + broken} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`
writeFileSync(join(cache, "summary.txt"), `${summary}\n`)
console.log(`\n${summary}`)
if (outcomes.some(({ ok }) => !ok)) process.exitCode = 1
