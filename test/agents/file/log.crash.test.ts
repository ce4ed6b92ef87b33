import { expect, it } from "@effect/vitest"
import { Cause, Effect, Exit, type FileSystem, Option, Stream } from "effect"
import { Disk } from "../../../src/agents/file/disk.ts"
import { IoError, Unsettled } from "../../../src/agents/file/ioError.ts"
import * as Frame from "../../../src/agents/file/log/frame.ts"
import { AppendLog, LogCorrupt, lastRecord } from "../../../src/agents/file/log.ts"
import * as CrashDisk from "../../../src/testing/CrashDisk.ts"
import * as Faults from "../../../src/testing/Faults.ts"
import { FaultyFs } from "./faultyFs.ts"

const path = "/data/events.log"

const makeDisk = () => CrashDisk.make({ directories: ["/data"], yields: false })

const open = (fs: FileSystem.FileSystem) => AppendLog.open(new Disk(fs), { path })

// A record that quotes a log must not be taken for a frame when what is before it is damaged.
const payload = (n: number) => Uint8Array.from(Buffer.from(`{"n":${n},"log":"=dgents-log 1 0 0 0\\n=0 0 1 1:0 0"}\n`))

const numbers = (log: AppendLog) =>
  Effect.map(Stream.runCollect(log.read()), (records) =>
    records.map(({ payload, position }) => {
      const { n } = JSON.parse(Buffer.from(payload).toString())
      expect(n).toBe(position)
      return position
    })
  )

const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1)

/** The bytes of a log of three groups: one record, two, one; and where the last group begins. */
const threeGroups = Effect.scoped(
  Effect.gen(function* () {
    const disk = makeDisk()
    const log = yield* open(disk.fileSystem)
    yield* log.append([payload(1)])
    const start = log.bytes
    yield* log.append([payload(2), payload(3)])
    const lastFrame = log.bytes
    yield* log.append([payload(4)])
    return { bytes: disk.tree.get(path) ?? new Uint8Array(), start, lastFrame }
  })
)

/** Opens a log of these bytes: its records, and what is then in the file, or its error. */
const reopened = (bytes: Uint8Array) =>
  Effect.scoped(
    Effect.gen(function* () {
      const disk = makeDisk()
      yield* disk.fileSystem.writeFile(path, bytes)
      const exit = yield* Effect.exit(Effect.flatMap(open(disk.fileSystem), numbers))
      return { exit, left: disk.tree.get(path) }
    })
  )

it.effect("every change of a byte is corruption, with its place, or in the last group a torn tail", () =>
  Effect.gen(function* () {
    const { bytes, lastFrame } = yield* threeGroups
    for (let i = 0; i < bytes.length; i++) {
      for (const flip of [1, 0x80]) {
        const damaged = Uint8Array.from(bytes)
        damaged[i] = (damaged[i] ?? 0) ^ flip
        const { exit, left } = yield* reopened(damaged)
        if (i >= lastFrame) {
          expect(exit).toEqual(Exit.succeed([1, 2, 3]))
          expect(left).toEqual(bytes.slice(0, lastFrame))
        } else {
          const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
          if (!(error instanceof LogCorrupt)) throw new Error(`byte ${i} was taken for ${JSON.stringify(exit)}`)
          expect(error.offset).toBeLessThanOrEqual(i)
          expect(left).toEqual(damaged)
        }
      }
    }
  })
)

it.effect("a file that was cut, or has zeros for its end, has lost its last group and no other", () =>
  Effect.gen(function* () {
    const { bytes, lastFrame } = yield* threeGroups
    for (let length = lastFrame; length < bytes.length; length++) {
      for (const zeros of [0, bytes.length - length, 5000]) {
        const { exit, left } = yield* reopened(Uint8Array.from([...bytes.slice(0, length), ...new Uint8Array(zeros)]))
        expect(exit).toEqual(Exit.succeed([1, 2, 3]))
        expect(left).toEqual(bytes.slice(0, lastFrame))
      }
    }
    const { exit } = yield* reopened(Uint8Array.from([...bytes, ...new Uint8Array(5000)]))
    expect(exit).toEqual(Exit.succeed([1, 2, 3, 4]))
    for (const nothing of [0, 10]) {
      const { exit } = yield* reopened(bytes.slice(0, nothing))
      expect(Exit.isFailure(exit) && Cause.squash(exit.cause)).toBeInstanceOf(LogCorrupt)
    }
  })
)

