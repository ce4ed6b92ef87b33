/**
 * `SqlAgent` on SQLite beside other products that keep state there: each with its real driver, at its default durability
 * and at ours. Prints the tables of `docs/benchmarks.md`; `--write` puts them there. Takes some 25 minutes, installs
 * into a temporary directory, and needs the npm registry (and a C++ compiler for one driver); no part of `npm test`.
 *
 *     npm run compare -- [WORD] [--write] [--rounds 5] [--installed DIRECTORY]
 *
 * A word chooses the products whose id holds it. What is below `--installed` is used and kept. TMPDIR chooses the disk.
 */
import { spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { pathToFileURL } from "node:url"
import { parseArgs } from "node:util"
import { install } from "./compare/install.ts"
import { installations, type Product, products } from "./compare/products.ts"
import { format, type Measured } from "./compare/report.ts"
import type { Run } from "./compare/run.ts"

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { write: { type: "boolean" }, rounds: { type: "string", default: "5" }, installed: { type: "string" } }
})
const rounds = Number(values.rounds)
const word = positionals[0] ?? ""
const chosen = products.filter(({ id }) => id.includes(word))
if (chosen.length === 0) throw new Error(`no product is called "${word}": ${products.map(({ id }) => id).join(", ")}`)
if (values.write === true && word !== "") throw new Error("a part of the table cannot be written")

const sizes = [
  ["1 KB", 1_000],
  ["100 KB", 100_000]
] as const
const here = join(import.meta.dirname, "compare")
const log = (line: string): void => console.error(line)

const run = ({ id }: Product, bytes: number, installed: string): Run => {
  const watch = ["--import", pathToFileURL(join(here, "pragmas.ts")).href]
  const args = [...process.execArgv, ...watch, join(here, "run.ts"), id, String(bytes), installed]
  const { status, stdout } = spawnSync(process.execPath, args, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"]
  })
  if (status !== 0) throw new Error(`${id} failed`)
  return JSON.parse(stdout)
}

/** Every product in every round: what slows the machine for a while slows all of them, and another one is first each time. */
const measureAll = (installed: string): ReadonlyArray<Measured> => {
  const measured = sizes.flatMap(([size, bytes]) =>
    chosen.map((product) => ({ product, size, bytes, runs: [] as Run[] }))
  )
  for (let round = 0; round < rounds; round++)
    for (let turn = 0; turn < measured.length; turn++) {
      const one = measured[(turn + round) % measured.length]
      if (one === undefined) continue
      log(`Round ${round + 1} of ${rounds}: ${one.product.id}, ${one.size}`)
      one.runs.push(run(one.product, one.bytes, installed))
    }
  return measured
}

const begin = "<!-- compared: printed by npm run compare -->"
const end = "<!-- /compared -->"

const write = (report: string): void => {
  const path = join(import.meta.dirname, "..", "docs", "benchmarks.md")
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
  const report = format(measureAll(installed))
  console.log(report)
  if (values.write === true) write(report)
} finally {
  if (kept === undefined) rmSync(installed, { recursive: true, force: true })
}
