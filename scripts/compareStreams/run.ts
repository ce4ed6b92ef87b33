/**
 * One store, in a process of its own: what `compareStreams.ts` starts. Prints what each task took as JSON.
 *
 *     node --conditions=@dgents/source scripts/compareStreams/run.ts STORE INSTALLED
 */
import { deepStrictEqual } from "node:assert/strict"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { measure, type Timed } from "../compare/measure.ts"
import { eventOf } from "./account.ts"
import { byHand, products, type Store } from "./stores.ts"
import { atOnce, lengths, type Task } from "./tasks.ts"

export type Run = Readonly<Partial<Record<Task, Timed>>>

const [id = "", installed = ""] = process.argv.slice(2)
const product = products[id]
if (product === undefined) throw new Error(`there is no store "${id}": ${Object.keys(products).join(", ")}`)

const together = Array.from({ length: atOnce }, (_, n) => `together-${n}`)
const appends = 512

const fill = async (store: Store, stream: string, count: number): Promise<void> => {
  for (let i = 0; i < count; i += 1_000)
    await store.append(
      stream,
      Array.from({ length: 1_000 }, (_, n) => eventOf(i + n))
    )
}

const run = async (store: Store, raw: Store, failsAtOnce: boolean): Promise<Run> => {
  const rawAppend = { call: (i: number) => raw.append("alone", [eventOf(i)]), calls: appends }
  const found: Partial<Record<Task, Timed>> = {
    append: await measure({ call: (i) => store.append("alone", [eventOf(i)]), calls: appends }, rawAppend)
  }
  if (!failsAtOnce)
    found.appendAtOnce = await measure(
      {
        call: (i) => Promise.all(together.map((stream) => store.append(stream, [eventOf(i)]))),
        calls: appends / atOnce,
        per: atOnce
      },
      rawAppend
    )
  for (const [task, length] of Object.entries(lengths)) {
    const stream = `long-${length}`
    await fill(store, stream, length)
    await fill(raw, stream, length)
    deepStrictEqual(await store.replay(stream), raw.replay(stream))
    const calls = 20_000 / length
    const replayed = await measure(
      { call: () => store.replay(stream), calls },
      { call: () => raw.replay(stream), calls }
    )
    Object.assign(found, { [task]: replayed })
  }
  const { load } = store
  if (load === undefined) return found
  const stream = `long-${lengths.replay10000}`
  deepStrictEqual(await load(stream), raw.replay(stream))
  const again = await measure({ call: () => load(stream), calls: 200 }, { call: () => raw.replay(stream), calls: 2 })
  return { ...found, again }
}

const directory = mkdtempSync(join(tmpdir(), "dgents-streams-"))
try {
  const store = await product.open(directory, installed)
  const raw = byHand(directory)
  const found = await run(store, raw, product.failsAtOnce === true)
  await store.close()
  raw.close()
  console.log(JSON.stringify(found))
} finally {
  rmSync(directory, { recursive: true, force: true })
}
