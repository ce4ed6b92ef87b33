import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { NodeFileSystem } from "@effect/platform-node"
import { expect, it } from "@effect/vitest"
import { Cause, Effect, Exit, FileSystem } from "effect"
import * as FileLog from "../../../../src/agents/stream/file/log.ts"
import type { Log } from "../../../../src/agents/stream/Log.ts"
import * as CrashDisk from "../../../../src/testing/CrashDisk.ts"
import { conformance } from "../conformance.ts"

const directory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "dgents-streams-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

const opened = (options: Omit<FileLog.Options, "directory">) =>
  Effect.provide(
    Effect.flatMap(directory, (directory) => FileLog.make({ directory, ...options })),
    NodeFileSystem.layer
  )

conformance("file", opened({}), { runs: 30 })
conformance("file, segments of an event or two", opened({ segmentBytes: 300 }), { runs: 20 })
conformance("file, shared by a host", opened({ sharing: "host", segmentBytes: 1000 }), { runs: 10 })

const stream = { collection: "c", key: "k" }
const streamDirectory = "/data/log/c/k"

const makeDisk = () => CrashDisk.make({ directories: ["/data"], yields: false })

const openOn = (disk: CrashDisk.CrashDisk, options: Omit<FileLog.Options, "directory"> = {}) =>
  Effect.provideService(FileLog.make({ directory: "/data/log", ...options }), FileSystem.FileSystem, disk.fileSystem)

const append = (log: Log, n: number, id?: string, key = "k") =>
  log.append({
    collection: "c",
    key,
    events: [{ type: "Added", data: JSON.stringify({ n }) }],
    expected: "any",
    at: 10 * n,
    id
  })

const filesOf = (disk: CrashDisk.CrashDisk, ending: string) =>
  [...disk.tree.keys()].filter((path) => path.startsWith(`${streamDirectory}/`) && path.endsWith(ending))

it.effect("an id is known after a restart, whatever became of the files that hold ids", () =>
  Effect.gen(function* () {
    const disk = makeDisk()
    const options = { segmentBytes: 700 }
    const count = 60
    yield* Effect.scoped(
      Effect.gen(function* () {
        const log = yield* openOn(disk, options)
        for (let n = 1; n <= count; n++) yield* append(log, n, `id ${n}`)
      })
    )
    const written = filesOf(disk, ".ids")
    expect(written.length).toBeGreaterThan(5)
    const everyIdIsKnown = Effect.scoped(
      Effect.gen(function* () {
        const log = yield* openOn(disk, options)
        for (let n = 1; n <= count; n++)
          expect(yield* append(log, 0, `id ${n}`)).toEqual({ first: n, last: n, wasKnown: true })
        expect(yield* log.bounds(stream)).toEqual({ compacted: 0, last: count })
      })
    )
    yield* everyIdIsKnown
    for (const path of written) yield* disk.fileSystem.remove(path)
    yield* everyIdIsKnown
    expect(filesOf(disk, ".ids")).toEqual(written)
    for (const [i, path] of written.entries()) {
      const bytes = Uint8Array.from(disk.tree.get(path) ?? [])
      if (i % 2 === 0) bytes[bytes.length - 1 - i] = (bytes[bytes.length - 1 - i] ?? 0) ^ 1
      yield* disk.fileSystem.writeFile(path, i % 2 === 0 ? bytes : bytes.slice(0, -1))
    }
    yield* everyIdIsKnown
  })
)

it.effect("each line of a segment is JSON that says what happened", () =>
  Effect.gen(function* () {
    const disk = makeDisk()
    yield* Effect.scoped(
      Effect.gen(function* () {
        const log = yield* openOn(disk)
        yield* append(log, 1)
        yield* append(log, 2, "twice")
      })
    )
    const [path = ""] = filesOf(disk, ".jsonl")
    expect(path).toBe(`${streamDirectory}/0000000000000001.jsonl`)
    const lines = Buffer.from(disk.tree.get(path) ?? [])
      .toString()
      .split("\n")
    expect(lines.pop()).toBe("")
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { dgents: "stream", format: 1, collection: "c", key: "k", first: 1 },
      { position: 1, at: 10, type: "Added", data: { n: 1 } },
      { position: 2, at: 20, id: "twice", type: "Added", data: { n: 2 } }
    ])
  })
)

it.effect("positions and times are found in whatever segment they are, and however long their lines are", () =>
  Effect.gen(function* () {
    const disk = makeDisk()
    const count = 3_000
    yield* Effect.scoped(
      Effect.gen(function* () {
        const log = yield* openOn(disk, { segmentBytes: 50_000 })
        for (let n = 1; n <= count; n += 10) {
          const events = Array.from({ length: 10 }, (_, i) => {
            // Some are longer than what is read at a time.
            const text = "é".repeat((n + i) % 701 === 0 ? 100_000 : (n + i) % 40)
            return { type: "Added", data: JSON.stringify({ n: n + i, text }) }
          })
          yield* log.append({ ...stream, events, expected: "any", at: n, id: undefined })
        }
      })
    )
    expect(filesOf(disk, ".jsonl").length).toBeGreaterThan(5)
    const log = yield* openOn(disk)
    const check = Effect.fnUntraced(function* (compacted: number) {
      for (let n = 1; n <= count; n += 37) {
        const from = Math.max(n, compacted + 1)
        const found = yield* log.read(stream, { after: n - 1, limit: 3 })
        const numbers = found.map(({ data, position }) => [position, JSON.parse(data).n])
        expect(numbers).toEqual([from, from + 1, from + 2].filter((n) => n <= count).map((n) => [n, n]))
        const ofTen = Math.floor((n - 1) / 10) * 10 + 10
        if (ofTen > compacted) expect(yield* log.positionAt(stream, n)).toBe(ofTen)
      }
      expect(yield* log.positionAt(stream, 1_000_000)).toBe(count)
    })
    yield* check(0)
    yield* log.compact(stream, 1_234)
    yield* check(1_234)
    expect(yield* log.bounds(stream)).toEqual({ compacted: 1_234, last: count })
    expect(filesOf(disk, ".start.jsonl")).toEqual([`${streamDirectory}/0000000000001235.start.jsonl`])
    // What is compacted is gone, not hidden.
    for (const bytes of disk.tree.values()) expect(Buffer.from(bytes ?? []).includes('{"n":1234,')).toBe(false)
  })
)

