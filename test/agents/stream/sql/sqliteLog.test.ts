// What is not the same on every log: the file, its processes and its thread.
import { fileURLToPath } from "node:url"
import { expect, it } from "@effect/vitest"
import Database from "better-sqlite3"
import { SqlAgent, SqlDriver } from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import { Effect, Exit, Fiber, Schema } from "effect"
import { run, start } from "../../sql/children/run.ts"
import * as MapEngine from "../../sql/MapEngine.ts"
import { tempFile } from "../../sql/temp.ts"
import { added, all, id, noticed, on, openFile } from "./logs.ts"

const child = (name: string) => fileURLToPath(new URL(`children/${name}`, import.meta.url))

it.live("events are there again when the file is opened again, with their times, types and ids", () =>
  Effect.gen(function* () {
    const file = yield* tempFile
    const before = yield* Effect.scoped(
      Effect.gen(function* () {
        const log = yield* openFile(file)
        yield* log.append(added([1, 2], { at: 5.5, id: "x" }))
        yield* log.append(added([3], { at: 4 }))
        yield* log.compact(id, 1)
        return yield* all(log)
      })
    )
    expect(before.map(({ at, position }) => [position, at])).toEqual([
      [2, 5.5],
      [3, 5.5]
    ])
    const log = yield* openFile(file)
    expect(yield* all(log)).toEqual(before)
    expect(yield* log.bounds(id)).toEqual({ compacted: 1, last: 3 })
    expect(yield* log.append(added([9], { id: "x" }))).toEqual({ first: 1, last: 2, wasKnown: true })
    expect(log.claims).toEqual({ durability: "power", consistency: "linearizable", sharing: "host" })
  })
)

it.live("appends and saves that come together are one commit, and one that conflicts takes nobody with it", () =>
  Effect.gen(function* () {
    const driver = yield* SqliteDriver.make({ filename: yield* tempFile })
    const log = yield* on(driver)
    const states = yield* Effect.provideService(
      SqlAgent.family({ name: "numbers", schema: Schema.Number }),
      SqlDriver,
      driver
    )
    const keys = Array.from({ length: 20 }, (_, n) => n)
    const saveOrAppend = (n: number): Effect.Effect<unknown, unknown> =>
      n % 2 === 0
        ? states.at(`${n}`).save(n)
        : log.append(added([n], { key: `${n}`, expected: n % 5 === 0 ? 7 : "any" }))
    const exits = yield* Effect.forEach(keys, (n) => Effect.exit(saveOrAppend(n)), { concurrency: "unbounded" })
    // The first one may not have waited for company.
    expect((yield* driver.figures).largestCommit).toBeGreaterThanOrEqual(19)
    expect(exits.map(Exit.isSuccess)).toEqual(keys.map((n) => n % 2 === 0 || n % 5 !== 0))
    expect((yield* states.loadMany(keys.map(String))).size).toBe(10)
    expect(yield* log.keys(id.collection, { prefix: "", after: undefined, limit: 99 })).toEqual([
      "1",
      "11",
      "13",
      "17",
      "19",
      "3",
      "7",
      "9"
    ])
  })
)

it.live("what would block the program is appended by the thread, and noticed by who watches", () =>
  Effect.gen(function* () {
    const driver = yield* SqliteDriver.make({ filename: yield* tempFile })
    const log = yield* on(driver)
    const seen = yield* Effect.forkScoped(
      noticed(
        log,
        Effect.map(log.bounds(id), ({ last }) => last === 20_000)
      )
    )
    const many = added(Array.from({ length: 20_000 }, (_, n) => n))
    expect(yield* log.append(many)).toEqual({ first: 1, last: 20_000, wasKnown: false })
    expect((yield* driver.figures).commitsInWorker).toBe(1)
    yield* Fiber.join(seen)
    expect((yield* all(log)).map(({ data }) => data)).toEqual(many.events.map(({ data }) => data))
    const before = yield* driver.figures
    yield* log.compact(id, 19_999)
    expect(yield* log.bounds(id)).toEqual({ compacted: 19_999, last: 20_000 })
    expect((yield* all(log)).map(({ position }) => position)).toEqual([20_000])
    // In pieces, so that others get in between.
    expect((yield* driver.figures).writes).toBeGreaterThan(before.writes + 5)
  })
)

