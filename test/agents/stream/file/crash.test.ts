import { expect, it } from "@effect/vitest"
import { Cause, Effect, Exit, FileSystem } from "effect"
import * as FileLog from "../../../../src/agents/stream/file/log.ts"
import type { Log, NewEvent } from "../../../../src/agents/stream/Log.ts"
import * as CrashDisk from "../../../../src/testing/CrashDisk.ts"
import * as Faults from "../../../../src/testing/Faults.ts"

const directory = "/data/log"
const stream = { collection: "c", key: "k" }
const streamDirectory = `${directory}/c/k`
const firstSegment = `${streamDirectory}/0000000000000001.jsonl`

const makeDisk = () => CrashDisk.make({ directories: ["/data"], yields: false })

const open = (fs: FileSystem.FileSystem, segmentBytes = 1_000_000) =>
  Effect.provideService(FileLog.make({ directory, segmentBytes }), FileSystem.FileSystem, fs)

// An event that quotes a segment must not be taken for one when what is in front of it is damaged.
const event = (n: number): NewEvent => ({
  type: "Added",
  data: JSON.stringify({ n, log: '{"position":9,"at":0,"link":"00000000","type":"Added"', position: { position: 9 } })
})

const events = (from: number, count: number) => Array.from({ length: count }, (_, i) => event(from + i))

const append = (log: Log, from: number, count: number, id?: string) =>
  log.append({ ...stream, events: events(from, count), expected: "any", at: from, id })

const upTo = (last: number, from = 1): ReadonlyArray<number> =>
  Array.from({ length: Math.max(0, last + 1 - from) }, (_, i) => from + i)

/** The positions of all events, each of which has to be what was appended there. */
const positions = (log: Log) =>
  Effect.gen(function* () {
    const all: Array<number> = []
    for (;;) {
      const page = yield* log.read(stream, { after: all.at(-1) ?? 0, limit: 1_000_000 })
      if (page.length === 0) return all
      for (const { at, data, position, type } of page) {
        expect({ type, data }).toEqual(event(position))
        expect(at).toBeLessThanOrEqual(position)
        all.push(position)
      }
    }
  })

/** The bytes of a segment of three groups: one event, two, one; and where the last group begins. */
const threeGroups = (id?: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const disk = makeDisk()
      const log = yield* open(disk.fileSystem)
      const size = () => disk.tree.get(firstSegment)?.length ?? 0
      yield* append(log, 1, 1)
      yield* append(log, 2, 2)
      const lastGroup = size()
      yield* append(log, 4, 1, id)
      return { bytes: disk.tree.get(firstSegment) ?? new Uint8Array(), lastGroup }
    })
  )

/** Opens a log with these bytes for its segment: its positions, or its error; and what is then in the file. */
const reopened = (bytes: Uint8Array) =>
  Effect.scoped(
    Effect.gen(function* () {
      const disk = makeDisk()
      yield* disk.fileSystem.makeDirectory(streamDirectory, { recursive: true })
      yield* disk.fileSystem.writeFile(firstSegment, bytes)
      const exit = yield* Effect.exit(Effect.flatMap(open(disk.fileSystem), positions))
      return { exit, left: disk.tree.get(firstSegment) }
    })
  )

it.effect.each([undefined, "the fourth"])(
  "every change of a byte is corruption, or in the last group a torn tail; id %s",
  (id) =>
    Effect.gen(function* () {
      const { bytes, lastGroup } = yield* threeGroups(id)
      for (let i = 0; i < bytes.length; i++) {
        for (const flip of [1, 0x80]) {
          const damaged = Uint8Array.from(bytes)
          damaged[i] = (damaged[i] ?? 0) ^ flip
          const { exit, left } = yield* reopened(damaged)
          if (i >= lastGroup) {
            expect(exit).toEqual(Exit.succeed([1, 2, 3]))
            expect(left).toEqual(bytes.slice(0, lastGroup))
          } else {
            const error: unknown = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
            if (typeof error !== "object" || error === null || !("location" in error))
              throw new Error(`byte ${i} was taken for ${JSON.stringify(exit)}`)
            expect(error).toMatchObject({ _tag: "Corrupt" })
            const [, file, offset] = /^(.*), byte ([0-9]+)$/.exec(String(error.location)) ?? []
            expect(file).toBe(firstSegment)
            expect(Number(offset)).toBeLessThanOrEqual(i)
            expect(left).toEqual(damaged)
          }
        }
      }
    })
)

