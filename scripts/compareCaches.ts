/**
 * `Cached` beside bentocache and cacheable: in memory, before one and the same store. Prints the tables of
 * `docs/caching.md`; `--write` puts them there. Takes some 3 minutes, installs into a temporary directory, and needs the
 * npm registry; no part of `npm test`.
 *
 *     npm run compare:caches -- [WORD] [--write] [--rounds 3] [--installed DIRECTORY]
 *
 * A word chooses the caches whose id holds it. What is below `--installed` is used and kept.
 */
import { spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { cpus, tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { parseArgs } from "node:util"
import { install } from "./compare/install.ts"
import { median } from "./compare/measure.ts"
import { writeInto } from "./compare/page.ts"
import { installations, type Product, products } from "./compareCaches/caches.ts"
import type { Run } from "./compareCaches/run.ts"
import { type Check, checks, type Task, tasks } from "./compareCaches/tasks.ts"

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { write: { type: "boolean" }, rounds: { type: "string", default: "3" }, installed: { type: "string" } }
})
const rounds = Number(values.rounds)
const word = positionals[0] ?? ""
const ids = Object.keys(products).filter((id) => id.includes(word))
if (ids.length === 0) throw new Error(`no cache is called "${word}": ${Object.keys(products).join(", ")}`)
if (values.write === true && word !== "") throw new Error("a part of the tables cannot be written")

const log = (line: string): void => console.error(line)

const measure = (id: string, installed: string): Run => {
  const script = join(import.meta.dirname, "compareCaches", "run.ts")
  const { status, stdout } = spawnSync(process.execPath, [...process.execArgv, script, id, installed], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"]
  })
  if (status !== 0) throw new Error(`${id} failed`)
  return JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "")
}

const digits = (n: number): string => (n >= 100 ? Math.round(n).toString() : n.toPrecision(n < 1 ? 2 : 3))

const time = (micros: number): string => (micros >= 1000 ? `${digits(micros / 1000)} ms` : `${digits(micros)} us`)

type Measured = ReadonlyArray<readonly [Product, ReadonlyArray<Run>]>

const table = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string =>
  [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n")

// The keys of literals, which `Object.keys` forgets.
const allTasks = Object.keys(tasks) as ReadonlyArray<Task>
const allChecks = Object.keys(checks) as ReadonlyArray<Check>

const times = (measured: Measured): string => {
  const cell = (runs: ReadonlyArray<Run>, task: Task): string => {
    const found = runs.map(({ times }) => times[task])
    return `**${digits(median(found.map(({ ratio }) => ratio)))}x** ${time(median(found.map(({ micros }) => micros)))}`
  }
  const rows = measured.map(([{ name }, runs]) => [name, ...allTasks.map((task) => cell(runs, task))])
  const raw = (task: Task): string =>
    time(median(measured.flatMap(([, runs]) => runs.map(({ times }) => times[task].raw))))
  return table(
    ["cache", ...allTasks.map((task) => tasks[task])],
    [...rows, ["the store by hand, without a cache", ...allTasks.map(raw)]]
  )
}

const held = (measured: Measured): string => {
  const cell = (value: boolean | number): string => (typeof value === "number" ? `${value}` : value ? "yes" : "**no**")
  const rows = allChecks.map((check) => [
    checks[check],
    // What held in one round and not in another did not hold.
    ...measured.map(([, runs]) => cell(runs.map(({ held }) => held[check]).reduce((a, b) => (b === false ? b : a))))
  ])
  return table(["", ...measured.map(([{ name }]) => name)], rows)
}

const kept = values.installed === undefined ? undefined : resolve(values.installed)
const installed = kept ?? mkdtempSync(join(tmpdir(), "dgents-compare-"))
try {
  mkdirSync(installed, { recursive: true })
  install(installed, installations, log)
  const runs = new Map<string, ReadonlyArray<Run>>()
  // Every cache in every round: what slows the machine for a while slows all of them.
  for (let round = 1; round <= rounds; round++)
    for (const id of ids) {
      log(`Round ${round} of ${rounds}: ${id}`)
      runs.set(id, [...(runs.get(id) ?? []), measure(id, installed)])
    }
  const measured = Object.entries(products).flatMap(([id, product]) => {
    const found = runs.get(id)
    return found === undefined ? [] : [[product, found] as const]
  })
  const machine = `${cpus().length} x ${cpus()[0]?.model ?? "an unknown CPU"}, Node ${process.versions.node}`
  const report = [times(measured), held(measured), `Medians of ${rounds} rounds on ${machine}.`].join("\n\n")
  console.log(report)
  if (values.write === true) writeInto("caching.md", "compare:caches", report)
} finally {
  if (kept === undefined) rmSync(installed, { recursive: true, force: true })
}
