/**
 * One cache, in a process of its own: what `compareCaches.ts` starts. Prints what each task took and what held as JSON.
 *
 *     node --conditions=@dgents/source scripts/compareCaches/run.ts CACHE INSTALLED
 */
import { type Conversation, conversation, conversations } from "../../bench/states.ts"
import { measure, type Timed } from "../compare/measure.ts"
import { type Cache, products } from "./caches.ts"
import { openStore, type Store } from "./store.ts"
import { atOnce, type Check, type Task } from "./tasks.ts"

export interface Run {
  readonly times: Readonly<Record<Task, Timed>>
  readonly held: Readonly<Record<Check, boolean | number>>
}

const [id = "", installed = ""] = process.argv.slice(2)
const product = products[id]
if (product === undefined) throw new Error(`there is no cache "${id}": ${Object.keys(products).join(", ")}`)

const size = 1_000
const next = conversations(size)

const timesOf = async (cache: Cache, store: Store): Promise<Run["times"]> => {
  const load = (i: number) => JSON.parse(store.get(`raw-${i}`))
  const raw = { call: load, calls: 2_000 }
  // Each number once, whatever the block: a key that no cache has seen.
  let fresh = 0
  const missed = () => `missed-${fresh++}`
  for (let i = 0; i < 100; i++) await cache.get(`hit-${i}`)
  return {
    hit: await measure({ call: (i) => cache.get(`hit-${i % 100}`), calls: 2_000 }, raw),
    miss: await measure({ call: () => cache.get(missed()), calls: 500 }, raw),
    missAtOnce: await measure(
      {
        call: () => {
          const key = missed()
          return Promise.all(Array.from({ length: atOnce }, () => cache.get(key)))
        },
        calls: 50
      },
      raw
    ),
    write: await measure(
      { call: (i) => cache.put(`hit-${i % 100}`, next(i)), calls: 1_000 },
      { call: (i) => store.put(`raw-${i}`, JSON.stringify(next(i))), calls: 1_000 }
    )
  }
}

/** Changes a state in place, where that is possible. */
const change = (state: Conversation): void => {
  try {
    Object.assign(state, { id: "changed" })
  } catch {
    // It is frozen.
  }
}

const heldBy = async (cache: Cache, store: Store): Promise<Run["held"]> => {
  const before = store.reads
  await Promise.all(Array.from({ length: atOnce }, () => cache.get("single-1")))
  const reads = store.reads - before

  const opened = Promise.withResolvers<void>()
  store.gate = opened.promise
  const early = cache.get("refilled-2")
  await new Promise((resolve) => setTimeout(resolve, 20))
  const written = cache.put("refilled-2", conversation(size, 777))
  await new Promise((resolve) => setTimeout(resolve, 20))
  store.gate = undefined
  opened.resolve()
  await Promise.all([early, written])
  const staleRefill = (await cache.get("refilled-2")).id === "thread-777"

  change(await cache.get("loaded-3"))
  const alias = (await cache.get("loaded-3")).id !== "changed"

  const mine = conversation(size, 4)
  await cache.put("saved-4", mine)
  change(mine)
  const caller = (await cache.get("saved-4")).id === "thread-4"

  // Sound: that it does not fit is the point.
  const wrong = { id: 5, messages: [] } as unknown as Conversation
  const invalid = await cache.put("invalid-5", wrong).then(
    () => false,
    () => true
  )
  return { reads, staleRefill, alias, caller, invalid }
}

const store = openStore((i) => JSON.stringify(conversation(size, i)))
const cache = await product.open(store, installed)
const held = await heldBy(cache, store)
const times = await timesOf(cache, store)
await cache.close()
store.close()
const found: Run = { times, held }
console.log(JSON.stringify(found))
process.exit(0)