it.live("compactions that meet come to the highest position of all, and stay there", () =>
  Effect.gen(function* () {
    const log = yield* openFile(yield* tempFile)
    yield* log.append(added([1, 2, 3, 4, 5, 6]))
    yield* Effect.forEach([4, 5, 3, 2], (upTo) => log.compact(id, upTo), { concurrency: "unbounded" })
    expect(yield* log.bounds(id)).toEqual({ compacted: 5, last: 6 })
    expect(yield* all(log)).toHaveLength(1)
  })
)

it.live("processes that append to one file get each position once, and none of their pairs is torn", () =>
  Effect.gen(function* () {
    const file = yield* tempFile
    const names = ["x", "y", "z"]
    const log = yield* openFile(file)
    const seen = yield* Effect.forkScoped(
      noticed(
        log,
        Effect.map(log.bounds(id), ({ last }) => last === 240)
      )
    )
    const ends = yield* Effect.forEach(names, (name) => run(child("append.ts"), [file, "40", name]), {
      concurrency: 3
    })
    expect(ends.map(({ code, err }) => [code, err])).toEqual(names.map(() => [0, ""]))
    yield* Fiber.join(seen)
    const events = yield* all(log)
    expect(events.map(({ position }) => position)).toEqual(Array.from({ length: 240 }, (_, i) => i + 1))
    const data = events.map(({ data }): string => JSON.parse(data))
    for (let i = 0; i < data.length; i += 2) expect(data[i + 1]).toBe(data[i]?.replace(/a$/, "b"))
    for (const name of names)
      expect(data.filter((text) => text.startsWith(name))).toEqual(
        Array.from({ length: 40 }, (_, n) => [`${name} ${n} a`, `${name} ${n} b`]).flat()
      )
    const times = events.map(({ at }) => at)
    expect(times).toEqual(times.toSorted((a, b) => a - b))
    // What a process did under an id is known to all of them.
    const again = yield* run(child("append.ts"), [file, "40", "y"])
    expect(again).toMatchObject({ code: 0, err: "" })
    expect(yield* log.bounds(id)).toEqual({ compacted: 0, last: 240 })
  })
)

it.live("one who is killed while appending leaves all that it acknowledged, and at most one more", () =>
  Effect.gen(function* () {
    for (const lines of [1, 7, 40]) {
      const file = yield* tempFile
      const { child: killed, ended } = start(child("appendForever.ts"), [file])
      let printed = 0
      killed.stdout.on("data", (chunk) => {
        printed += String(chunk).split("\n").length - 1
        if (printed >= lines) killed.kill("SIGKILL")
      })
      const { out } = yield* Effect.promise(() => ended)
      const acknowledged = Number(out.trimEnd().split("\n").at(-1))
      expect(acknowledged).toBeGreaterThanOrEqual(lines)
      const events = yield* Effect.scoped(Effect.flatMap(openFile(file), (log) => all(log)))
      expect([acknowledged, acknowledged + 1]).toContain(events.length)
      expect(events.map(({ data, position }) => [position, data])).toEqual(events.map((_, i) => [i + 1, String(i + 1)]))
    }
  })
)

