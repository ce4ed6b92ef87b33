import { expect, it } from "@effect/vitest"
import { SeededScheduler } from "dgents/testing"
import { Effect, Option, Stream } from "effect"
import { Disk } from "../../../src/agents/file/disk.ts"
import { AppendLog, type LogRange, type LogRecord, lastRecord } from "../../../src/agents/file/log.ts"
import * as CrashDisk from "../../../src/testing/CrashDisk.ts"

const path = "/data/events.log"

const makeDisk = () => CrashDisk.make({ directories: ["/data"], yields: false })

const payload = (text: string) => Uint8Array.from(Buffer.from(text))

const text = ({ payload, position }: LogRecord) => `${position} ${Buffer.from(payload).toString("latin1")}`

const all = (log: AppendLog, range?: LogRange) =>
  Effect.map(Stream.runCollect(log.read(range)), (list) => list.map(text))

it.effect("any script of appends, gaps, rewrites and reopenings leaves what a list of records would have", () =>
  Effect.gen(function* () {
    for (let seed = 1; seed <= 25; seed++) {
      const random = SeededScheduler.random(seed)
      const pick = (n: number) => Math.floor(random() * n)
      const disk = new Disk(makeDisk().fileSystem)
      const first = pick(3)
      const noise = () =>
        Uint8Array.from({ length: pick(8) === 0 ? 70_000 : pick(40) }, () => (pick(4) === 0 ? 10 : pick(256)))
      let model: ReadonlyArray<LogRecord> = []
      let next = first
      for (let session = 0; session < 4; session++) {
        yield* Effect.scoped(
          Effect.gen(function* () {
            const log = yield* AppendLog.open(disk, { path, first })
            for (let i = 0; i < 6; i++) {
              const command = pick(4)
              if (command < 3) {
                const at = command === 0 ? next + pick(5) : undefined
                const records = Array.from({ length: pick(4) }, noise)
                const position = yield* log.append(records, { at })
                expect(position).toBe(at ?? next)
                model = [...model, ...records.map((payload, i) => ({ position: position + i, payload }))]
                if (records.length > 0) next = position + records.length
              } else {
                const from = pick(next + 1)
                const odd = pick(2) === 0
                yield* log.rewrite(odd ? (position) => position % 2 === 1 : { from })
                model = model.filter(({ position }) => (odd ? position % 2 === 1 : position >= from))
              }
              expect([log.next, log.count, log.first]).toEqual([next, model.length, model[0]?.position])
              const range = { from: pick(next + 2), to: pick(next + 2) }
              const wanted = model.filter(({ position }) => position >= range.from && position < range.to).map(text)
              expect(yield* all(log, range)).toEqual(wanted)
              expect(yield* all(log, { ...range, reverse: true })).toEqual(wanted.reverse())
              const at = pick(next + 1)
              expect(Option.map(yield* log.at(at), text)).toEqual(
                Option.map(Option.fromUndefinedOr(model.find(({ position }) => position === at)), text)
              )
            }
            expect(yield* all(log)).toEqual(model.map(text))
            expect(log.positions()).toEqual(model.map(({ payload, position }) => ({ position, bytes: payload.length })))
          })
        )
        expect(Option.map(yield* lastRecord(disk, path), text)).toEqual(
          Option.map(Option.fromUndefinedOr(model.at(-1)), text)
        )
      }
      const reopened = yield* AppendLog.open(disk, { path, sweep: false })
      expect(reopened.next).toBe(next)
      expect(yield* all(reopened)).toEqual(model.map(text))
      expect(Option.map(yield* reopened.last, text)).toEqual(Option.map(Option.fromUndefinedOr(model.at(-1)), text))
    }
  })
)

it.effect("a person can read it: records stand as they are, on lines of their own", () =>
  Effect.gen(function* () {
    const disk = makeDisk()
    const log = yield* AppendLog.open(new Disk(disk.fileSystem), { path })
    yield* log.append([payload('{"n":1}'), payload('{"n":2}')])
    yield* log.append([payload('{"n":5}')], { at: 5 })
    const lines = Buffer.from(disk.tree.get(path) ?? [])
      .toString()
      .split("\n")
    expect(lines.map((line) => line.replace(/[0-9a-f]{16}/, "GEN").replace(/[0-9a-f]{8}$/, "SUM"))).toEqual([
      "=dgents-log 1 GEN 1 SUM",
      `=GEN ${lines[0]?.length === undefined ? "" : lines[0].length + 1} 16 1:7 2:7 SUM`,
      '{"n":1}',
      '{"n":2}',
      expect.stringMatching(/^=GEN [0-9]+ 8 5:7 SUM$/),
      '{"n":5}',
      ""
    ])
  })
)

it.effect("a position that is taken is refused, and nothing happens", () =>
  Effect.gen(function* () {
    const log = yield* AppendLog.open(new Disk(makeDisk().fileSystem), { path })
    yield* log.append([payload("a"), payload("b")])
    const error = yield* Effect.flip(log.append([payload("c")], { at: 2 }))
    expect(error).toMatchObject({ _tag: "LogOutOfOrder", position: 2, next: 3 })
    expect(yield* all(log)).toEqual(["1 a", "2 b"])
  })
)

it.effect("appends that wait together are one write and one fsync", () =>
  Effect.gen(function* () {
    const disk = CrashDisk.make({ directories: ["/data"] })
    const log = yield* AppendLog.open(new Disk(disk.fileSystem), { path })
    const before = disk.length
    const positions = yield* Effect.forEach(
      Array.from({ length: 64 }, (_, i) => i),
      (i) => log.append([payload(`record ${i}`)]),
      { concurrency: "unbounded" }
    )
    expect([...positions].sort((a, b) => a - b)).toEqual(Array.from({ length: 64 }, (_, i) => i + 1))
    const operations = disk.journal.slice(before).map(({ _tag }) => _tag)
    expect(operations).toEqual(["Write", "Sync", "Write", "Sync"])
    const stored = yield* all(log)
    for (const [i, position] of positions.entries()) expect(stored[position - 1]).toBe(`${position} record ${i}`)
  })
)

