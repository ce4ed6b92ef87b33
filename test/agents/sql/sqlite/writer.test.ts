// Group commit, and the thread that takes over what would block: what is promised of writes, whoever commits them.
import { once } from "node:events"
import { readFileSync, renameSync, statSync } from "node:fs"
import type { Worker } from "node:worker_threads"
import { expect, it } from "@effect/vitest"
import Database from "better-sqlite3"
import { type DataAgent, Revision, SqlAgent, SqlDriver } from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import { Effect, Exit, Fiber, Option, Schema, Stream } from "effect"
import { run } from "../children/run.ts"
import { tempFile } from "../temp.ts"

const Text = Schema.Struct({ s: Schema.String })
const texts = (driver: SqliteDriver.SqliteDriverService) =>
  Effect.provideService(SqlAgent.family({ name: "texts", schema: Text, history: "full" }), SqlDriver, driver)

/** So large that one commit of some of them is foreseen to block for long. */
const large = (letter: string) => ({ s: letter.repeat(1_000_000) })

/** The workers that are started while the scope is open. */
const workers = Effect.acquireRelease(
  Effect.sync(() => {
    const found: Array<Worker> = []
    const listener = (worker: Worker) => found.push(worker)
    process.on("worker", listener)
    return { found, listener }
  }),
  ({ listener }) => Effect.sync(() => process.off("worker", listener))
).pipe(Effect.map(({ found }) => found))

/** 1 500 saves, one after the other. */
const saveOn = (agent: DataAgent.DataAgent<typeof Text.Type>) =>
  Effect.forEach(
    Array.from({ length: 1_500 }, (_, n) => `${n}`),
    (s) => agent.save({ s }),
    { discard: true }
  )

const saveTogether = <A>(items: ReadonlyArray<A>, save: (item: A) => Effect.Effect<unknown, unknown>) =>
  Effect.forEach(items, (item) => Effect.exit(save(item)), { concurrency: "unbounded" })

it.live("saves that come together share a commit, each with its own revision", () =>
  Effect.gen(function* () {
    const driver = yield* SqliteDriver.make({ filename: yield* tempFile })
    const family = yield* texts(driver)
    const keys = Array.from({ length: 64 }, (_, n) => `k${n}`)
    const before = yield* driver.figures
    for (const revision of [1, 2, 3]) {
      const saved = yield* saveTogether(keys, (key) =>
        family.at(key).compareAndSave({ s: key }, Revision.make(revision - 1))
      )
      expect(saved).toEqual(keys.map(() => Exit.succeed(revision)))
    }
    const after = yield* driver.figures
    expect(after.writes - before.writes).toBe(3 * 64)
    expect(after.largestCommit).toBeGreaterThanOrEqual(32)
    expect(after.commitsHere + after.commitsInWorker).toBeLessThan(3 * 8)
    expect(yield* family.loadMany(keys)).toEqual(new Map(keys.map((key) => [key, { s: key }])))
  })
)

it.live(
  "one fiber that saves on and on lets the event loop turn, and who comes together after it shares a commit again",
  () =>
    Effect.gen(function* () {
      const driver = yield* SqliteDriver.make({ filename: yield* tempFile })
      const family = yield* texts(driver)
      let turns = 0
      const timer = setInterval(() => turns++, 1)
      for (let n = 0; n < 300; n++) yield* family.at("one").save({ s: `${n}` })
      clearInterval(timer)
      expect(turns).toBeGreaterThan(3)
      const before = yield* driver.figures
      expect(before.commitsHere + before.commitsInWorker).toBe(300)
      expect(before.largestCommit).toBe(1)
      yield* saveTogether(
        Array.from({ length: 64 }, (_, n) => `k${n}`),
        (key) => family.at(key).save({ s: key })
      )
      const after = yield* driver.figures
      expect(after.commitsHere + after.commitsInWorker - 300).toBeLessThan(4)
      expect(after.largestCommit).toBeGreaterThanOrEqual(32)
    })
)