it.effect("a record that holds a copy of the log does not make a torn tail look like corruption", () =>
  Effect.gen(function* () {
    const disk = makeDisk()
    const log = yield* open(disk.fileSystem)
    yield* log.append([payload(1)])
    const whole = disk.tree.get(path) ?? new Uint8Array()
    yield* log.append([whole, whole])
    const torn = (disk.tree.get(path) ?? new Uint8Array()).slice(0, -1)
    expect((yield* reopened(torn)).exit).toEqual(Exit.succeed([1]))
    const last = lastRecord(new Disk(disk.fileSystem), path)
    expect(Option.getOrUndefined(yield* last)).toEqual({ position: 3, payload: whole })
    yield* disk.fileSystem.truncate(path, torn.length)
    expect(Option.getOrUndefined(yield* last)).toEqual({ position: 1, payload: payload(1) })
  })
)

/** What a workload acknowledged, as of each length of the journal. */
interface Mark {
  readonly length: number
  readonly acknowledged: number
  readonly attempted: number
  readonly oldest: number
}

const workload = Effect.gen(function* () {
  const disk = makeDisk()
  const marks: Array<Mark> = []
  let last: Mark = { length: 0, acknowledged: 0, attempted: 0, oldest: 1 }
  const mark = (change: Partial<Mark>) => {
    last = { ...last, ...change, length: disk.length }
    marks.push(last)
  }
  mark({})
  const append = (log: AppendLog, from: number, count: number) =>
    Effect.gen(function* () {
      mark({ attempted: from + count - 1 })
      yield* log.append(upTo(count).map((i) => payload(from + i - 1)))
      mark({ acknowledged: from + count - 1 })
    })
  yield* Effect.scoped(
    Effect.gen(function* () {
      const log = yield* open(disk.fileSystem)
      yield* append(log, 1, 1)
      yield* append(log, 2, 2)
      yield* log.rewrite({ from: 2 })
      mark({ oldest: 2 })
      yield* append(log, 4, 1)
    })
  )
  yield* Effect.scoped(Effect.flatMap(open(disk.process()), (log) => append(log, 5, 2)))
  const at = (length: number): Mark => marks.findLast((mark) => mark.length <= length) ?? last
  return { disk, at }
})

it.effect("whatever a crash leaves, what was acknowledged is there, and groups are whole", () =>
  Effect.gen(function* () {
    const { at, disk } = yield* workload
    let images = 0
    for (const point of disk.crashPoints()) {
      // What was attempted before the next operation may be there, what was acknowledged before this one must.
      const { acknowledged, oldest } = at(point.at)
      const { attempted } = at(point.at + 1)
      for (const model of ["process", "ordered", "posix"] as const) {
        for (const image of point.images(model, { blockSize: 64 })) {
          images++
          const left = CrashDisk.fromImage(image, { yields: false })
          yield* Effect.scoped(
            Effect.gen(function* () {
              const log = yield* open(left.fileSystem)
              const found = yield* numbers(log)
              const newest = found.at(-1) ?? 0
              const where = `${point.describe}, ${model}: ${image.lost.join("; ")}`
              expect(newest, where).toBeGreaterThanOrEqual(acknowledged)
              expect(newest, where).toBeLessThanOrEqual(attempted)
              // Groups: 1, 2-3, 4, 5-6.
              expect([2, 5], where).not.toContain(newest)
              const first = found[0] ?? 1
              expect([1, 2]).toContain(first)
              if (newest > 0) expect(found, where).toEqual(upTo(newest).filter((n) => n >= first))
              if (newest > 0) expect(first, where).toBeGreaterThanOrEqual(oldest)
              const next = Math.max(log.next, 1)
              yield* log.append([payload(next)], { at: next })
              expect((yield* numbers(log)).at(-1)).toBe(next)
            })
          )
          expect([...left.tree.keys()].filter((name) => name.startsWith("/data/"))).toEqual(["/data/", path])
        }
      }
    }
    expect(images).toBeGreaterThan(100)
  })
)

