/**
 * How long after another process has saved does `Cached(RedisAgent)` answer the new state, and how many of its loads go to the server?
 *
 *     npm run bench:live
 *
 * Another process saves once in 20 ms, and says so when it is acknowledged; this one loads all the time.
 */
import { spawn } from "node:child_process"
import { NodeRuntime } from "@effect/platform-node"
import { Cached, RedisAgent } from "dgents"
import { IoredisDriver } from "dgents/redis"
import { Console, Effect, Schema } from "effect"
import * as Server from "../test/agents/redis/server.ts"

const saves = 500
const State = Schema.Struct({ n: Schema.Int, savedAt: Schema.Finite })
// One clock for both processes.
const now = (): number => performance.timeOrigin + performance.now()

const agent = RedisAgent.make({ name: "live", schema: State, initial: { n: 0, savedAt: 0 } })

const write = (url: string) =>
  Effect.gen(function* () {
    const { save } = yield* agent
    for (let n = 1; n <= saves; n++) {
      yield* Effect.sleep("20 millis")
      yield* save({ n, savedAt: now() })
      process.stdout.write(`${n} ${now()}\n`)
    }
  }).pipe(Effect.scoped, Effect.provide(IoredisDriver.layer({ url })))

const getsOf = (url: string) =>
  Effect.map(
    Effect.promise(() => Server.command(url, "INFO", "commandstats")),
    (info) => Number(/cmdstat_get:calls=(\d+)/.exec(String(info))?.[1] ?? 0)
  )

const read = Effect.gen(function* () {
  const { url } = yield* Server.start({ persistence: "none" })
  yield* Effect.gen(function* () {
    const cached = yield* Cached.make(yield* agent)
    yield* cached.load
    const before = yield* getsOf(url)
    const acknowledged = new Map<number, number>()
    const child = spawn(process.execPath, [...process.execArgv, import.meta.filename, url], {
      stdio: ["ignore", "pipe", "inherit"]
    })
    child.stdout.on("data", (data) => {
      for (const line of String(data).trim().split("\n")) {
        const [n, at] = line.split(" ").map(Number)
        if (n !== undefined && at !== undefined) acknowledged.set(n, at)
      }
    })
    const seen = new Map<number, number>()
    let loads = 0
    for (let last = 0; last < saves; ) {
      const { n } = yield* cached.load
      loads++
      last = n
      if (!seen.has(n)) seen.set(n, now())
      if (loads % 100 === 0) yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
    }
    yield* Effect.sleep("100 millis")
    // What was seen before it was acknowledged was seen at once.
    const delays = [...seen].map(([n, at]) => Math.max(0, at - (acknowledged.get(n) ?? at)))
    const sorted = delays.toSorted((a, b) => a - b)
    const percentile = (p: number) => `${(sorted[Math.floor((sorted.length - 1) * p)] ?? 0).toFixed(2)} ms`
    yield* Console.log(
      `seen after the acknowledgement: p50 ${percentile(0.5)}, p99 ${percentile(0.99)}, max ${percentile(1)}; ` +
        `${loads} loads, ${(yield* getsOf(url)) - before} of them on the server, ${saves} saves elsewhere`
    )
  }).pipe(Effect.provide(IoredisDriver.layer({ url })))
}).pipe(Effect.scoped)

const [url] = process.argv.slice(2)
NodeRuntime.runMain(url === undefined ? read : write(url))
