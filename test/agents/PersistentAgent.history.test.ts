import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { expect, it } from "@effect/vitest"
import { type DataAgent, PersistentAgent, Revision } from "dgents"
import { Effect, Exit, type FileSystem, Schema, type Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import { FaultyFs, tempDirectory } from "./file/faultyFs.ts"

const Note = Schema.Struct({ n: Schema.Number, text: Schema.String })
const note = (n: number, bytes = 10_000) => ({ n, text: "x".repeat(bytes) })
type Agent = DataAgent.DataAgent<typeof Note.Type>

const effect = <A, E>(name: string, test: (path: string) => Effect.Effect<A, E, FileSystem.FileSystem | Scope.Scope>) =>
  it.effect(name, () =>
    Effect.provide(
      Effect.flatMap(tempDirectory, (directory) => test(join(directory, "note.json"))),
      NodeServices.layer
    )
  )

const open = (
  path: string,
  history: PersistentAgent.History,
  options?: Partial<PersistentAgent.Options<typeof Note.Type>>
) => PersistentAgent.make({ path, schema: Note, history, ...options })

const numbers = (agent: Agent) =>
  Effect.map(Stream.runCollect(agent.history()), (all) => all.map(({ state }) => state.n))

const saveAll = (agent: Agent, from: number, to: number) =>
  Effect.forEach(
    Array.from({ length: to - from + 1 }, (_, i) => from + i),
    (n) => agent.save(note(n)),
    { discard: true }
  )

const upTo = (n: number, from = 1) => Array.from({ length: n - from + 1 }, (_, i) => n - i)

for (const sharing of ["process", "host"] as const) {
  effect(
    `shared by a ${sharing}: a bound keeps exactly so many, over many saves, and the log does not grow for ever`,
    (path) =>
      Effect.gen(function* () {
        const agent = yield* open(path, { bounded: 5 }, { sharing })
        for (let n = 1; n <= 100; n++) {
          yield* agent.save(note(n))
          if (n % 9 === 0) expect(yield* numbers(agent)).toEqual(upTo(n, Math.max(1, n - 4)))
        }
        // A hundred states of 10 KB each, of which 26 fit before a compaction is worth it.
        expect(statSync(`${path}.history`).size).toBeLessThan(300_000)
        expect((yield* agent.at(Revision.make(96))).state.n).toBe(96)
        expect((yield* Effect.flip(agent.at(Revision.make(95))))._tag).toBe("StateNotFound")
      })
  )

  effect(`shared by a ${sharing}: a limit of bytes keeps the newest that fit, and always the current state`, (path) =>
    Effect.gen(function* () {
      const agent = yield* open(path, { maxBytes: 35_000 }, { sharing })
      yield* saveAll(agent, 1, 80)
      expect(yield* numbers(agent)).toEqual([80, 79, 78, 77])
      expect(statSync(`${path}.history`).size).toBeLessThan(300_000)
      yield* agent.save(note(81, 200_000))
      expect(yield* numbers(agent)).toEqual([81, 80, 79, 78])
      yield* agent.save(note(82))
      expect(yield* numbers(agent)).toEqual([82])
    })
  )

  effect(
    `shared by a ${sharing}: a limit of age keeps what was saved since then, and always the current state`,
    (path) =>
      Effect.gen(function* () {
        const agent = yield* open(path, { maxAge: "1 hour" }, { sharing })
        for (let n = 1; n <= 90; n++) {
          yield* agent.save(note(n))
          yield* TestClock.adjust("10 minutes")
        }
        expect(yield* numbers(agent)).toEqual(upTo(90, 85))
        expect(statSync(`${path}.history`).size).toBeLessThan(600_000)
        expect((yield* agent.at(Revision.make(85))).state.n).toBe(85)
        expect((yield* Effect.flip(agent.at(Revision.make(84))))._tag).toBe("StateNotFound")
        yield* TestClock.adjust("2 hours")
        expect(yield* numbers(agent)).toEqual([90])
      })
  )
}

effect("a compaction that fails at any of its steps loses nothing, and a later save makes up for it", (path) =>
  Effect.gen(function* () {
    const disk = yield* FaultyFs.make
    disk.mostAtOnce = Number.POSITIVE_INFINITY
    const agent = yield* disk.run(open(path, { bounded: 5 }))
    // The save that compacts does more than the one before it; found by its rename of the log.
    let n = 0
    const saves = (count: number) =>
      Effect.gen(function* () {
        for (let i = 0; i < count; i++) yield* agent.save(note(++n))
      })
    let plain = 0
    let compacting = 0
    while (compacting === 0) {
      disk.arm(undefined)
      disk.take()
      yield* saves(1)
      if (disk.take().includes("rename note.json.history") && n > 2) compacting = disk.count
      else plain = disk.count
    }
    const period = 26
    expect(compacting).toBeGreaterThan(plain + 5)
    for (let at = plain; at < compacting; at++) {
      for (const when of ["before", "after"] as const) {
        yield* saves(period - 8)
        let wasHit = false
        for (let i = 0; i < 12 && !wasHit; i++) {
          disk.arm({ at, code: "EIO", when })
          yield* saves(1)
          wasHit = disk.count > at
        }
        disk.arm(undefined)
        expect(wasHit).toBe(true)
        expect(yield* numbers(agent)).toEqual(upTo(n, n - 4))
        yield* saves(2)
        expect(yield* numbers(agent)).toEqual(upTo(n, n - 4))
      }
    }
    expect(statSync(`${path}.history`).size).toBeLessThan(400_000)
  })
)

effect("a log cut at any byte is a history that ends earlier, and the next save goes on", (path) =>
  Effect.gen(function* () {
    const opened = <A, E>(f: (agent: Agent) => Effect.Effect<A, E>) =>
      Effect.scoped(Effect.flatMap(open(path, "full"), f))
    yield* opened((agent) => Effect.forEach([1, 2, 3, 4], (n) => agent.save(note(n, 20))))
    const log = readFileSync(`${path}.history`)
    const file = readFileSync(path)
    for (let length = log.length - 1; length > log.length / 2; length -= 7) {
      writeFileSync(`${path}.history`, log.subarray(0, length))
      writeFileSync(path, file)
      yield* opened((agent) =>
        Effect.gen(function* () {
          const kept = yield* numbers(agent)
          expect([
            [4, 2, 1],
            [4, 1]
          ]).toContainEqual(kept)
          yield* agent.save(note(5, 20))
          expect(yield* numbers(agent)).toEqual([5, ...kept])
        })
      )
    }
  })
)

effect("a log that is damaged in its middle is StateCorrupt and says where; the state itself is still there", (path) =>
  Effect.gen(function* () {
    const opened = <A, E>(f: (agent: Agent) => Effect.Effect<A, E>) =>
      Effect.scoped(Effect.flatMap(open(path, "full"), f))
    yield* opened((agent) => Effect.forEach([1, 2, 3, 4], (n) => agent.save(note(n, 20))))
    const log = readFileSync(`${path}.history`)
    const at = log.indexOf('"n": 1')
    log[at + 5] = 0x37
    writeFileSync(`${path}.history`, log)
    yield* opened((agent) =>
      Effect.gen(function* () {
        expect(yield* agent.load).toEqual(note(4, 20))
        const error = yield* Effect.flip(numbers(agent))
        expect(error).toMatchObject({ _tag: "StateCorrupt" })
        expect(error.message).toMatch(/note\.json\.history, offset \d+/)
        // A save that could not keep the previous state does not replace it.
        expect((yield* Effect.flip(agent.save(note(5, 20))))._tag).toBe("StateCorrupt")
        expect(yield* agent.load).toEqual(note(4, 20))
      })
    )
    expect(readFileSync(`${path}.history`)).toEqual(log)
  })
)

effect("records of a state that was deleted are not the history of the next one, even where the log was left", (path) =>
  Effect.gen(function* () {
    const opened = <A, E>(f: (agent: Agent) => Effect.Effect<A, E>) =>
      Effect.scoped(Effect.flatMap(open(path, "full"), f))
    yield* opened((agent) => Effect.forEach([1, 2, 3], (n) => agent.save(note(n, 20))))
    const log = readFileSync(`${path}.history`)
    yield* opened((agent) => agent.delete)
    writeFileSync(`${path}.history`, log)
    yield* opened((agent) =>
      Effect.gen(function* () {
        expect(yield* numbers(agent)).toEqual([])
        yield* agent.save(note(8, 20))
        expect(yield* numbers(agent)).toEqual([8])
        yield* agent.save(note(9, 20))
        expect(yield* numbers(agent)).toEqual([9, 8])
      })
    )
  })
)

effect("a file that was restored from a backup goes on above all that its history holds", (path) =>
  Effect.gen(function* () {
    const opened = <A, E>(f: (agent: Agent) => Effect.Effect<A, E>) =>
      Effect.scoped(Effect.flatMap(open(path, "full"), f))
    yield* opened((agent) => Effect.forEach([1, 2], (n) => agent.save(note(n, 20))))
    const backup = readFileSync(path)
    yield* opened((agent) => Effect.forEach([3, 4], (n) => agent.save(note(n, 20))))
    writeFileSync(path, backup)
    yield* opened((agent) =>
      Effect.gen(function* () {
        expect((yield* agent.load).n).toBe(2)
        yield* agent.save(note(5, 20))
        const history = yield* Stream.runCollect(agent.history())
        expect(history.map(({ revision, state }) => [revision, state.n])).toEqual([
          [4, 5],
          [3, 3],
          [2, 2],
          [1, 1]
        ])
      })
    )
  })
)

effect("something else where the log would be is typed, at opening", (path) =>
  Effect.gen(function* () {
    mkdirSync(`${path}.history`)
    for (const sharing of ["process", "host"] as const) {
      const exit = yield* Effect.exit(Effect.scoped(open(path, "full", { sharing })))
      expect(Exit.isFailure(exit)).toBe(true)
      const error = yield* Effect.flip(Effect.scoped(open(path, "full", { sharing })))
      expect(error).toMatchObject({ _tag: "StorageUnavailable", retryable: false })
      expect(error.message).toContain("note.json.history: it is a directory")
    }
  })
)

effect("a family keeps more logs than stay open", (path) =>
  Effect.gen(function* () {
    const family = yield* PersistentAgent.family({ directory: path, schema: Note, history: "full" })
    const keys = Array.from({ length: 70 }, (_, i) => `key ${i}`)
    const saved = (n: number) => Effect.forEach(keys, (key) => family.at(key).save(note(n, 20)), { concurrency: 16 })
    for (const n of [1, 2, 3]) yield* saved(n)
    for (const key of keys) expect(yield* numbers(family.at(key))).toEqual([3, 2, 1])
  })
)

effect("processes that share a file and a bound compact its log under each other's hands, and lose nothing", (path) =>
  Effect.gen(function* () {
    const opened = Effect.flatMap(FaultyFs.make, (disk) => {
      disk.mostAtOnce = Number.POSITIVE_INFINITY
      return disk.run(open(path, { bounded: 5 }, { sharing: "host" }))
    })
    const [one, two, reader] = [yield* opened, yield* opened, yield* opened]
    for (let n = 1; n <= 90; n++) {
      yield* (n % 3 === 0 ? one : two).save(note(n))
      if (n % 10 === 0) expect(yield* numbers(reader)).toEqual(upTo(n, n - 4))
      if (n === 50) {
        yield* one.delete
        expect(yield* numbers(reader)).toEqual([])
        yield* Effect.forEach([46, 47, 48, 49, 50], (n) => two.save(note(n)))
        expect(yield* numbers(reader)).toEqual(upTo(50, 46))
      }
    }
    expect(statSync(`${path}.history`).size).toBeLessThan(300_000)
  })
)