it.effect("a recovery that crashes in turn loses nothing, and shows nothing that a crash can take back", () =>
  Effect.gen(function* () {
    const { at, disk } = yield* workload
    let images = 0
    for (const point of disk.crashPoints()) {
      const { acknowledged } = at(point.at)
      const resumed = CrashDisk.resume(point, { yields: false })
      const shown = yield* Effect.scoped(Effect.flatMap(open(resumed.fileSystem), numbers))
      for (const later of resumed.crashPoints()) {
        for (const image of later.images("posix", { blockSize: 64 })) {
          images++
          const left = CrashDisk.fromImage(image, { yields: false })
          const found = yield* Effect.scoped(Effect.flatMap(open(left.fileSystem), numbers))
          const newest = found.at(-1) ?? 0
          expect(newest).toBeGreaterThanOrEqual(acknowledged)
          if (later.at === resumed.length) expect(found).toEqual(shown)
        }
      }
    }
    expect(images).toBeGreaterThan(100)
  })
)

it.effect("what a killed process wrote and did not make durable is shown only once it is", () =>
  Effect.gen(function* () {
    const { bytes, lastFrame } = yield* threeGroups
    for (const exclusive of [false, true]) {
      const disk = makeDisk()
      yield* disk.fileSystem.writeFile(path, bytes.slice(0, lastFrame))
      const log = yield* open(disk.process())
      // The killed one: it came as far as its write.
      yield* disk.fileSystem.writeFile(path, bytes, { flag: "r+" })
      yield* log.refresh({ exclusive })
      expect(yield* numbers(log)).toEqual([1, 2, 3, 4])
      for (const point of disk.crashPoints(disk.length)) {
        for (const image of point.images("posix")) {
          const left = CrashDisk.fromImage(image, { yields: false })
          expect(yield* Effect.scoped(Effect.flatMap(open(left.fileSystem), numbers))).toEqual([1, 2, 3, 4])
        }
      }
    }
  })
)

it.effect("whatever operation fails, appends are done, not done, or said to be undecided", () =>
  Effect.gen(function* () {
    let struck = 0
    for (const does of ["refuse", "loseReply", "short"] as const) {
      for (const forever of [false, true]) {
        for (let n = 0; ; n++) {
          const faults = Faults.make()
          const disk = makeDisk()
          const wasStruck = yield* Effect.scoped(
            Effect.gen(function* () {
              const log = yield* open(Faults.fileSystem(disk.fileSystem, faults))
              yield* log.append([payload(1)])
              faults.arm(
                Faults.plan(1, {
                  ...(does === "short" ? Faults.shortWrite() : { does }),
                  from: n,
                  until: forever ? undefined : n + 1
                })
              )
              const certain = new Set([1])
              const possible = new Set([1])
              let rewritten: unknown
              let before: number | undefined
              for (let i = 0; i < 4; i++) {
                const { next } = log
                const oldest = log.first
                const exit = yield* Effect.exit(i === 2 ? log.rewrite({ from: 2 }) : log.append([payload(next)]))
                const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
                if (error !== undefined && !(error instanceof Unsettled)) expect(error).toBeInstanceOf(IoError)
                if (i === 2) {
                  rewritten = error
                  before = oldest
                  continue
                }
                if (error === undefined) certain.add(next)
                if (error === undefined || error instanceof Unsettled) possible.add(next)
                else expect(possible.has(next) || log.next === next).toBe(true)
              }
              const { struck } = faults
              faults.lift()
              const { next } = log
              const exit = yield* Effect.exit(log.append([payload(next)], { at: next }))
              // One that was undecided turned out to have happened.
              if (Exit.isFailure(exit)) expect(Cause.squash(exit.cause)).toMatchObject({ _tag: "LogOutOfOrder" })
              else {
                certain.add(next)
                possible.add(next)
              }
              const stored = yield* numbers(log)
              if (rewritten instanceof IoError) expect(stored[0]).toBe(before)
              if (rewritten === undefined) expect(stored).not.toContain(1)
              if (rewritten === undefined || stored[0] !== 1) certain.delete(1)
              for (const n of certain) expect(stored).toContain(n)
              for (const n of stored) expect(possible).toContain(n)
              const again = yield* Effect.scoped(Effect.flatMap(open(disk.process()), numbers))
              expect(again).toEqual(stored)
              for (const image of [...disk.crashPoints(disk.length)].flatMap((point) => [...point.images("posix")])) {
                const left = CrashDisk.fromImage(image, { yields: false })
                expect(yield* Effect.scoped(Effect.flatMap(open(left.fileSystem), numbers))).toEqual(stored)
              }
              return struck > 0
            })
          )
          expect(disk.openHandles).toBe(0)
          if (!wasStruck) break
          struck++
        }
      }
    }
    expect(struck).toBeGreaterThan(60)
  })
)