it.effect("appends that are too much for one group are all written", () =>
  Effect.gen(function* () {
    const disk = CrashDisk.make({ directories: ["/data"] })
    const log = yield* AppendLog.open(new Disk(disk.fileSystem), { path })
    const big = new Uint8Array(1_500_000)
    const before = disk.length
    yield* Effect.forEach(Array.from({ length: 8 }), () => log.append([big]), { concurrency: "unbounded" })
    expect(log.count).toBe(8)
    expect(disk.journal.slice(before).filter(({ _tag }) => _tag === "Sync")).toHaveLength(4)
  })
)

it.effect("under every schedule, and whoever is interrupted, each acknowledged append is there once", () =>
  Effect.forEach(
    Array.from({ length: 400 }, (_, i) => i + 1),
    (seed) =>
      Effect.scoped(
        Effect.gen(function* () {
          const disk = CrashDisk.make({ directories: ["/data"] })
          const log = yield* AppendLog.open(new Disk(disk.fileSystem), { path })
          const acknowledged: Array<string> = []
          const append = (name: string) =>
            Effect.map(log.append([payload(name)]), (position) => acknowledged.push(`${position} ${name}`))
          yield* Effect.forEach(
            Array.from({ length: 8 }, (_, i) => `r${i}`),
            (name, i) => (i % 2 === 0 ? append(name) : Effect.race(append(name), Effect.yieldNow)),
            { concurrency: "unbounded" }
          )
          const stored = yield* all(log)
          for (const line of acknowledged) expect(stored.filter((other) => other === line)).toEqual([line])
          expect(new Set(stored.map((line) => line.split(" ")[1])).size).toBe(stored.length)
          expect(acknowledged.length).toBeGreaterThanOrEqual(4)
          const reopened = yield* AppendLog.open(new Disk(disk.process()), { path })
          expect(yield* all(reopened)).toEqual(stored)
        })
      ).pipe(SeededScheduler.provide(seed))
  )
)

it.effect("a reader goes on through appends and rewrites, and sees what was there when it began", () =>
  Effect.gen(function* () {
    const log = yield* AppendLog.open(new Disk(makeDisk().fileSystem), { path })
    for (let n = 1; n <= 6; n++) yield* log.append([payload(`${n}`)])
    const seen = yield* Stream.runCollect(
      Stream.tap(log.read(), ({ position }) =>
        position === 2 ? Effect.andThen(log.append([payload("7")]), log.rewrite({ from: 4 })) : Effect.void
      )
    )
    expect(seen.map(text)).toEqual(["1 1", "2 2", "4 4", "5 5", "6 6"])
    expect(yield* all(log)).toEqual(["4 4", "5 5", "6 6", "7 7"])
  })
)

it.effect("processes that take turns see each other's records, and the new file after a rewrite", () =>
  Effect.gen(function* () {
    const disk = makeDisk()
    const open = () => AppendLog.open(new Disk(disk.process()), { path })
    const [a, b] = [yield* open(), yield* open()]
    for (let n = 1; n <= 5; n++) {
      const [writer, reader] = n % 2 === 0 ? [a, b] : [b, a]
      yield* writer.refresh({ exclusive: true })
      expect(yield* writer.append([payload(`${n}`)])).toBe(n)
      if (n === 4) yield* writer.rewrite({ from: 3 })
      yield* reader.refresh({ exclusive: false })
      expect(yield* all(reader)).toEqual(yield* all(writer))
    }
    expect(yield* all(a)).toEqual(["3 3", "4 4", "5 5"])
    const before = disk.length
    yield* a.refresh({ exclusive: true })
    yield* b.refresh({ exclusive: false })
    expect(disk.length).toBe(before)
  })
)

it.effect("what another process is writing is not shown, and cut off only by whoever holds the lock", () =>
  Effect.gen(function* () {
    const disk = makeDisk()
    const writer = yield* AppendLog.open(new Disk(disk.process()), { path })
    const reader = yield* AppendLog.open(new Disk(disk.process()), { path })
    yield* writer.append([payload("1")])
    yield* writer.append([payload("two")])
    const whole = disk.tree.get(path) ?? new Uint8Array()
    yield* disk.fileSystem.truncate(path, whole.length - 3)
    yield* reader.refresh({ exclusive: false })
    expect(yield* all(reader)).toEqual(["1 1"])
    expect(disk.tree.get(path)?.length).toBe(whole.length - 3)
    yield* reader.refresh({ exclusive: true })
    expect(yield* reader.append([payload("2")])).toBe(2)
    expect(yield* all(reader)).toEqual(["1 1", "2 2"])
    expect(yield* all(yield* AppendLog.open(new Disk(disk.process()), { path }))).toEqual(["1 1", "2 2"])
  })
)

it.effect("a log that was closed does nothing more", () =>
  Effect.gen(function* () {
    const disk = makeDisk()
    const log = yield* Effect.scoped(AppendLog.open(new Disk(disk.fileSystem), { path }))
    expect(disk.openHandles).toBe(0)
    const uses = [
      log.append([payload("x")]),
      all(log),
      log.last,
      log.rewrite({ from: 1 }),
      log.refresh({ exclusive: true })
    ]
    for (const use of uses) expect(yield* Effect.flip(Effect.asVoid(use))).toMatchObject({ _tag: "IoError" })
  })
)
