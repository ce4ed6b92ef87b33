/**
 * `StreamAgent` on its logs beside Emmett and a table by hand. Prints the table of `docs/streams.md`; `--write` puts it
 * there. Takes some 10 minutes, installs into a temporary directory, and needs the npm registry and a C++ compiler; no
 * part of `npm test`.
 *
 *     npm run compare:streams -- [WORD] [--write] [--rounds 3] [--installed DIRECTORY]
 *
 * A word chooses the stores whose id holds it. What is below `--installed` is used and kept. TMPDIR chooses the disk.
 */
import { join } from "node:path"
import { median } from "./compare/measure.ts"
import { writeInto } from "./compare/page.ts"
import { apart, ask, digits, inRounds, machine, table, time, withInstalled } from "./compare/session.ts"
import type { Run } from "./compareStreams/run.ts"
import { installations, type Product, products } from "./compareStreams/stores.ts"
import { type Task, tasks } from "./compareStreams/tasks.ts"

// The keys of a literal, which `Object.keys` forgets.
const all = Object.keys(tasks) as ReadonlyArray<Task>

const row = ({ failsAtOnce, name, survives }: Product, runs: ReadonlyArray<Run>): ReadonlyArray<string> => [
  name,
  survives,
  ...all.map((task) => {
    const found = runs.flatMap((run) => run[task] ?? [])
    if (found.length === 0) return task === "appendAtOnce" && failsAtOnce ? "fails" : "the same"
    const ratio = digits(median(found.map(({ ratio }) => ratio)))
    return `**${ratio}x** ${time(median(found.map(({ micros }) => micros)))}`
  })
]

const format = (measured: ReadonlyArray<readonly [Product, ReadonlyArray<Run>]>): string => {
  const runs = measured.flatMap(([, runs]) => runs)
  const raw = all.map((task) => time(median(runs.flatMap((run) => run[task]?.raw ?? []))))
  return table(
    ["store", "an acknowledged append survives", ...all.map((task) => tasks[task])],
    [
      ...measured.map(([product, runs]) => row(product, runs)),
      ["better-sqlite3 by hand, one at a time", "kill -9, power cut", ...raw.slice(0, -1), "the same"]
    ]
  )
}

const asked = ask(products, "rounds", 3)
const script = join(import.meta.dirname, "compareStreams", "run.ts")
withInstalled(asked.installed, installations, (installed) => {
  const measured = inRounds(asked.products, asked.number, (id) => apart<Run>(script, [id, installed]))
  const report = `${format(measured)}\n\nMedians of ${asked.number} rounds on ${machine()}.`
  console.log(report)
  if (asked.write) writeInto("streams.md", "compare:streams", report)
})
