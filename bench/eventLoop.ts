/**
 * How long the event loop is kept from turning while 64 fibers save durably, each its own key, as fast as they can.
 *
 *     node --conditions=@dgents/source bench/eventLoop.ts [SECONDS]
 *
 * A line for each size of state: delays of the loop in milliseconds as `monitorEventLoopDelay` sees them (it looks once a
 * millisecond, which is part of each figure), and what was saved meanwhile.
 */
import { join } from "node:path"
import { monitorEventLoopDelay } from "node:perf_hooks"
import { NodeRuntime } from "@effect/platform-node"
import { SqlAgent, SqlDriver } from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import { Console, Effect } from "effect"
import { temporaryDirectory } from "./harness.ts"
import { Conversation, conversations } from "./states.ts"

const seconds = Number(process.argv[2] ?? 5)
const fibers = 64
const millis = (nanos: number): string => `${(nanos / 1e6).toFixed(1)} ms`

const measure = (size: string, bytes: number) =>
  Effect.gen(function* () {
    const driver = yield* SqliteDriver.make({ filename: join(yield* temporaryDirectory, "ours.db") })
    const family = yield* Effect.provideService(
      SqlAgent.family({ name: "threads", schema: Conversation }),
      SqlDriver,
      driver
    )
    const next = conversations(bytes)
    const saveFor = (millis: number) =>
      Effect.suspend(() => {
        const end = performance.now() + millis
        let saves = 0
        const saver = (n: number) => {
          const agent = family.at(`thread-${n}`)
          return Effect.whileLoop({
            while: () => performance.now() < end,
            body: () => agent.save(next(saves++)),
            step: () => undefined
          })
        }
        const savers = Array.from({ length: fibers }, (_, n) => saver(n))
        return Effect.all(savers, { concurrency: "unbounded", discard: true })
      })
    yield* saveFor(1_500)
    const before = yield* driver.figures
    const delay = monitorEventLoopDelay({ resolution: 1 })
    delay.enable()
    yield* saveFor(seconds * 1_000)
    delay.disable()
    const after = yield* driver.figures
    const commits = after.commitsHere - before.commitsHere + after.commitsInWorker - before.commitsInWorker
    const inWorker = (100 * (after.commitsInWorker - before.commitsInWorker)) / commits
    const saves = after.writes - before.writes
    yield* Console.log(
      `${size.padEnd(8)} p50 ${millis(delay.percentile(50))}, p99 ${millis(delay.percentile(99))}, max ${millis(delay.max)}; ` +
        `${Math.round(saves / seconds)} saves a second, ${Math.round(saves / commits)} a commit, ${Math.round(inWorker)} % of them in the worker`
    )
  }).pipe(Effect.scoped)

NodeRuntime.runMain(Effect.andThen(measure("1 KB", 1_000), measure("100 KB", 100_000)))