it.live("a write that fails fails alone: its neighbours in the commit succeed", () =>
  Effect.gen(function* () {
    const file = yield* tempFile
    const driver = yield* SqliteDriver.make({ filename: file })
    const family = yield* texts(driver)
    yield* family.at("conflict").save({ s: "there" })
    const other = new Database(file)
    other.exec(
      `CREATE TRIGGER no AFTER INSERT ON dgents_state WHEN new.key LIKE 'bad%' BEGIN SELECT RAISE(ABORT, 'no'); END;
       CREATE TRIGGER all_of_it AFTER INSERT ON dgents_state WHEN new.key = 'rollback' BEGIN SELECT RAISE(ROLLBACK, 'no'); END`
    )
    for (const worst of ["bad0", "rollback"]) {
      const keys = ["a", "bad1", "b", "conflict", worst, "c", "bad2", "d"]
      const good = (key: string) => ["a", "b", "c", "d"].includes(key)
      const [saved, batch] = yield* Effect.all(
        [
          saveTogether(keys, (key) => family.at(key).compareAndSave({ s: "new" }, Revision.absent)),
          Effect.flip(
            family.saveMany([
              ["half", { s: "new" }],
              ["bad", { s: "new" }]
            ])
          )
        ],
        { concurrency: "unbounded" }
      )
      // Nothing of it, as the list of keys below says.
      expect(batch).toMatchObject({ _tag: "StorageUnavailable", retryable: false })
      for (const [i, key] of keys.entries()) {
        const exit = saved[i] ?? Exit.void
        if (good(key)) expect(exit).toMatchObject({ _tag: "Success" })
        else
          expect(yield* Effect.flip(exit)).toMatchObject(
            key === "conflict"
              ? { _tag: "RevisionConflict", actual: 1 }
              : { _tag: "StorageUnavailable", retryable: false }
          )
      }
      expect(yield* Stream.runCollect(family.keys())).toEqual(["a", "b", "c", "conflict", "d"])
      expect((yield* Stream.runCollect(family.at("conflict").history())).length).toBe(1)
      yield* family.deleteMany(["a", "b", "c", "d"])
      other.exec("DELETE FROM dgents_floor")
    }
    other.close()
  })
)

it.live("of writers of one key in one commit each sees the one before it", () =>
  Effect.gen(function* () {
    const driver = yield* SqliteDriver.make({ filename: yield* tempFile })
    const put = (expected: number | "any", s: string) =>
      driver.engine.write([
        {
          _tag: "Put",
          collection: "c",
          key: "k",
          state: s,
          savedAt: 1,
          expected,
          keep: { count: Number.POSITIVE_INFINITY, from: Number.NEGATIVE_INFINITY },
          patch: undefined
        }
      ])
    const answers = yield* Effect.forEach(
      [put(0, "1"), put(0, "x"), put(1, "2"), put("any", "3"), put(2, "x"), put(3, "4")],
      (write) => Effect.result(write),
      { concurrency: "unbounded" }
    )
    expect(answers.map((answer) => (answer._tag === "Success" ? answer.success : answer.failure))).toEqual([
      [1],
      { _tag: "Conflict", actual: 1 },
      [2],
      [3],
      { _tag: "Conflict", actual: 3 },
      [4]
    ])
    const history = yield* driver.engine.history({ collection: "c", key: "k" }, 99, 99)
    expect(history.map(({ state }) => state)).toEqual(["4", "3", "2", "1"])
  })
)

it.live("what others wrote or deleted in between is found, whatever revision was known here", () =>
  Effect.gen(function* () {
    const file = yield* tempFile
    for (const history of ["none", "full"] as const) {
      const open = Effect.gen(function* () {
        const driver = yield* SqliteDriver.make({ filename: file })
        return yield* Effect.provideService(SqlAgent.make({ name: history, schema: Text, history }), SqlDriver, driver)
      })
      const [here, there] = [yield* open, yield* open]
      const revision = Effect.map(
        there.current,
        Option.map(({ revision, state }) => [revision, state.s])
      )
      yield* here.save({ s: "1" })
      yield* there.save({ s: "2" })
      yield* here.save({ s: "3" })
      expect(yield* revision).toEqual(Option.some([3, "3"]))
      yield* there.delete
      yield* here.save({ s: "4" })
      expect(yield* revision).toEqual(Option.some([4, "4"]))
      yield* there.delete
      yield* there.save({ s: "5" })
      expect(yield* Effect.flip(here.compareAndSave({ s: "no" }, Revision.make(4)))).toMatchObject({ actual: 5 })
      expect(yield* here.compareAndSave({ s: "6" }, Revision.make(5))).toBe(6)
      yield* there.delete
      expect(yield* Effect.flip(here.compareAndSave({ s: "no" }, Revision.make(6)))).toMatchObject({ actual: 0 })
      expect(yield* revision).toEqual(Option.none())
    }
  })
)

it.live("what would block goes to a worker, with the same answers and the same order", () =>
  Effect.gen(function* () {
    const started = yield* workers
    const file = yield* tempFile
    const driver = yield* SqliteDriver.make({ filename: file })
    const family = yield* texts(driver)
    const letters = [..."abcdefgh"]
    for (const revision of [1, 2, 3]) {
      const saved = yield* saveTogether([...letters, "a"], (letter) =>
        family.at(letter).compareAndSave(large(letter), Revision.make(revision - 1))
      )
      expect(saved.slice(0, -1)).toEqual(letters.map(() => Exit.succeed(revision)))
      expect(yield* Effect.flip(saved.at(-1) ?? Exit.void)).toMatchObject({
        _tag: "RevisionConflict",
        actual: revision
      })
    }
    expect(started.length).toBe(1)
    expect((yield* driver.figures).commitsInWorker).toBeGreaterThan(0)
    for (const letter of letters) {
      expect(yield* family.at(letter).load).toEqual(large(letter))
      expect((yield* Stream.runCollect(family.at(letter).history())).map((entry) => entry.revision)).toEqual([3, 2, 1])
    }
  })
)