it.effect("opening, with an operation that fails, fails typed or gives all there is; then it works", () =>
  Effect.gen(function* () {
    for (const does of ["refuse", "loseReply", "cut", "corrupt"] as const) {
      for (const [exists, seed] of [[false, 1], ...upTo(12).map((seed) => [true, seed] as const)] as const) {
        const isDamage = does === "cut" || does === "corrupt"
        for (let n = 0; ; n++) {
          const disk = makeDisk()
          if (exists)
            yield* Effect.scoped(Effect.flatMap(open(disk.fileSystem), (log) => log.append([payload(1), payload(2)])))
          const faults = Faults.make(
            Faults.plan(seed, { does, from: n, until: n + 1, only: isDamage ? ["read"] : undefined })
          )
          const wanted = exists ? [1, 2] : []
          const exit = yield* Effect.exit(
            Effect.scoped(Effect.flatMap(open(Faults.fileSystem(disk.fileSystem, faults)), numbers))
          )
          if (Exit.isSuccess(exit)) expect(exit.value).toEqual(wanted)
          else expect(["IoError", "LogCorrupt"]).toContain((Cause.squash(exit.cause) as { _tag?: string })._tag)
          expect(disk.openHandles).toBe(0)
          expect(yield* Effect.scoped(Effect.flatMap(open(disk.process()), numbers))).toEqual(wanted)
          if (faults.struck === 0) break
        }
      }
    }
  })
)

it.effect("a failed fsync is not tried again on the same handle", () =>
  Effect.gen(function* () {
    const faulty = new FaultyFs(makeDisk().fileSystem)
    const log = yield* open(faulty.fs)
    faulty.arm(undefined)
    yield* log.append([payload(log.next)])
    const fsync = faulty.count - 1
    for (const forever of [false, true]) {
      faulty.take()
      faulty.arm({ at: fsync, code: "EIO", when: "before", forever })
      const error = yield* Effect.flip(log.append([payload(log.next)]))
      expect(error).toBeInstanceOf(forever ? Unsettled : IoError)
      expect(faulty.take().slice(0, 3)).toEqual(["write events.log", "fsync events.log", "open r+ events.log"])
    }
    faulty.arm(undefined)
    yield* log.append([payload(log.next)])
    expect(faulty.take()[0]).toBe("open r+ events.log")
    // The undecided one turned out to have happened.
    expect(log.positions().map(({ position }) => position)).toEqual([1, 2, 3])
  })
)

it.effect("a position that comes twice is corruption", () =>
  Effect.gen(function* () {
    const generation = Frame.newGeneration()
    const start = Frame.encodeStart(generation, 1)
    const first = Frame.encodeFrame(generation, start.length, [{ position: 5, payload: payload(5) }])
    const offset = start.length + first.length
    const second = Frame.encodeFrame(generation, offset, [{ position: 5, payload: payload(5) }])
    const { exit } = yield* reopened(Buffer.concat([start, first, second]))
    expect(Exit.isFailure(exit) && Cause.squash(exit.cause)).toMatchObject({ _tag: "LogCorrupt", offset })
  })
)