it.effect.each([undefined, "the fourth"])(
  "a segment that was cut, or ends in zeros, has lost its last group and no other; id %s",
  (id) =>
    Effect.gen(function* () {
      const { bytes, lastGroup } = yield* threeGroups(id)
      for (let length = lastGroup; length < bytes.length; length++) {
        for (const zeros of [0, bytes.length - length, 5000]) {
          const { exit, left } = yield* reopened(Uint8Array.from([...bytes.slice(0, length), ...new Uint8Array(zeros)]))
          expect(exit).toEqual(Exit.succeed([1, 2, 3]))
          expect(left).toEqual(bytes.slice(0, lastGroup))
        }
      }
      const { exit } = yield* reopened(Uint8Array.from([...bytes, ...new Uint8Array(5000)]))
      expect(exit).toEqual(Exit.succeed([1, 2, 3, 4]))
      for (const nothing of [0, 10]) {
        const { exit } = yield* reopened(bytes.slice(0, nothing))
        expect(Exit.isFailure(exit) && Cause.squash(exit.cause)).toMatchObject({ _tag: "Corrupt" })
      }
    })
)

it.effect("what is left of a group with a hole in it is a torn tail, and no corruption", () =>
  Effect.gen(function* () {
    const disk = makeDisk()
    yield* Effect.scoped(
      Effect.gen(function* () {
        const log = yield* open(disk.fileSystem)
        yield* append(log, 1, 1)
        yield* append(log, 2, 20)
      })
    )
    const whole = disk.tree.get(firstSegment) ?? new Uint8Array()
    const lines = Buffer.from(whole).toString().split("\n")
    const second = Buffer.byteLength(lines.slice(0, 2).join("\n")) + 1
    for (let hole = second; hole < whole.length; hole += 97) {
      const torn = Uint8Array.from(whole).fill(0, hole, hole + 97)
      expect((yield* reopened(torn)).exit).toEqual(Exit.succeed([1]))
    }
  })
)

it.effect("of a group that is read in many parts all is there, or nothing", () =>
  Effect.gen(function* () {
    const disk = makeDisk()
    const many = 12_000
    yield* Effect.scoped(
      Effect.gen(function* () {
        const log = yield* open(disk.fileSystem, 1e9)
        yield* append(log, 1, 2)
        yield* append(log, 3, many)
        yield* append(log, 3 + many, 1)
      })
    )
    const whole = disk.tree.get(firstSegment) ?? new Uint8Array()
    expect((yield* reopened(whole)).exit).toEqual(Exit.succeed(upTo(3 + many)))
    const lastLine = Buffer.from(whole).lastIndexOf("\n", whole.length - 2) + 1
    expect((yield* reopened(whole.slice(0, lastLine))).exit).toEqual(Exit.succeed(upTo(2 + many)))
    for (const cut of [lastLine - 1, Math.floor(whole.length / 2), 2_000]) {
      const { exit, left } = yield* reopened(whole.slice(0, cut))
      expect(exit).toEqual(Exit.succeed([1, 2]))
      expect(left?.length).toBeLessThan(2_000)
    }
  })
)

it.effect("a segment that belongs to another stream, or to another place, is corruption", () =>
  Effect.gen(function* () {
    const { bytes } = yield* threeGroups()
    for (const path of [`${directory}/c/other/0000000000000001.jsonl`, `${streamDirectory}/0000000000000005.jsonl`]) {
      const disk = makeDisk()
      yield* disk.fileSystem.makeDirectory(path.slice(0, path.lastIndexOf("/")), { recursive: true })
      yield* disk.fileSystem.writeFile(path, bytes)
      const key = path.includes("other") ? "other" : "k"
      const read = Effect.flatMap(open(disk.fileSystem), (log) => log.bounds({ collection: "c", key }))
      expect(yield* Effect.flip(Effect.scoped(read))).toMatchObject({ _tag: "Corrupt" })
    }
  })
)

/** What a workload acknowledged, as of each length of the journal. */
interface Mark {
  readonly length: number
  readonly acknowledged: number
  readonly attempted: number
  /** Up to where it was asked to compact, and where it was told that this was done. */
  readonly compacting: number
  readonly compacted: number
}

