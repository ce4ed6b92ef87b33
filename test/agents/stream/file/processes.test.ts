import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { NodeFileSystem } from "@effect/platform-node"
import { expect, it } from "@effect/vitest"
import { Deferred, Effect, Exit } from "effect"
import * as FileLog from "../../../../src/agents/stream/file/log.ts"
import type { Log, Stored } from "../../../../src/agents/stream/Log.ts"

const script = new URL("./child.ts", import.meta.url).pathname
const stream = { collection: "c", key: "k" }

const temporary = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "dgents-streams-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

const open = (directory: string, sharing: "process" | "host") =>
  Effect.provide(FileLog.make({ directory, sharing, segmentBytes: 5_000 }), NodeFileSystem.layer)

const ended = (child: ChildProcess) =>
  child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve()
    : new Promise<void>((resolve) => child.once("exit", () => resolve()))

/** Starts a process that appends; what it says is handed over line by line, until it ends. */
const start = (args: ReadonlyArray<string>, each: (line: string, child: ChildProcess) => void = () => {}) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() =>
        spawn(process.execPath, ["--conditions=@dgents/source", script, ...args], {
          stdio: ["ignore", "pipe", "inherit"]
        })
      ),
      (child) =>
        Effect.promise(() => {
          child.kill("SIGKILL")
          return ended(child)
        })
    ),
    (child) => {
      const lines: Array<string> = []
      const said = Effect.promise(async () => {
        const exit = ended(child)
        for await (const line of createInterface({ input: child.stdout })) {
          lines.push(line)
          each(line, child)
        }
        await exit
        return lines
      })
      return said
    }
  )

const all = (log: Log) =>
  Effect.gen(function* () {
    const events: Array<Stored> = []
    for (;;) {
      const page = yield* log.read(stream, { after: events.length, limit: 100 })
      if (page.length === 0) return events
      events.push(...page)
    }
  })

const dataOf = ({ data }: Stored) => JSON.parse(data)

/** Every append is there whole, once, in an order of its process. */
const expectWhole = (events: ReadonlyArray<Stored>) => {
  const next: Record<string, number> = {}
  for (let i = 0; i < events.length; i += 2) {
    const [a, b] = [events[i], events[i + 1]]
    if (a === undefined || b === undefined) throw new Error(`half of an append at ${i + 1}`)
    const { name, n } = dataOf(a)
    expect(a.position).toBe(i + 1)
    expect(dataOf(b)).toEqual({ name, n, part: 2 })
    expect(n).toBe(next[name] ?? 0)
    next[name] = n + 1
  }
  return next
}

it.live("a killed writer leaves what it acknowledged, and at most what it was writing", () =>
  Effect.gen(function* () {
    for (const [round, lines] of [1, 2, 7, 40, 90, 150].entries()) {
      const directory = yield* temporary
      const said: Array<string> = []
      const child = yield* start([directory, "process", "a", "100000", round % 2 === 0 ? "1" : "8"], (line, child) => {
        said.push(line)
        if (said.length === lines) child.kill("SIGKILL")
      })
      yield* child
      expect(said.length).toBeGreaterThanOrEqual(lines)
      const log = yield* open(directory, "process")
      const events = yield* all(log)
      for (const line of said.slice(1)) {
        const [first = 0, n] = line.split(" ").map(Number)
        expect(events.slice(first - 1, first + 1).map(dataOf)).toEqual([1, 2].map((part) => ({ name: "a", n, part })))
        const again = { ...stream, events: [{ type: "Added", data: "{}" }], at: 0, id: `a ${n}` }
        expect(yield* log.append({ ...again, expected: "any" })).toEqual({ first, last: first + 1, wasKnown: true })
      }
      if (round % 2 === 0) expectWhole(events)
    }
  })
)

it.live("processes that append to one stream get each position once, and who follows it misses nothing", () =>
  Effect.gen(function* () {
    const directory = yield* temporary
    const log = yield* open(directory, "host")
    const total = 3 * 2 * 60
    const seen: Array<Stored> = []
    let noticed = Deferred.makeUnsafe<void>()
    yield* log.watch(stream, () => Deferred.doneUnsafe(noticed, Exit.void))
    const children = yield* Effect.forEach(["a", "b", "c"], (name) => start([directory, "host", name, "60", "1"]))
    const following = Effect.gen(function* () {
      while (seen.length < total) {
        noticed = Deferred.makeUnsafe<void>()
        const page = yield* log.read(stream, { after: seen.length, limit: 50 })
        seen.push(...page)
        if (page.length === 0) yield* Deferred.await(noticed)
      }
    })
    const [said] = yield* Effect.all([Effect.all(children, { concurrency: "unbounded" }), following], {
      concurrency: "unbounded"
    })
    for (const lines of said) expect(lines[0]).toBe("open")
    expect(expectWhole(seen)).toEqual({ a: 60, b: 60, c: 60 })
    expect(yield* all(log)).toEqual(seen)
  })
)

it.live(
  "a directory that a process has for itself is refused to others, and one that is shared to who wants it alone",
  () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* open(directory, "process")
          const lines = yield* yield* start([directory, "process", "a", "1"])
          expect(lines).toEqual([expect.stringMatching(/^StorageUnavailable: .*in use by process/)])
        })
      )
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* open(directory, "host")
          const lines = yield* yield* start([directory, "process", "a", "1"])
          expect(lines).toEqual([expect.stringMatching(/^StorageUnavailable: .*has it open with sharing: "host"/)])
          expect(yield* Effect.flip(open(directory, "process"))).toMatchObject({ _tag: "StorageUnavailable" })
        })
      )
      const lines = yield* yield* start([directory, "process", "a", "1"])
      expect(lines).toEqual(["open", "1 0"])
    })
)

it.live("what one process compacts is gone for the other, which reads on", () =>
  Effect.gen(function* () {
    const directory = yield* temporary
    const ours = yield* open(directory, "host")
    yield* yield* start([directory, "host", "a", "100"])
    expect(yield* ours.bounds(stream)).toEqual({ compacted: 0, last: 200 })
    yield* ours.compact(stream, 133)
    expect(yield* ours.read(stream, { after: 0, limit: 1 })).toMatchObject([{ position: 134 }])
    yield* yield* start([directory, "host", "b", "10"])
    const events = yield* ours.read(stream, { after: 133, limit: 1000 })
    expect(events.map(({ position }) => position)).toEqual(Array.from({ length: 87 }, (_, i) => 134 + i))
    expect(events.slice(-2).map(dataOf)).toEqual([1, 2].map((part) => ({ name: "b", n: 9, part })))
  })
)
