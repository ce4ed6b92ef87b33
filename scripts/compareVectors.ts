/**
 * Engines for vectors beside LanceDB, sqlite-vec and LangChain's MemoryVectorStore, in one run: recall, latency, and the time to add.
 * Prints a table; `--write` puts it, and a plot of recall against latency, into `docs`. Takes some 10 minutes with 100 000 vectors,
 * installs into a temporary directory, and needs the npm registry; no part of `npm test`.
 *
 *     npm run compare:vectors -- [WORD] [--write] [--vectors 100000] [--installed DIRECTORY]
 *
 * A word chooses the stores whose id holds it, and only what those take is installed. What is below `--installed` is used and kept.
 * TMPDIR chooses the disk.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { apart, ask, log, machine, table, withInstalled } from "./compare/session.ts"
import { type Line, plot } from "./compareVectors/plot.ts"
import { dimension, k, questions } from "./compareVectors/points.ts"
import type { Run } from "./compareVectors/run.ts"
import { installations, type Product, products } from "./compareVectors/stores.ts"

const asked = ask(products, "vectors", 100_000)
const count = asked.number

const digits = (n: number): string => (n >= 100 ? Math.round(n).toString() : n.toPrecision(2))
const millis = (n: number): string => `${digits(n)} ms`

const format = (measured: ReadonlyArray<readonly [Product, Run]>): string => {
  const rows = measured
    .filter(([{ isInTable }]) => isInTable)
    .flatMap(([{ name }, { addSeconds, settings }]) => {
      const [first] = settings
      if (first === undefined) return []
      const { label, median, p99, recall } = first
      return [
        [
          `${name} ${label}`.trimEnd(),
          recall.toFixed(3),
          `**${millis(median)}**`,
          millis(p99),
          `${digits(addSeconds)} s`
        ]
      ]
    })
  const size = `${count.toLocaleString("en").replaceAll(",", " ")} x ${dimension}`
  const head = [size, `recall at ${k}`, "p50 of a search", "p99", "time to add all"]
  return `${table(head, rows)}\n\n${questions} searches one after the other, on ${machine()}.`
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

const script = join(import.meta.dirname, "compareVectors", "run.ts")
// faiss would start threads that wait for each other by turning in circles.
const env = { ...process.env, OMP_NUM_THREADS: "1" }
const fitting = asked.products.filter(([, { most }]) => count <= (most ?? count))
const needed = Object.entries(installations).filter(([name]) => fitting.some(([, { from }]) => from === name))
withInstalled(asked.installed, Object.fromEntries(needed), (installed) => {
  const measured = fitting.map(([id, product]) => {
    const run = apart<Run>(script, [id, `${count}`, installed], env)
    const shown = run.settings.map(({ label, median, recall }) =>
      `${label} ${recall.toFixed(4)} ${millis(median)}`.trim()
    )
    log(`${id}: ${shown.join("; ")}`)
    return [product, run] as const
  })
  const report = format(measured)
  console.log(report)
  if (asked.write) write(`compared-${count}`, report, linesOf(measured))
})