// Segments are full after an append or two.
const segmentBytes = 400

const workload = Effect.gen(function* () {
  const disk = makeDisk()
  const marks: Array<Mark> = []
  let last: Mark = { length: 0, acknowledged: 0, attempted: 0, compacting: 0, compacted: 0 }
  const mark = (change: Partial<Mark>) => {
    last = { ...last, ...change, length: disk.length }
    marks.push(last)
  }
  mark({})
  const appends = (log: Log, from: number, count: number) =>
    Effect.gen(function* () {
      mark({ attempted: from + count - 1 })
      yield* append(log, from, count, `from ${from}`)
      mark({ acknowledged: from + count - 1 })
    })
  const compacts = (log: Log, upTo: number) =>
    Effect.gen(function* () {
      mark({ compacting: upTo })
      yield* log.compact(stream, upTo)
      mark({ compacted: upTo })
    })
  yield* Effect.scoped(
    Effect.gen(function* () {
      const log = yield* open(disk.fileSystem, segmentBytes)
      yield* appends(log, 1, 1)
      yield* appends(log, 2, 2)
      yield* appends(log, 4, 1)
      yield* compacts(log, 2)
      yield* appends(log, 5, 1)
    })
  )
  yield* Effect.scoped(
    Effect.gen(function* () {
      const log = yield* open(disk.process(), segmentBytes)
      yield* appends(log, 6, 2)
      yield* compacts(log, 7)
      yield* appends(log, 8, 1)
    })
  )
  const at = (length: number): Mark => marks.findLast((mark) => mark.length <= length) ?? last
  return { disk, at }
})

// Which positions appends begin and end with.
const firsts: Readonly<Record<number, number>> = { 1: 1, 3: 2, 4: 4, 5: 5, 7: 6, 8: 8 }

const leftFiles = (disk: CrashDisk.CrashDisk) =>
  [...disk.tree.keys()].filter((name) => name.startsWith(`${streamDirectory}/`) && name !== `${streamDirectory}/`)

it.effect("whatever a crash leaves, what was acknowledged is there, appends are whole, and ids are known", () =>
  Effect.gen(function* () {
    const { at, disk } = yield* workload
    let images = 0
    for (const point of disk.crashPoints()) {
      // What was attempted before the next operation may be there, what was acknowledged before this one must.
      const { acknowledged, compacted } = at(point.at)
      const { attempted, compacting } = at(point.at + 1)
      for (const model of ["process", "ordered", "posix"] as const) {
        for (const image of point.images(model, { blockSize: 64, limit: 120 })) {
          images++
          const left = CrashDisk.fromImage(image, { yields: false })
          const where = `${point.describe}, ${model}: ${image.lost.join("; ")}`
          yield* Effect.scoped(
            Effect.gen(function* () {
              const log = yield* open(left.fileSystem, segmentBytes)
              const bounds = yield* log.bounds(stream)
              expect(bounds.last, where).toBeGreaterThanOrEqual(acknowledged)
              expect(bounds.last, where).toBeLessThanOrEqual(attempted)
              expect([0, 1, 3, 4, 5, 7, 8], where).toContain(bounds.last)
              expect(bounds.compacted, where).toBeGreaterThanOrEqual(compacted)
              expect(bounds.compacted, where).toBeLessThanOrEqual(compacting)
              expect(yield* positions(log), where).toEqual(upTo(bounds.last, bounds.compacted + 1))
              const keys = yield* log.keys("c", { prefix: "", after: undefined, limit: 10 })
              expect(keys, where).toEqual(bounds.last === 0 ? [] : ["k"])
              for (const [last, first] of Object.entries(firsts)) {
                if (Number(last) <= bounds.compacted || Number(last) > bounds.last) continue
                const known = yield* append(log, 100, 1, `from ${first}`)
                expect(known, where).toEqual({ first, last: Number(last), wasKnown: true })
              }
              expect((yield* append(log, bounds.last + 1, 1)).first, where).toBe(bounds.last + 1)
              expect((yield* positions(log)).at(-1), where).toBe(bounds.last + 1)
            })
          )
          for (const name of leftFiles(left)) expect(name, where).toMatch(/\/[0-9]{16}(\.start)?\.(jsonl|ids)$/)
          expect(leftFiles(left).length, where).toBeLessThanOrEqual(2 * 8)
        }
      }
    }
    expect(images).toBeGreaterThan(500)
  })
)

