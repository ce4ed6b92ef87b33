/**
 * `StreamAgent` on its logs beside Emmett and a table by hand. Prints the table of `docs/streams.md`; `--write` puts it
 * there. Takes some 10 minutes, installs into a temporary directory, and needs the npm registry and a C++ compiler; no
 * part of `npm test`.
 *
 *     npm run compare:streams -- [WORD] [--write] [--rounds 3] [--installed DIRECTORY]
 *
 * A word chooses the stores whose id holds it. What is below `--installed` is used and kept. TMPDIR chooses the disk.
 */
import { spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { cpus, tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { parseArgs } from "node:util"
import { install } from "./compare/install.ts"
import { median } from "./compare/measure.ts"
import type { Run } from "./compareStreams/run.ts"
import { installations, type Product, products } from "./compareStreams/stores.ts"
import { type Task, tasks } from "./compareStreams/tasks.ts"

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { write: { type: "boolean" }, rounds: { type: "string", default: "3" }, installed: { type: "string" } }
})
const rounds = Number(values.rounds)
const word = positionals[0] ?? ""
const ids = Object.keys(products).filter((id) => id.includes(word))
if (ids.length === 0) throw new Error(`no store is called "${word}": ${Object.keys(products).join(", ")}`)
if (values.write === true && word !== "") throw new Error("a part of the table cannot be written")

const log = (line: string): void => console.error(line)

const measure = (id: string, installed: string): Run => {
  const script = join(import.meta.dirname, "compareStreams", "run.ts")
  const { status, stdout } = spawnSync(process.execPath, [...process.execArgv, script, id, installed], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"]
  })
  if (status !== 0) throw new Error(`${id} failed`)
  // Emmett prints what it throws.
  return JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "")
}

// The keys of a literal, which `Object.keys` forgets.
const all = Object.keys(tasks) as ReadonlyArray<Task>

const digits = (n: number): string => (n >= 100 ? Math.round(n).toString() : n.toPrecision(n < 1 ? 2 : 3))

const time = (micros: number): string => (micros >= 1000 ? `${digits(micros / 1000)} ms` : `${digits(micros)} us`)

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
  const head = ["store", "an acknowledged append survives", ...all.map((task) => tasks[task])]
  const rows = [
    head,
    head.map(() => "---"),
    ...measured.map(([product, runs]) => row(product, runs)),
    ["better-sqlite3 by hand, one at a time", "kill -9, power cut", ...raw.slice(0, -1), "the same"]
  ]
  const machine = `${cpus().length} x ${cpus()[0]?.model ?? "an unknown CPU"}, Node ${process.versions.node}`
  return [...rows.map((cells) => `| ${cells.join(" | ")} |`), "", `Medians of ${rounds} rounds on ${machine}.`].join(
    "\n"
  )
}

const begin = "<!-- compared: printed by npm run compare:streams -->"
const end = "<!-- /compared -->"

const write = (report: string): void => {
  const path = join(import.meta.dirname, "..", "docs", "streams.md")
  const page = readFileSync(path, "utf8")
  const [from, to] = [page.indexOf(begin), page.indexOf(end)]
  if (from < 0 || to < from) throw new Error(`${path} has no lines "${begin}" and "${end}"`)
  writeFileSync(path, `${page.slice(0, from)}${begin}\n\n${report}\n\n${page.slice(to)}`)
}

const kept = values.installed === undefined ? undefined : resolve(values.installed)
const installed = kept ?? mkdtempSync(join(tmpdir(), "dgents-compare-"))
try {
  mkdirSync(installed, { recursive: true })
  install(installed, installations, log)
  const runs = new Map<string, ReadonlyArray<Run>>()
  // Every store in every round: what slows the machine for a while slows all of them.
  for (let round = 1; round <= rounds; round++)
    for (const id of ids) {
      log(`Round ${round} of ${rounds}: ${id}`)
      runs.set(id, [...(runs.get(id) ?? []), measure(id, installed)])
    }
  const report = format(
    Object.entries(products).flatMap(([id, product]) => {
      const found = runs.get(id)
      return found === undefined ? [] : [[product, found] as const]
    })
  )
  console.log(report)
  if (values.write === true) write(report)
} finally {
  if (kept === undefined) rmSync(installed, { recursive: true, force: true })
}
