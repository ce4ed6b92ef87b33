// What happens when another connection, such as that of another process, has the lock, and that its commits are seen.
import { expect, it } from "@effect/vitest"
import Database from "better-sqlite3"
import { Revision, SqlAgent, SqlDriver } from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import { Effect, Fiber, Option, Schema, Stream } from "effect"
import { tempFile } from "../temp.ts"

const Counter = Schema.Struct({ n: Schema.Number })
const counter = (filename: string, options?: Omit<SqliteDriver.Options, "filename">) =>
  Effect.flatMap(SqliteDriver.make({ filename, ...options }), (driver) =>
    Effect.provideService(
      SqlAgent.make({ name: "counter", schema: Counter, initial: { n: 0 }, history: "full" }),
      SqlDriver,
      driver
    )
  )

/** Another connection that has the lock, until the scope closes or it is let go. */
const locked = (file: string, begin: string) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const db = new Database(file)
      db.exec(begin)
      return db
    }),
    (db) => Effect.sync(() => db.close())
  )

/** How often others got to run while something was waited for. */
const turnsDuring = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    let turns = 0
    const turning = yield* Effect.forkChild(
      Effect.forever(
        Effect.andThen(
          Effect.sleep("1 millis"),
          Effect.sync(() => turns++)
        )
      )
    )
    const answer = yield* effect
    yield* Fiber.interrupt(turning)
    return { answer, turns }
  })

it.live("a save waits for the lock of another connection while others run and load, and then succeeds", () =>
  Effect.gen(function* () {
    const file = yield* tempFile
    const agent = yield* counter(file)
    yield* agent.save({ n: 1 })
    const other = yield* locked(file, "BEGIN IMMEDIATE")
    const saving = yield* Effect.forkChild(agent.save({ n: 2 }))
    const { turns } = yield* turnsDuring(Effect.sleep("100 millis"))
    expect(turns).toBeGreaterThan(5)
    expect(yield* agent.load).toEqual({ n: 1 })
    expect(saving.pollUnsafe()).toBe(undefined)
    other.exec("COMMIT")
    yield* Fiber.join(saving)
    expect(yield* agent.load).toEqual({ n: 2 })
  })
)

it.live("after busyTimeout it is a typed failure that can be retried, and nothing was done", () =>
  Effect.gen(function* () {
    const file = yield* tempFile
    const agent = yield* counter(file, { busyTimeout: "60 millis" })
    const other = yield* locked(file, "BEGIN IMMEDIATE")
    const { answer, turns } = yield* turnsDuring(
      Effect.forEach([1, 2, 3], (n) => Effect.flip(agent.save({ n })), { concurrency: "unbounded" })
    )
    for (const error of answer) {
      expect(error).toMatchObject({ _tag: "StorageUnavailable", retryable: true })
      expect(error.message).toContain("busyTimeout")
    }
    expect(turns).toBeGreaterThan(3)
    other.exec("COMMIT")
    yield* agent.save({ n: 4 })
    expect(Option.getOrThrow(yield* agent.current)).toMatchObject({ revision: 1, state: { n: 4 } })
  })
)

it.live("a large save, which the worker makes, waits and fails in the same way", () =>
  Effect.gen(function* () {
    const file = yield* tempFile
    const driver = yield* SqliteDriver.make({ filename: file, busyTimeout: "1 second" })
    const agent = yield* Effect.provideService(
      SqlAgent.make({ name: "text", schema: Schema.String }),
      SqlDriver,
      driver
    )
    const other = yield* locked(file, "BEGIN IMMEDIATE")
    const { answer, turns } = yield* turnsDuring(Effect.flip(agent.save("x".repeat(8_000_000))))
    expect(answer).toMatchObject({ _tag: "StorageUnavailable", retryable: true })
    expect(turns).toBeGreaterThan(3)
    const saving = yield* Effect.forkChild(agent.save("y".repeat(8_000_000)))
    // Longer than it takes to encode it and to ask the worker.
    yield* Effect.sleep("300 millis")
    other.exec("COMMIT")
    yield* Fiber.join(saving)
    expect((yield* driver.figures).commitsInWorker).toBe(1)
    expect((yield* agent.load).slice(0, 1)).toBe("y")
  })
)

it.live("a database that is locked whole is waited for when it is opened, without blocking", () =>
  Effect.gen(function* () {
    const file = yield* tempFile
    yield* Effect.scoped(Effect.flatMap(counter(file), (agent) => agent.save({ n: 1 })))
    const owner = yield* locked(file, "PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE; COMMIT")
    const { answer, turns } = yield* turnsDuring(Effect.flip(counter(file, { busyTimeout: "60 millis" })))
    expect(answer).toMatchObject({ _tag: "StorageUnavailable", operation: "open", retryable: true })
    expect(turns).toBeGreaterThan(3)
    const waiting = yield* Effect.forkChild(Effect.flatMap(counter(file), (agent) => agent.load))
    yield* Effect.sleep("30 millis")
    owner.close()
    expect(yield* Fiber.join(waiting)).toEqual({ n: 1 })
  })
)

it.live("changes tell of the commits of other connections, each once, in order, deletes included", () =>
  Effect.gen(function* () {
    const file = yield* tempFile
    const [one, two] = [yield* counter(file), yield* counter(file)]
    yield* one.save({ n: 1 })
    const seen: Array<unknown> = []
    const watching = yield* Effect.forkChild(
      Stream.runForEach(Stream.take(two.changes, 6), (change) =>
        Effect.sync(() => seen.push(change._tag === "Saved" ? [change.revision, change.state.n] : [change.revision]))
      )
    )
    const until = (length: number) =>
      Effect.gen(function* () {
        while (seen.length < length) yield* Effect.sleep("1 millis")
      })
    yield* until(1)
    yield* one.save({ n: 2 })
    yield* one.save({ n: 3 })
    yield* until(3)
    yield* two.save({ n: 4 })
    yield* one.delete
    yield* until(5)
    expect(yield* one.compareAndSave({ n: 5 }, Revision.absent)).toBe(5)
    yield* Fiber.join(watching)
    expect(seen).toEqual([[1, 1], [2, 2], [3, 3], [4, 4], [4], [5, 5]])
  })
)