it.effect("a recovery that crashes in turn loses nothing, and shows nothing that a crash can take back", () =>
  Effect.gen(function* () {
    const { at, disk } = yield* workload
    let images = 0
    for (const point of disk.crashPoints()) {
      const { acknowledged } = at(point.at)
      const resumed = CrashDisk.resume(point, { yields: false })
      const shown = yield* Effect.scoped(
        Effect.flatMap(open(resumed.fileSystem, segmentBytes), (log) => log.bounds(stream))
      )
      for (const later of resumed.crashPoints()) {
        // Of the moments within a recovery a third, another one each time; of its end all.
        if (later.at < resumed.length && (point.at + later.at) % 3 !== 0) continue
        for (const image of later.images("posix", { blockSize: 64, limit: 12 })) {
          images++
          const left = CrashDisk.fromImage(image, { yields: false })
          const opened = open(left.fileSystem, segmentBytes)
          yield* Effect.scoped(
            Effect.gen(function* () {
              const log = yield* opened
              const bounds = yield* log.bounds(stream)
              const where = `${point.describe}, then ${later.describe}: ${image.lost.join("; ")}`
              expect(bounds.last, where).toBeGreaterThanOrEqual(acknowledged)
              if (later.at === resumed.length) {
                expect(bounds.last, where).toBeGreaterThanOrEqual(shown.last)
                expect(bounds.compacted, where).toBeGreaterThanOrEqual(shown.compacted)
              }
              expect(yield* positions(log), where).toEqual(upTo(bounds.last, bounds.compacted + 1))
            })
          )
        }
      }
    }
    expect(images).toBeGreaterThan(100)
  })
)

it.effect("whichever operation of the disk fails, an append happened, did not, or says that it is not known", () =>
  Effect.gen(function* () {
    let struck = 0
    for (const does of ["refuse", "loseReply", "loseRequest"] as const) {
      for (const forever of [false, true]) {
        // What fails for good differs less from one operation to the next.
        for (let n = 0; ; n += forever ? 4 : 1) {
          const disk = makeDisk()
          const faults = Faults.make(Faults.plan(n, Faults.failNth(n, does, { forever })))
          const known = { acknowledged: 0, possible: 0, compacted: 0, compacting: 0 }
          yield* Effect.ignore(
            Effect.scoped(
              Effect.gen(function* () {
                const log = yield* open(Faults.fileSystem(disk.fileSystem, faults), segmentBytes)
                for (let i = 0; i < 7; i++) {
                  const from = (yield* log.bounds(stream)).last + 1
                  if (i === 4) {
                    known.compacting = Math.max(0, from - 2)
                    yield* log.compact(stream, known.compacting)
                    known.compacted = known.compacting
                  }
                  const exit = yield* Effect.exit(append(log, from, 2))
                  known.possible = from + 1
                  if (Exit.isSuccess(exit)) known.acknowledged = from + 1
                  else {
                    expect(Cause.squash(exit.cause)).toMatchObject({
                      _tag: expect.stringMatching(/^(Unavailable|Indeterminate)$/)
                    })
                    const { _tag } = Object(Cause.squash(exit.cause))
                    if (_tag === "Unavailable") known.possible = Math.max(known.acknowledged, from - 1)
                  }
                }
              })
            )
          )
          expect(disk.openHandles).toBe(0)
          yield* Effect.scoped(
            Effect.gen(function* () {
              const log = yield* open(disk.process(), segmentBytes)
              const { compacted, last } = yield* log.bounds(stream)
              const where = `${does} ${n}${forever ? " and all after" : ""}`
              expect(last, where).toBeGreaterThanOrEqual(known.acknowledged)
              expect(last, where).toBeLessThanOrEqual(known.possible)
              expect(compacted, where).toBeGreaterThanOrEqual(known.compacted)
              expect(compacted, where).toBeLessThanOrEqual(known.compacting)
              expect(yield* positions(log), where).toEqual(upTo(last, compacted + 1))
              yield* append(log, last + 1, 2)
              expect((yield* positions(log)).at(-1)).toBe(last + 2)
            })
          )
          if (faults.struck === 0) break
          struck++
        }
      }
    }
    expect(struck).toBeGreaterThan(100)
  })
)