it.live("large saves that come together are in the worker while the rest of them is still encoded", () =>
  Effect.gen(function* () {
    const driver = yield* SqliteDriver.make({ filename: yield* tempFile })
    const family = yield* texts(driver)
    // The worker is there.
    yield* driver.integrity
    const letters = [..."abcdefgh"]
    const before = yield* driver.figures
    yield* saveTogether(letters, (letter) => family.at(letter).save(large(letter)))
    const after = yield* driver.figures
    // Each of a megabyte went by itself, as far as the worker takes them; together they would be three commits.
    expect(after.commitsInWorker - before.commitsInWorker).toBeGreaterThan(4)
    expect(after.writes - before.writes).toBe(letters.length)
    expect(yield* family.loadMany(letters)).toEqual(new Map(letters.map((letter) => [letter, large(letter)])))
  })
)

it.live("bytes that are a view of more go to the worker as they are", () =>
  Effect.gen(function* () {
    const driver = yield* SqliteDriver.make({ filename: yield* tempFile })
    const all = new Uint8Array(6_000_000).map((_, i) => i % 251)
    const views = [all.subarray(1_000_000, 4_000_000), all.subarray(2_000_000, 5_000_000)]
    yield* Effect.forEach(
      views,
      (state, i) =>
        driver.engine.write([
          {
            _tag: "Put",
            collection: "c",
            key: String(i),
            state,
            savedAt: 1,
            expected: "any",
            keep: { count: 1, from: Number.NEGATIVE_INFINITY },
            patch: undefined
          }
        ]),
      { concurrency: "unbounded" }
    )
    expect((yield* driver.figures).commitsInWorker).toBeGreaterThan(0)
    for (const [i, view] of views.entries()) {
      const found = (yield* driver.engine.read({ collection: "c", key: String(i) }))?.state
      expect(found instanceof Uint8Array && Buffer.compare(found, view) === 0).toBe(true)
    }
  })
)

it.live("a worker that dies leaves writes indeterminate, all or nothing, and is replaced", () =>
  Effect.gen(function* () {
    const started = yield* workers
    const file = yield* tempFile
    const family = yield* texts(yield* SqliteDriver.make({ filename: file }))
    const letters = [..."abcdefgh"]
    yield* saveTogether(letters, (letter) => family.at(letter).save(large("1")))
    const first = started[0]
    if (first === undefined) throw new Error("no worker was started")
    // Waits for the lock when it dies, so that it is sure to have been asked, and not to have answered.
    const other = new Database(file)
    other.exec("BEGIN IMMEDIATE")
    const saving = yield* Effect.forkChild(saveTogether(letters, (letter) => family.at(letter).save(large("2"))))
    yield* Effect.sleep("50 millis")
    yield* Effect.promise(() => first.terminate())
    other.exec("COMMIT")
    other.close()
    const saved = yield* Fiber.join(saving)
    for (const [i, letter] of letters.entries()) {
      const exit = saved[i] ?? Exit.void
      const loaded = (yield* family.at(letter).load).s[0]
      if (Exit.isSuccess(exit)) expect(loaded).toBe("2")
      else {
        expect(yield* Effect.flip(exit)).toMatchObject({ _tag: "WriteIndeterminate" })
        expect(["1", "2"]).toContain(loaded)
      }
    }
    expect(saved.some(Exit.isFailure)).toBe(true)
    yield* saveTogether(letters, (letter) => family.at(letter).save(large("3")))
    expect(started.length).toBe(2)
    for (const letter of letters) expect((yield* family.at(letter).load).s[0]).toBe("3")
  })
)

it.live("where no worker can be started this thread does it all", () =>
  Effect.gen(function* () {
    const terminate = (worker: Worker) => void worker.terminate()
    yield* Effect.acquireRelease(
      Effect.sync(() => process.on("worker", terminate)),
      () => Effect.sync(() => process.off("worker", terminate))
    )
    const driver = yield* SqliteDriver.make({ filename: yield* tempFile })
    const family = yield* texts(driver)
    const letters = [..."abcdefgh"]
    for (const n of ["1", "2"]) {
      const saved = yield* saveTogether(letters, (letter) => family.at(letter).save(large(n)))
      expect(saved.every(Exit.isSuccess)).toBe(true)
    }
    for (const letter of letters) expect(yield* family.at(letter).load).toEqual(large("2"))
    expect(yield* driver.integrity).toEqual([])
    expect((yield* driver.figures).commitsInWorker).toBe(0)
  })
)