it.effect("an event that would not come back as it was is refused, and those that come with it are not", () =>
  Effect.gen(function* () {
    const log = yield* openOn(makeDisk())
    const datas = ['{"n":1}', '{"n":\n2}', '"\ud800"', '{"n":4}']
    const exits = yield* Effect.forEach(
      datas,
      (data) =>
        Effect.exit(
          log.append({ ...stream, events: [{ type: "Added", data }], expected: "any", at: 0, id: undefined })
        ),
      { concurrency: "unbounded" }
    )
    expect(exits.map(Exit.isSuccess)).toEqual([true, false, false, true])
    for (const exit of exits)
      if (Exit.isFailure(exit)) expect(Cause.squash(exit.cause)).toMatchObject({ _tag: "Invalid" })
    const read = yield* log.read(stream, { after: 0, limit: 10 })
    expect(read.map(({ data }) => data)).toEqual(['{"n":1}', '{"n":4}'])
  })
)

it.effect("two openings in one process are one log, and each ends alone", () =>
  Effect.gen(function* () {
    const disk = makeDisk()
    const first = yield* openOn(disk)
    let told = 0
    yield* first.watch(stream, () => {
      told++
    })
    const second = yield* Effect.scoped(
      Effect.gen(function* () {
        const second = yield* openOn(disk)
        yield* append(second, 1)
        expect(yield* first.bounds(stream)).toEqual({ compacted: 0, last: 1 })
        expect(told).toBeGreaterThan(0)
        expect(yield* Effect.flip(openOn(disk, { sharing: "host" }))).toMatchObject({ _tag: "StorageUnavailable" })
        return second
      })
    )
    expect(yield* Effect.flip(second.bounds(stream))).toEqual({ _tag: "Closed" })
    expect((yield* append(first, 2)).first).toBe(2)
  }).pipe(Effect.scoped)
)

it.effect("any number of streams may be used, of which a limited number is open", () =>
  Effect.gen(function* () {
    const disk = makeDisk()
    yield* Effect.scoped(
      Effect.gen(function* () {
        const log = yield* openOn(disk)
        for (let round = 1; round <= 2; round++)
          for (let n = 0; n < 300; n++) {
            expect((yield* append(log, n, undefined, `key ${n}`)).first).toBe(round)
            expect(disk.openHandles).toBeLessThan(270)
          }
      })
    )
    expect(disk.openHandles).toBe(0)
  })
)

it.effect("an option that is none is refused when the log is opened", () =>
  Effect.gen(function* () {
    const wrong: ReadonlyArray<object> = [
      { directory: "" },
      { directory: "/data/log", sharing: "all" },
      { directory: "/data/log", segmentBytes: 0 }
    ]
    for (const options of wrong) {
      // Sound: it is refused, which is what is tested.
      const made = FileLog.make(options as FileLog.Options)
      const opened = Effect.scoped(Effect.provideService(made, FileSystem.FileSystem, makeDisk().fileSystem))
      expect(yield* Effect.flip(opened)).toMatchObject({ _tag: "StorageUnavailable", operation: "open" })
    }
  })
)

it.effect("who is refused a directory holds nothing that others would wait for", () =>
  Effect.gen(function* () {
    const disk = makeDisk()
    const of = (fs: FileSystem.FileSystem, sharing: "process" | "host") =>
      Effect.provideService(FileLog.make({ directory: "/data/log", sharing }), FileSystem.FileSystem, fs)
    const shared = yield* of(disk.fileSystem, "host")
    // In the scope of this test, which stays open.
    expect(yield* Effect.flip(of(disk.process(), "process"))).toMatchObject({
      _tag: "StorageUnavailable",
      reason: expect.stringContaining('has it open with sharing: "host"')
    })
    const other = yield* of(disk.process(), "host")
    yield* append(other, 1)
    expect(yield* shared.bounds(stream)).toEqual({ compacted: 0, last: 1 })
  }).pipe(Effect.scoped)
)

it.effect("events that were there and are gone are told of, and no position is given out again", () =>
  Effect.gen(function* () {
    const disk = makeDisk()
    const log = yield* openOn(disk, { sharing: "host" })
    yield* append(log, 1)
    const [path = ""] = filesOf(disk, ".jsonl")
    const size = disk.tree.get(path)?.length ?? 0
    yield* append(log, 2)
    yield* disk.fileSystem.truncate(path, size)
    for (let times = 0; times < 2; times++) {
      expect(yield* Effect.flip(log.bounds(stream))).toMatchObject({ _tag: "Corrupt" })
      expect(yield* Effect.flip(append(log, 2))).toMatchObject({ _tag: "Corrupt" })
    }
    yield* disk.fileSystem.remove(streamDirectory, { recursive: true })
    expect(yield* Effect.flip(append(log, 2))).toMatchObject({ _tag: "Corrupt" })
  }).pipe(Effect.scoped)
)
