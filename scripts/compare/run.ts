/**
 * One product at one size, in a process of its own: what `compare.ts` starts. Prints a `Run` as JSON.
 *
 *     node --conditions=@dgents/source --import ./scripts/compare/pragmas.ts scripts/compare/run.ts PRODUCT BYTES INSTALLED
 */
import { deepStrictEqual } from "node:assert/strict"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { conversations } from "../../bench/states.ts"
import { importFrom } from "./install.ts"
import { type Import, openKeyv } from "./keyv.ts"
import { openLangGraph } from "./langgraph.ts"
import { measure, type Timed } from "./measure.ts"
import { openNodeSqlite } from "./node-sqlite.ts"
import { type Product, products } from "./products.ts"
import { openRaw, type Raw } from "./raw.ts"
import type { Open, Settings, Subject } from "./subject.ts"
import { atOnce, earlier, type Task } from "./tasks.ts"

/** What was measured. A product without a history has nothing to say of one. */
export interface Run {
  readonly settings: Settings
  readonly tasks: Readonly<Partial<Record<Task, Timed>>>
}

const [id, size, installed = ""] = process.argv.slice(2)
const product = products.find((one) => one.id === id)
if (product === undefined) throw new Error(`there is no product "${id}"`)
const bytes = Number(size)

const load: Import = (from, name) => importFrom(installed, from, name)

const openOf = async ({ id, isOurs }: Product): Promise<Open> => {
  if (id.startsWith("langgraph")) return openLangGraph(load, isOurs)
  if (id.startsWith("keyv-next")) return openKeyv(load, "keyv-next", isOurs)
  if (id.startsWith("keyv")) return openKeyv(load, "keyv", isOurs)
  if (id.startsWith("node-sqlite")) return openNodeSqlite(isOurs)
  // Only where it is measured: the others are not to carry Effect with them.
  const { openDgents } = await import("./dgents.ts")
  if (id === "dgents-normal") return openDgents({ history: "full", synchronous: "normal" })
  return openDgents({ history: id === "dgents-history" ? "full" : "none" })
}

const isLarge = bytes > 10_000
// SQLite checkpoints after 1 000 pages of 4 KB. Saves that write two or more have one in each block; where one page is
// written again and again a checkpoint copies that page, and weighs nothing.
const saves = isLarge ? 64 : 512
const loads = isLarge ? 256 : 2_048
const together = Array.from({ length: atOnce }, (_, n) => `together-${n}`)

const run = async (subject: Subject, raw: Raw, keepsHistory: boolean): Promise<Run["tasks"]> => {
  const next = conversations(bytes)
  const rawSave = { call: (i: number) => raw.save("thread", next(i)), calls: saves }
  const rawLoad = { call: () => raw.load("thread"), calls: loads }
  const tasks: Partial<Record<Task, Timed>> = {}

  // A key for each block, so that whoever keeps what was saved has little of it.
  const save = { call: (i: number, block: number) => subject.save(`alone-${block}`, next(i)), calls: saves }
  tasks.save = await measure(save, rawSave)

  tasks.saveAtOnce = await measure(
    {
      call: (i) => Promise.all(together.map((key, n) => subject.save(key, next(i + n)))),
      calls: saves / atOnce,
      per: atOnce
    },
    rawSave
  )
  await subject.save("thread", next(1))
  raw.save("thread", next(1))
  for (const key of ["thread", ...together]) await subject.save(key, next(1))
  for (const key of ["thread", ...together]) deepStrictEqual(await subject.load(key), next(1))
  deepStrictEqual(raw.load("thread"), next(1))

  tasks.load = await measure({ call: () => subject.load("thread"), calls: loads }, rawLoad)
  tasks.loadAtOnce = await measure(
    { call: () => Promise.all(together.map((key) => subject.load(key))), calls: loads / atOnce, per: atOnce },
    rawLoad
  )

  if (keepsHistory) {
    for (let i = 0; i < earlier; i++) await subject.save("long", next(i))
    tasks.saveAfter = await measure({ call: (i) => subject.save("long", next(i)), calls: saves }, rawSave)
  }
  return tasks
}

const directory = mkdtempSync(join(tmpdir(), "dgents-compared-"))
process.env["COMPARED_PRAGMAS"] = join(directory, "pragmas")
try {
  const subject = await (await openOf(product))(join(directory, "product.db"))
  const raw = openRaw(join(directory, "raw.db"))
  const tasks = await run(subject, raw, product.keepsHistory)
  raw.close()
  const result: Run = { settings: await subject.close(), tasks }
  console.log(JSON.stringify(result))
} finally {
  rmSync(directory, { recursive: true, force: true })
}