it.live("a worker does not write to another file that took the place of the database", () =>
  Effect.gen(function* () {
    const file = yield* tempFile
    yield* Effect.scoped(SqliteDriver.make({ filename: `${file}-other` }))
    const driver = yield* SqliteDriver.make({ filename: file })
    const family = yield* texts(driver)
    renameSync(file, `${file}-mine`)
    renameSync(`${file}-other`, file)
    const other = readFileSync(file)
    for (let i = 0; i < 20; i++) yield* family.at("small").save({ s: `${i}` })
    yield* saveTogether([..."abcdefgh"], (letter) => family.at(letter).save(large(letter)))
    expect((yield* driver.figures).commitsInWorker).toBe(0)
    expect(readFileSync(file).equals(other)).toBe(true)
  })
)

it.live("the log stays short however much is written, by either thread", () =>
  Effect.gen(function* () {
    const file = yield* tempFile
    const family = yield* texts(yield* SqliteDriver.make({ filename: file }))
    const size = () => statSync(`${file}-wal`).size
    for (let i = 0; i < 120; i++) yield* family.at("k").save({ s: String(i).repeat(70_000) })
    expect(size()).toBeLessThan(12_000_000)
    for (let i = 0; i < 6; i++)
      yield* saveTogether([..."abcdefgh"], (letter) => family.at(letter).save(large(String(i))))
    expect(size()).toBeLessThan(24_000_000)
  })
)

it.live("the log begins anew under a fiber that saves on and on, and under two connections that do", () =>
  Effect.gen(function* () {
    const file = yield* tempFile
    const open = SqliteDriver.make({ filename: file })
    const size = () => statSync(`${file}-wal`).size
    const [one, other] = [(yield* texts(yield* open)).at("one"), (yield* texts(yield* open)).at("other")]
    yield* saveOn(one)
    expect(size()).toBeLessThan(9_000_000)
    yield* Effect.all([saveOn(one), saveOn(other)], { concurrency: "unbounded" })
    expect(size()).toBeLessThan(16_000_000)
  })
)

it.live("a reader that stays makes the log longer, and nobody waits for it", () =>
  Effect.gen(function* () {
    const file = yield* tempFile
    const agent = (yield* texts(yield* SqliteDriver.make({ filename: file }))).at("k")
    const reader = new Database(file)
    const pages = () => reader.prepare("PRAGMA wal_checkpoint(NOOP)").raw().all().flat()[1]
    yield* agent.save({ s: "0" })
    reader.exec("BEGIN; SELECT * FROM dgents_state")
    yield* saveOn(agent)
    expect(reader.prepare("SELECT state FROM dgents_state").pluck().get()).toBe('{"s":"0"}')
    reader.exec("COMMIT")
    expect(pages()).toBeGreaterThan(3_000)
    yield* saveOn(agent)
    expect(pages()).toBeLessThan(3_000)
    reader.close()
  })
)

it.live("a scope that closes answers what was asked before it, and leaves one whole file", () =>
  Effect.gen(function* () {
    const file = yield* tempFile
    const letters = [..."abcdefgh"]
    const saving = yield* Effect.scoped(
      Effect.gen(function* () {
        const family = yield* texts(yield* SqliteDriver.make({ filename: file }))
        const saving = yield* Effect.forkDetach(
          saveTogether(letters, (letter) => family.at(letter).save(large(letter)))
        )
        yield* Effect.yieldNow
        return saving
      })
    )
    expect((yield* Fiber.join(saving)).every(Exit.isSuccess)).toBe(true)
    expect(statSync(`${file}-wal`, { throwIfNoEntry: false })).toBe(undefined)
    const db = new Database(file, { readonly: true })
    expect(db.prepare("SELECT key FROM dgents_state ORDER BY 1").pluck().all()).toEqual(letters)
    db.close()
  })
)

it.live("a program ends when it is done, and not before its saves are: the worker holds it no longer", () =>
  Effect.gen(function* () {
    const file = yield* tempFile
    const { code, err, out } = yield* run("leaveOpen.ts", [file])
    expect([code, err, out]).toEqual([0, "", "saved by 1 worker"])
  })
)

it.live("the worker ends with the driver", () =>
  Effect.gen(function* () {
    const started = yield* workers
    yield* Effect.scoped(
      Effect.gen(function* () {
        const driver = yield* SqliteDriver.make({ filename: yield* tempFile })
        expect(yield* driver.integrity).toEqual([])
      })
    )
    // Closed with the driver, and not left behind.
    const worker = started[0]
    if (worker === undefined) throw new Error("no worker was started")
    if (worker.threadId !== -1) yield* Effect.promise(() => once(worker, "exit"))
    expect(worker.threadId).toBe(-1)
  })
)