it.live("an event that somebody removed by hand is corruption, which says where", () =>
  Effect.gen(function* () {
    const file = yield* tempFile
    const log = yield* openFile(file)
    yield* log.append(added([1, 2, 3], { at: 1 }))
    yield* log.append(added([4, 5], { at: 9 }))
    const db = new Database(file)
    db.exec("DELETE FROM dgents_event WHERE position = 3")
    db.close()
    const corrupt = { _tag: "Corrupt", location: expect.stringContaining("position 3") }
    expect(yield* log.read(id, { after: 0, limit: 2 })).toHaveLength(2)
    expect(yield* Effect.flip(log.read(id, { after: 0, limit: 3 }))).toMatchObject(corrupt)
    expect(yield* Effect.flip(log.read(id, { after: 2, limit: 1 }))).toMatchObject(corrupt)
    expect(yield* Effect.flip(log.positionAt(id, 5))).toMatchObject(corrupt)
    yield* log.compact(id, 3)
    expect(yield* log.read(id, { after: 0, limit: 9 })).toHaveLength(2)
  })
)

it.live("a file that is open for reading alone refuses appends, and reads", () =>
  Effect.gen(function* () {
    const file = yield* tempFile
    yield* Effect.scoped(Effect.flatMap(openFile(file), (log) => log.append(added([1]))))
    const log = yield* Effect.flatMap(SqliteDriver.make({ filename: file, readonly: true }), on)
    expect(yield* Effect.flip(log.append(added([2])))).toMatchObject({ _tag: "Unavailable", retryable: false })
    expect(yield* all(log)).toHaveLength(1)
  })
)

it.live("what is no text is refused, and its neighbours are not", () =>
  Effect.gen(function* () {
    const log = yield* openFile(":memory:")
    const refused = [
      added([1], { id: "\ud800" }),
      added([1], { events: [{ type: "\udc00", data: "1" }] }),
      added([1], { events: [{ type: "T", data: '"\ud800"' }] })
    ]
    const exits = yield* Effect.forEach([...refused, added([2])], (one) => Effect.exit(log.append(one)), {
      concurrency: "unbounded"
    })
    expect(exits.map(Exit.isSuccess)).toEqual([false, false, false, true])
    expect(yield* Effect.forEach(refused, (one) => Effect.flip(log.append(one)))).toEqual(
      refused.map(() => ({ _tag: "Invalid", reason: expect.stringContaining("lone surrogate") }))
    )
    expect(yield* all(log)).toHaveLength(1)
  })
)

it.live("who is interrupted while appending has appended, and who watches is told", () =>
  Effect.gen(function* () {
    const log = yield* openFile(yield* tempFile)
    const seen = yield* Effect.forkScoped(
      noticed(
        log,
        Effect.map(log.bounds(id), ({ last }) => last === 1)
      )
    )
    yield* Effect.yieldNow
    // Two, so that they wait for their group.
    const fibers = yield* Effect.forEach([0, 1], (n) => Effect.forkChild(log.append(added([n], { expected: 0 }))))
    yield* Effect.yieldNow
    yield* Effect.forEach(fibers, Fiber.interrupt)
    yield* Fiber.join(seen)
  })
)

it.live("logs of one driver hear of each other's appends, and one that is closed leaves the other open", () =>
  Effect.gen(function* () {
    const driver = yield* SqliteDriver.make({ filename: ":memory:" })
    const log = yield* on(driver)
    const seen = yield* Effect.forkScoped(
      noticed(
        log,
        Effect.map(log.bounds(id), ({ last }) => last === 1)
      )
    )
    const closed = yield* Effect.scoped(Effect.tap(on(driver), (other) => other.append(added([1]))))
    yield* Fiber.join(seen)
    expect(yield* Effect.flip(closed.bounds(id))).toEqual({ _tag: "Closed" })
    expect(yield* log.bounds(id)).toEqual({ compacted: 0, last: 1 })
  })
)

it.effect("a driver that keeps no events says so, and what to do", () =>
  Effect.gen(function* () {
    const driver = SqlDriver.fromEngine(MapEngine.make(new MapEngine.Rows()))
    expect(yield* Effect.flip(on(driver))).toMatchObject({
      _tag: "StorageUnavailable",
      retryable: false,
      reason: expect.stringContaining("SqliteDriver")
    })
  })
)
