/**
 * One store, in a process of its own: what `compareVectors.ts` starts. Prints what it took, as JSON.
 *
 *     node --conditions=@dgents/source scripts/compareVectors/run.ts STORE VECTORS INSTALLED
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { scan } from "./exactly.ts"
import { k, pointsOf, questions } from "./points.ts"
import { products } from "./stores.ts"

/** What one setting gave: part of the nearest that it found, and milliseconds of a search. */
export interface Measured {
  readonly label: string
  readonly recall: number
  readonly median: number
  readonly p99: number
}

export interface Run {
  readonly addSeconds: number
  readonly settings: ReadonlyArray<Measured>
}

const [id = "", count = "", installed = ""] = process.argv.slice(2)
const product = products[id]
if (product === undefined) throw new Error(`there is no store "${id}": ${Object.keys(products).join(", ")}`)

const points = pointsOf(Number(count))
const directory = mkdtempSync(join(tmpdir(), "dgents-vectors-"))
try {
  const store = await product.open(points, directory, installed)
  const begun = performance.now()
  await store.add()
  const addSeconds = (performance.now() - begun) / 1000
  const nearest = points.queries.map((query) => new Set(scan(points, query, k)))
  const settings: Array<Measured> = []
  for (const { label, open } of store.settings) {
    const ask = await open()
    for (const query of points.queries.slice(0, 20)) await ask(query)
    const millis: Array<number> = []
    let found = 0
    for (const [i, query] of points.queries.entries()) {
      const from = performance.now()
      const answer = await ask(query)
      millis.push(performance.now() - from)
      found += answer.filter((id) => nearest[i]?.has(id)).length
    }
    millis.sort((a, b) => a - b)
    const at = (part: number) => millis[Math.floor(part * millis.length)] ?? Number.NaN
    settings.push({ label, recall: found / (k * questions), median: at(0.5), p99: at(0.99) })
  }
  console.log(JSON.stringify({ addSeconds, settings } satisfies Run))
} finally {
  rmSync(directory, { recursive: true, force: true })
}
// Some keep threads or servers of their own.
process.exit(0)
