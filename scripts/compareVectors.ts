/**
 * Engines for vectors beside LanceDB, sqlite-vec and LangChain's MemoryVectorStore, in one run: recall, latency, and the time to add.
 * Prints a table; `--write` puts it, and a plot of recall against latency, into `docs`. Takes some 10 minutes with 100 000 vectors,
 * installs into a temporary directory, and needs the npm registry; no part of `npm test`.
 *
 *     npm run compare:vectors -- [WORD] [--write] [--vectors 100000] [--installed DIRECTORY]
 *
 * A word chooses the stores whose id holds it. What is below `--installed` is used and kept. TMPDIR chooses the disk.
 */
import { spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { cpus, tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { parseArgs } from "node:util"
import { install } from "./compare/install.ts"
import { type Line, plot } from "./compareVectors/plot.ts"
import { dimension, k, questions } from "./compareVectors/points.ts"
import type { Run } from "./compareVectors/run.ts"
import { installations, type Product, products } from "./compareVectors/stores.ts"

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    write: { type: "boolean" },
    vectors: { type: "string", default: "100000" },
    installed: { type: "string" }
  }
})
const count = Number(values.vectors)
const word = positionals[0] ?? ""
const ids = Object.keys(products).filter((id) => id.includes(word) && count <= (products[id]?.most ?? count))
if (ids.length === 0) throw new Error(`no store is called "${word}": ${Object.keys(products).join(", ")}`)
if (values.write === true && word !== "") throw new Error("a part of the table cannot be written")

const log = (line: string): void => console.error(line)

const measure = (id: string, installed: string): Run => {
  const script = join(import.meta.dirname, "compareVectors", "run.ts")
  const { status, stdout } = spawnSync(process.execPath, [...process.execArgv, script, id, `${count}`, installed], {
    encoding: "utf8",
    // faiss would start threads that wait for each other by turning in circles.
    env: { ...process.env, OMP_NUM_THREADS: "1" },
    stdio: ["ignore", "pipe", "inherit"]
  })
  if (status !== 0) throw new Error(`${id} failed`)
  return JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "")
}

const digits = (n: number): string => (n >= 100 ? Math.round(n).toString() : n.toPrecision(2))
const millis = (n: number): string => `${digits(n)} ms`

const format = (measured: ReadonlyArray<readonly [Product, Run]>): string => {
  const rows = measured
    .filter(([{ isInTable }]) => isInTable)
    .flatMap(([{ name }, { addSeconds, settings }]) => {
      const [first] = settings
      if (first === undefined) return []
      const { label, median, p99, recall } = first
      const cells = [
        `${name} ${label}`.trimEnd(),
        recall.toFixed(3),
        `**${millis(median)}**`,
        millis(p99),
        `${digits(addSeconds)} s`
      ]
      return [`| ${cells.join(" | ")} |`]
    })
  const machine = `${cpus().length} x ${cpus()[0]?.model ?? "an unknown CPU"}, Node ${process.versions.node}`
  return [
    `| ${count.toLocaleString("en").replaceAll(",", " ")} x ${dimension} | recall at ${k} | p50 of a search | p99 | time to add all |`,
    "| --- | --- | --- | --- | --- |",
    ...rows,
    "",
    `${questions} searches one after the other, on ${machine}.`
  ].join("\n")
}

const linesOf = (measured: ReadonlyArray<readonly [Product, Run]>): ReadonlyArray<Line> => {
  const lines = new Map<string, Line["points"]>()
  for (const [{ name }, { settings }] of measured) {
    const plain = name.replaceAll("`", "")
    lines.set(plain, [...(lines.get(plain) ?? []), ...settings])
  }
  return [...lines].map(([name, points]) => ({ name, points: points.toSorted((a, b) => a.median - b.median) }))
}

const docs = join(import.meta.dirname, "..", "docs")
const marks = (name: string) => [`<!-- ${name}: printed by npm run compare:vectors -->`, `<!-- /${name} -->`] as const

const write = (name: string, report: string, lines: ReadonlyArray<Line>): void => {
  const path = join(docs, "vectors.md")
  const page = readFileSync(path, "utf8")
  const [begin, end] = marks(name)
  const [from, to] = [page.indexOf(begin), page.indexOf(end)]
  if (from < 0 || to < from) throw new Error(`${path} has no lines "${begin}" and "${end}"`)
  writeFileSync(path, `${page.slice(0, from)}${begin}\n\n${report}\n\n${page.slice(to)}`)
  mkdirSync(join(docs, "images"), { recursive: true })
  const title = `Recall at ${k} against the time of a search, ${count.toLocaleString("en").replaceAll(",", " ")} x ${dimension}`
  writeFileSync(join(docs, "images", `vectors-${name}.svg`), plot(title, lines))
}

const kept = values.installed === undefined ? undefined : resolve(values.installed)
const installed = kept ?? mkdtempSync(join(tmpdir(), "dgents-compare-"))
try {
  mkdirSync(installed, { recursive: true })
  install(installed, installations, log)
  const measured = ids.flatMap((id) => {
    const product = products[id]
    if (product === undefined) return []
    const run = measure(id, installed)
    const shown = run.settings.map(({ label, median, recall }) =>
      `${label} ${recall.toFixed(4)} ${millis(median)}`.trim()
    )
    log(`${id}: ${shown.join("; ")}`)
    return [[product, run] as const]
  })
  const report = format(measured)
  console.log(report)
  const lines = linesOf(measured)
  if (values.write === true) write(`compared-${count}`, report, lines)
} finally {
  if (kept === undefined) rmSync(installed, { recursive: true, force: true })
}
