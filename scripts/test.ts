/**
 * Everything that must hold before a change is merged. Each stage runs even when an earlier one failed. At the end, where
 * a log that was cut still has them, the tests that failed are named; the closing line counts the tests, plus one failure
 * for each other stage that failed, and is kept in a file for `.ci/run`.
 *
 *     npm test
 */
import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join, relative, resolve } from "node:path"
import { missingServers } from "./servers.ts"

const root = resolve(import.meta.dirname, "..")
const cache = join(root, "node_modules", ".cache", "dgents")
const results = join(cache, "vitest.json")
// Many tests start programs. Half of the time that one takes to start goes into compiling what the one before has compiled.
process.env["NODE_COMPILE_CACHE"] ??= join(cache, "compiled")
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
    readonly name: string
    readonly message: string
    readonly status: string
    readonly assertionResults: ReadonlyArray<{
      readonly status: string
      readonly fullName: string
      readonly failureMessages: ReadonlyArray<string>
    }>
  }>
}

const isFailed = ({ status }: { readonly status: string }): boolean => status === "failed"

/** What Vitest counted, and a failure for each file that broke before its tests were known; with a line or two on each. */
const tests = () => {
  // Without a report the run broke off before a test was counted.
  if (!existsSync(results)) return { passed: 0, failures: [], skipped: 0 }
  const report: Report = JSON.parse(readFileSync(results, "utf8"))
  const failures = report.testResults.filter(isFailed).flatMap(({ assertionResults, message, name }) => {
    const file = relative(root, name)
    const failed = assertionResults.filter(isFailed)
    return failed.length === 0
      ? [`${file}\n       ${beginning(message)}`]
      : failed.map((test) => `${file} > ${test.fullName}\n       ${beginning(test.failureMessages.join("\n"))}`)
  })
  return { passed: report.numPassedTests, failures, skipped: report.numPendingTests }
}

/** As much of a message as tells what went wrong. */
const beginning = (message: string): string => message.slice(0, 400).trimEnd().replaceAll("\n", "\n       ")

for (const sentence of missingServers()) console.error(sentence)

rmSync(cache, { recursive: true, force: true })
mkdirSync(cache, { recursive: true })

const outcomes = stages.map(([name, ...args]) => {
  console.log(`\n== ${name}`)
  const started = performance.now()
  const { status } = spawnSync("npm", ["run", "--silent", name, ...args], { cwd: root, stdio: ["ignore", 1, 2] })
  return { name, ok: status === 0, seconds: (performance.now() - started) / 1000 }
})

const { failures, passed, skipped } = tests()

console.log("")
for (const failure of failures) console.log(`FAILED ${failure}\n`)
for (const { name, ok, seconds } of outcomes)
  console.log(`${ok ? "ok    " : "FAILED"} ${name.padEnd(12)}${seconds.toFixed(1).padStart(7)} s`)

const broken = outcomes.filter(({ name, ok }) => !ok && (name !== "test:unit" || failures.length === 0)).length
const summary = `${passed} passed, ${failures.length + broken} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`
writeFileSync(join(cache, "summary.txt"), `${summary}\n`)
console.log(`\n${summary}`)
if (outcomes.some(({ ok }) => !ok)) process.exitCode = 1
