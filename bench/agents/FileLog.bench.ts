import { type FileHandle, open, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { NodeFileSystem } from "@effect/platform-node"
import { StreamAgent, StreamLog } from "dgents"
import { Effect, Schema } from "effect"
import * as FileLog from "../../src/agents/stream/file/log.ts"
import type { Append } from "../../src/agents/stream/Log.ts"
import { bench, temporaryDirectory } from "../harness.ts"

const id = { collection: "bench", key: "k" }

const Event = Schema.Union([
  Schema.TaggedStruct("Deposited", { account: Schema.String, amount: Schema.Number }),
  Schema.TaggedStruct("Withdrawn", { account: Schema.String, amount: Schema.Number })
])

const accountOf = (n: number) => `account-${n}`

const dataOf = (n: number) => `{"_tag":"Deposited","account":"${accountOf(n)}","amount":${n}}`

const append = (n: number): Append => ({
  ...id,
  events: [{ type: "Deposited", data: dataOf(n) }],
  expected: "any",
  at: 1_762_000_000_000,
  id: undefined
})

/** The same as a line by hand. */
const lineOf = (n: number) => `{"position":${n},"at":1762000000000,"type":"Deposited","data":${dataOf(n)}}\n`

const log = Effect.gen(function* () {
  const directory = join(yield* temporaryDirectory, "log")
  return yield* Effect.provide(FileLog.make({ directory }), NodeFileSystem.layer)
})

const file = Effect.gen(function* () {
  const path = join(yield* temporaryDirectory, "raw.jsonl")
  return yield* Effect.acquireRelease(
    Effect.promise(() => open(path, "a")),
    (file) => Effect.promise(() => file.close())
  )
})

const put = async (file: FileHandle, text: string) => {
  await file.appendFile(text)
  await file.datasync()
}

const batch = (i: number) => Array.from({ length: 64 }, (_, n) => 64 * Math.abs(i) + n)

bench(
  "file-log/append an event, against write, fdatasync",
  Effect.gen(function* () {
    const ours = yield* log
    const raw = yield* file
    return { ours: (i) => ours.append(append(i)), raw: (i) => put(raw, lineOf(i)) }
  })
)

bench(
  "file-log/append 64 at once, an event, against one write, fdatasync of 64 lines",
  Effect.gen(function* () {
    const ours = yield* log
    const raw = yield* file
    return {
      ours: (i) =>
        Effect.forEach(batch(i).map(append), (one) => ours.append(one), { concurrency: "unbounded", discard: true }),
      raw: (i) => put(raw, batch(i).map(lineOf).join(""))
    }
  }),
  { per: 64 }
)

bench(
  "file-log/append 64 at once, an event, against write, fdatasync each",
  Effect.gen(function* () {
    const ours = yield* log
    const raw = yield* file
    return {
      ours: (i) =>
        Effect.forEach(batch(i).map(append), (one) => ours.append(one), { concurrency: "unbounded", discard: true }),
      raw: async (i) => {
        for (const n of batch(i)) await put(raw, lineOf(n))
      }
    }
  }),
  { per: 64 }
)

const events = 50_000

const account = {
  name: "account",
  events: Event,
  state: Schema.Struct({ balance: Schema.Number, events: Schema.Number }),
  initial: { balance: 0, events: 0 },
  fold: ({ balance, events }: { balance: number; events: number }, { _tag, amount }: typeof Event.Type) => ({
    balance: _tag === "Deposited" ? balance + amount : balance - amount,
    events: events + 1
  })
}

bench(
  "file-log/replay 50 000 events with decoding, against JSON.parse of the lines of a file and a fold by hand",
  Effect.gen(function* () {
    const opened = Effect.provideService(StreamAgent.make(account), StreamLog, yield* log)
    const stream = yield* opened
    for (let n = 0; n < events; n += 1_000)
      yield* stream.append(
        Array.from({ length: 1_000 }, (_, i) => ({ _tag: "Deposited", account: accountOf(n + i), amount: n }) as const)
      )
    const path = join(yield* temporaryDirectory, "raw.jsonl")
    const lines = Array.from({ length: events }, (_, n) => lineOf(n))
    yield* Effect.promise(() => writeFile(path, lines.join("")))
    return {
      ours: () => Effect.scoped(Effect.flatMap(opened, ({ load }) => load)),
      raw: async () => {
        let state = account.initial
        // Sound: that is what was written above.
        for (const line of (await readFile(path, "utf8")).split("\n"))
          if (line !== "") state = account.fold(state, (JSON.parse(line) as { data: typeof Event.Type }).data)
        return state
      }
    }
  }),
  { per: events }
)
