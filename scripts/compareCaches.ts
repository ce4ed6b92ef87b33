/**
 * `Cached` beside bentocache and cacheable: in memory, before one and the same store. Prints the tables of
 * `docs/caching.md`; `--write` puts them there. Takes some 3 minutes, installs into a temporary directory, and needs the
 * npm registry; no part of `npm test`.
 *
 *     npm run compare:caches -- [WORD] [--write] [--rounds 3] [--installed DIRECTORY]
 *
 * A word chooses the caches whose id holds it. What is below `--installed` is used and kept.
 */
import { join } from "node:path"
import { median } from "./compare/measure.ts"
import { writeInto } from "./compare/page.ts"
import { apart, ask, digits, inRounds, machine, table, time, withInstalled } from "./compare/session.ts"
import { installations, type Product, products } from "./compareCaches/caches.ts"
import type { Run } from "./compareCaches/run.ts"
import { type Check, checks, type Task, tasks } from "./compareCaches/tasks.ts"

type Measured = ReadonlyArray<readonly [Product, ReadonlyArray<Run>]>

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

const asked = ask(products, "rounds", 3)
const script = join(import.meta.dirname, "compareCaches", "run.ts")
withInstalled(asked.installed, installations, (installed) => {
  const measured = inRounds(asked.products, asked.number, (id) => apart<Run>(script, [id, installed]))
  const report = [times(measured), held(measured), `Medians of ${asked.number} rounds on ${machine()}.`].join("\n\n")
  console.log(report)
  if (asked.write) writeInto("caching.md", "compare:caches", report)
})
