/**
 * What a stream in files costs as it grows: the first load after a restart with a snapshot, and a replay of all events
 * without one, each in a process of its own that says how much memory it took.
 *
 *     npm run bench:streams
 *
 * Takes about a minute. TMPDIR chooses the disk.
 */
import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { NodeFileSystem } from "@effect/platform-node"
import { FileLog, PersistentAgent, StreamAgent } from "dgents"
import { Effect, Layer, Schema } from "effect"

const Event = Schema.Union([
  Schema.TaggedStruct("Deposited", { account: Schema.String, amount: Schema.Number }),
  Schema.TaggedStruct("Withdrawn", { account: Schema.String, amount: Schema.Number })
])
const State = Schema.Struct({ balance: Schema.Number, events: Schema.Number })
type State = typeof State.Type

const account = {
  name: "account",
  events: Event,
  state: State,
  initial: { balance: 0, events: 0 },
  fold: ({ balance, events }: State, { _tag, amount }: typeof Event.Type): State => ({
    balance: _tag === "Deposited" ? balance + amount : balance - amount,
    events: events + 1
  })
}

const opened = (directory: string, isKept: boolean) =>
  Effect.gen(function* () {
    if (!isKept) return yield* StreamAgent.make(account)
    const agent = yield* PersistentAgent.make({
      path: join(directory, "snapshot.json"),
      schema: StreamAgent.Snapshot
    })
    return yield* StreamAgent.make({ ...account, snapshots: { agent } })
  })

const in_ = (directory: string) =>
  Effect.provide(Layer.provideMerge(FileLog.layer({ directory: join(directory, "log") }), NodeFileSystem.layer))

const megabytes = (bytes: number): number => Math.round(bytes / 1e6)

const tasks: Record<string, (directory: string, count: number) => Promise<unknown>> = {
  /** Appends the events, and saves a snapshot of the state after them. */
  fill: (directory, count) =>
    Effect.gen(function* () {
      const stream = yield* opened(directory, true)
      for (let i = 0; i < count; i += 1_000)
        yield* stream.append(
          Array.from({ length: 1_000 }, (_, n) => ({
            _tag: n % 3 === 0 ? ("Withdrawn" as const) : ("Deposited" as const),
            account: `account-${i + n}`,
            amount: n
          }))
        )
      yield* stream.load
    }).pipe(Effect.scoped, in_(directory), Effect.runPromise),

  /** The first load of a process that is warm: what was opened before it was another opening. */
  restart: async (directory, count) => {
    const millis: Array<number> = []
    for (let round = 0; round < 60; round++) {
      const begun = performance.now()
      const { events } = await Effect.gen(function* () {
        const stream = yield* opened(directory, true)
        return yield* stream.load
      }).pipe(Effect.scoped, in_(directory), Effect.runPromise)
      if (events !== count) throw new Error(`${events} events in place of ${count}`)
      if (round >= 20) millis.push(performance.now() - begun)
    }
    return millis.toSorted((a, b) => a - b)[millis.length >>> 1]
  },

  replay: (directory, count) =>
    Effect.gen(function* () {
      const before = process.memoryUsage.rss()
      const cpu = process.cpuUsage()
      const begun = performance.now()
      const { events } = yield* (yield* opened(directory, false)).load
      if (events !== count) throw new Error(`${events} events in place of ${count}`)
      const millis = performance.now() - begun
      const { system, user } = process.cpuUsage(cpu)
      const most = process.resourceUsage().maxRSS * 1024
      return { millis, cpuMillis: (system + user) / 1000, before: megabytes(before), most: megabytes(most) }
    }).pipe(Effect.scoped, in_(directory), Effect.runPromise)
}

const apart = <A>(task: string, directory: string, count: number): A => {
  const args = [...process.execArgv, import.meta.filename, task, directory, String(count)]
  const { status, stdout } = spawnSync(process.execPath, args, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"]
  })
  if (status !== 0) throw new Error(`${task} of ${count} events failed`)
  return JSON.parse(stdout)
}

interface Replayed {
  readonly millis: number
  readonly cpuMillis: number
  readonly before: number
  readonly most: number
}

const main = (): void => {
  console.log("| events | first load with a snapshot | replay without one | events a second | memory before, at most |")
  console.log("| --- | --- | --- | --- | --- |")
  for (const count of [1_000, 10_000, 100_000, 1_000_000]) {
    const directory = mkdtempSync(join(tmpdir(), "dgents-streams-"))
    try {
      apart("fill", directory, count)
      const restart = apart<number>("restart", directory, count)
      const runs = [1, 2, 3].map(() => apart<Replayed>("replay", directory, count))
      const [run] = runs.toSorted((a, b) => a.millis - b.millis).slice(1)
      if (run === undefined) continue
      const rate = Math.round(count / (run.millis / 1000))
      const took = `${run.millis.toFixed(0)} ms (CPU ${run.cpuMillis.toFixed(0)} ms)`
      console.log(`| ${count} | ${restart.toFixed(2)} ms | ${took} | ${rate} | ${run.before} MB, ${run.most} MB |`)
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  }
}

const [task = "", directory = "", count = ""] = process.argv.slice(2)
const run = tasks[task]
if (run === undefined) main()
else console.log(JSON.stringify((await run(directory, Number(count))) ?? null))
