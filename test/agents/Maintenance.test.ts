import { fileURLToPath } from "node:url"
import { NodeFileSystem } from "@effect/platform-node"
import { describe, expect, it } from "@effect/vitest"
import {
  Codec,
  Encrypted,
  EntropyConstrained,
  Family,
  Maintenance,
  PersistentAgent,
  Query,
  SqlAgent,
  SqlDriver,
  StateError,
  Versioned,
  VolatileAgent
} from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import { Effect, FileSystem, Option, Schema, Stream } from "effect"
import { second, third, V1, type V3 } from "../schema/profiles.ts"
import { start } from "./sql/children/run.ts"

const born = new Date("1815-12-10T00:00:00.000Z")
const ada: V3 = { first: "Ada", last: "Lovelace", born, tags: [] }
const old = { name: "Ada Lovelace", born }

const name = "profiles"
const newest = Versioned.make(third)
const keys = { current: "a", keys: { a: new Uint8Array(32) } }

/** What is stored, as it is stored: for what no program writes. */
const raw: Codec.Codec<Codec.Payload> = {
  // Sound: the schema is carried along and not used.
  ...(Codec.json(Schema.Unknown) as unknown as Codec.Codec<Codec.Payload>),
  encode: Effect.succeed,
  decode: Effect.succeed
}

/** Families of one set of rows, each with a codec of its own. */
const database = Effect.map(
  SqliteDriver.make({ filename: ":memory:" }),
  (driver) =>
    <S>(schema: Schema.Codec<S, unknown> | Codec.Codec<S>, options?: Partial<SqlAgent.Options<S>>) =>
      Effect.provideService(SqlAgent.family({ name, schema, history: "full", ...options }), SqlDriver, driver)
)

/** Three old states, one of the second version and one of the third. */
const mixed = Effect.gen(function* () {
  const open = yield* database
  yield* (yield* open(V1)).saveMany(["a", "b", "c"].map((key) => [key, old] as const))
  yield* (yield* open(Versioned.make(second))).at("d").save({ first: "Ada", last: "Lovelace", born })
  yield* (yield* open(newest)).at("e").save(ada)
  return { open, profiles: yield* open(newest) }
})

const all = <S>(family: Family.Family<S>) =>
  Effect.flatMap(Stream.runCollect(family.keys()), (keys) => family.loadMany(keys))

describe("migrateAll", () => {
  it.effect("stores every older state as the newest version, once, and tells how far it is", () =>
    Effect.gen(function* () {
      const { profiles } = yield* mixed
      const told: Array<Maintenance.Progress> = []
      const onProgress = (progress: Maintenance.Progress) => Effect.sync(() => void told.push(progress))
      const report = yield* Maintenance.migrateAll(profiles, { onProgress })
      expect(report).toEqual({ looked: 5, current: 1, rewritten: 4, failed: 0, problems: [] })
      expect(told.at(-1)).toEqual({ looked: 5, current: 1, rewritten: 4, failed: 0 })
      expect(new Set([...(yield* all(profiles)).values()].map((state) => JSON.stringify(state))).size).toBe(1)
      expect(yield* Maintenance.migrateAll(profiles)).toMatchObject({ current: 5, rewritten: 0 })
    })
  )

  it.effect("rewrites nothing in a dry run, and finds what would fail", () =>
    Effect.gen(function* () {
      const { open, profiles } = yield* mixed
      yield* (yield* open(raw)).at("f").save('{"$version":1,"name":7}')
      const before = yield* all(yield* open(raw))
      const report = yield* Maintenance.migrateAll(profiles, { dryRun: true })
      expect(report).toMatchObject({ looked: 6, current: 1, rewritten: 4, failed: 1 })
      expect(report.problems[0]).toMatchObject({ key: "f", revision: 1, error: { _tag: "StateCorrupt" } })
      expect(yield* all(yield* open(raw))).toEqual(before)
    })
  )

  it.effect("works on the keys with a prefix alone, and on a pipe", () =>
    Effect.gen(function* () {
      const { profiles } = yield* mixed
      expect(yield* profiles.pipe(Maintenance.migrateAll({ prefix: "a" }))).toMatchObject({ looked: 1, rewritten: 1 })
    })
  )

  it.live("leaves a state alone that somebody writes meanwhile", () =>
    Effect.gen(function* () {
      const { open, profiles } = yield* mixed
      const mine = { ...ada, tags: ["mine"] }
      // The writer comes between the look at a state and its replacement.
      const meddling: Codec.Codec<V3> = {
        ...newest,
        decode: (payload) =>
          Effect.flatMap(newest.decode(payload), (state) =>
            state.tags.length > 0 ? Effect.succeed(state) : Effect.as(Effect.orDie(profiles.at("a").save(mine)), state)
          )
      }
      const report = yield* Maintenance.migrateAll(yield* open(meddling), { prefix: "a" })
      expect(report).toMatchObject({ looked: 1, current: 1, rewritten: 0 })
      expect(yield* profiles.at("a").load).toEqual(mine)
    })
  )

  it.effect("encrypts what was stored in the clear, and puts it under the current key", () =>
    Effect.gen(function* () {
      const { open } = yield* mixed
      const encrypted = yield* open(Encrypted.make(newest, { ...keys, unencrypted: "read" }))
      expect(yield* Maintenance.migrateAll(encrypted)).toMatchObject({ looked: 5, rewritten: 5 })
      const rotated = { current: "b", keys: { ...keys.keys, b: new Uint8Array(32).fill(1) } }
      expect(yield* Maintenance.migrateAll(yield* open(Encrypted.make(newest, rotated)))).toMatchObject({
        rewritten: 5
      })
      const after = yield* open(Encrypted.make(newest, { current: "b", keys: { b: rotated.keys.b } }))
      expect((yield* all(after)).get("a")).toEqual(ada)
    })
  )

  it.effect("has nothing to do in memory, and refuses what hides what is stored", () =>
    Effect.gen(function* () {
      const memory = yield* VolatileAgent.family({ name, schema: newest })
      yield* memory.at("a").save(ada)
      expect(yield* Maintenance.migrateAll(memory)).toMatchObject({ looked: 1, current: 1 })
      const { profiles } = yield* mixed
      const wrapped = Family.mapAgents(profiles, EntropyConstrained.make())
      const error = yield* Effect.flip(Maintenance.migrateAll(wrapped))
      expect(error).toMatchObject({ _tag: "StorageUnavailable", retryable: false })
      expect(error.message).toContain("use the family that the combinator wraps")
    })
  )

  it.effect("migrates files", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const directory = yield* fs.makeTempDirectoryScoped()
      const open = <S>(schema: Schema.Codec<S, unknown> | Codec.Codec<S>) =>
        PersistentAgent.family({ name, directory: `${directory}/profiles`, schema })
      yield* Effect.scoped(Effect.flatMap(open(V1), (family) => family.at("a").save(old)))
      const profiles = yield* open(newest)
      expect(yield* profiles.at("a").load).toEqual(ada)
      expect(yield* Maintenance.migrateAll(profiles)).toMatchObject({ rewritten: 1 })
      const [file = ""] = (yield* fs.readDirectory(`${directory}/profiles`)).filter((name) => name.endsWith("a.json"))
      expect(JSON.parse(yield* fs.readFileString(`${directory}/profiles/${file}`))).toMatchObject({
        state: { $version: 3, first: "Ada" }
      })
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it.live("that was killed is taken up by the next run", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const filename = `${yield* fs.makeTempDirectoryScoped()}/states.db`
      const number = 1_000
      const opened = <A, E, R>(use: Effect.Effect<A, E, R>) =>
        Effect.scoped(
          Effect.flatMap(SqliteDriver.make({ filename }), (driver) => Effect.provideService(use, SqlDriver, driver))
        )
      yield* opened(
        Effect.flatMap(SqlAgent.family({ name, schema: V1 }), (family) =>
          family.saveMany(Array.from({ length: number }, (_, i) => [`key ${i}`, old] as const))
        )
      )
      const { child, ended } = start(fileURLToPath(new URL("./maintenance/child.ts", import.meta.url)), [filename])
      child.stdout.once("data", () => child.kill("SIGKILL"))
      const { err, out } = yield* Effect.promise(() => ended)
      const done = Number(out.trim().split("\n").at(-1))
      expect([err, done >= 100]).toEqual(["", true])
      yield* opened(
        Effect.gen(function* () {
          const profiles = yield* SqlAgent.family({ name, schema: newest })
          const report = yield* Maintenance.migrateAll(profiles)
          expect(report).toMatchObject({ looked: number, failed: 0 })
          expect(report.current).toBeGreaterThanOrEqual(done)
          const states = yield* all(profiles)
          expect(states.size).toBe(number)
          for (const state of states.values()) expect(state).toEqual(ada)
        })
      )
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )
})

describe("history", () => {
  it.effect("is taken up as it is read, whatever each revision was written as", () =>
    Effect.gen(function* () {
      const { open, profiles } = yield* mixed
      yield* Maintenance.migrateAll(profiles)
      yield* profiles.at("a").save({ ...ada, tags: ["poet"] })
      const history = yield* Stream.runCollect(profiles.at("a").history())
      expect(history.map(({ state }) => state)).toEqual([{ ...ada, tags: ["poet"] }, ada, ada])
      expect((yield* profiles.at("a").at(history[2]?.revision ?? new Date())).state).toEqual(ada)
      const stored = yield* Stream.runCollect((yield* open(raw)).at("a").history())
      expect(stored.map(({ state }) => /^\{"\$version":3/.test(String(state)))).toEqual([true, true, false])
    })
  )
})

describe("a query", () => {
  it.effect("over states of several versions answers as if all were of the newest", () =>
    Effect.gen(function* () {
      const { profiles } = yield* mixed
      const found = Query.run(profiles, {
        where: (p) => Query.eq(p.last, "Lovelace"),
        orderBy: (_p, row) => Query.desc(row.key),
        limit: 4,
        select: (p, row) => ({ key: row.key, first: p.first, state: p })
      })
      const expected = ["e", "d", "c", "b"].map((key) => ({ key, first: "Ada", state: ada }))
      expect(yield* found).toEqual(expected)
      yield* Maintenance.migrateAll(profiles)
      expect(yield* found).toEqual(expected)
      const counted = Query.aggregate(profiles, { over: "history", select: () => ({ n: Query.count }) })
      expect(yield* counted).toEqual({ n: 9 })
    })
  )
})

describe("validate", () => {
  const broken = Effect.gen(function* () {
    const { open, profiles } = yield* mixed
    const rows = yield* open(raw)
    yield* rows.at("b").save("{")
    yield* rows.at("c").save('{"$version":9}')
    yield* rows.at("g").save('{"$version":3,"first":""}')
    yield* profiles.at("g").save(ada)
    return { open, profiles, rows }
  })

  it.effect("lists every state that does not decode, and why, and changes nothing", () =>
    Effect.gen(function* () {
      const { profiles, rows } = yield* broken
      const before = yield* all(rows)
      const problems = yield* Stream.runCollect(Maintenance.validate(profiles))
      expect(problems.map(({ key, revision }) => [key, revision])).toEqual([
        ["b", 2],
        ["c", 2]
      ])
      expect(problems[1]?.error.message).toContain("a newer program wrote it")
      expect(yield* all(rows)).toEqual(before)
    })
  )

  it.effect("looks through histories when asked to", () =>
    Effect.gen(function* () {
      const { profiles } = yield* broken
      const problems = yield* Stream.runCollect(profiles.pipe(Maintenance.validate({ over: "history" })))
      expect(problems.map(({ key, revision }) => [key, revision])).toEqual([
        ["b", 2],
        ["c", 2],
        ["g", 1]
      ])
    })
  )

  it.effect("goes on past a file that is damaged as a whole", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const directory = `${yield* fs.makeTempDirectoryScoped()}/profiles`
      const open = PersistentAgent.family({ name, directory, schema: newest })
      const files = yield* Effect.scoped(
        Effect.gen(function* () {
          const profiles = yield* open
          yield* profiles.at("a").save(ada)
          const file = (yield* fs.readDirectory(directory)).filter((name) => name.includes("a."))
          yield* profiles.at("b").save(ada)
          return file
        })
      )
      for (const file of files) yield* fs.writeFileString(`${directory}/${file}`, "{")
      const problems = yield* Effect.flatMap(open, (profiles) => Stream.runCollect(Maintenance.validate(profiles)))
      expect(problems.map(({ error, key }) => [key, error._tag])).toEqual([["a", "StateCorrupt"]])
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it.effect("ends when the storage does not answer", () =>
    Effect.gen(function* () {
      const closed = yield* Effect.scoped(Effect.map(mixed, ({ profiles }) => profiles))
      const error = yield* Effect.flip(Stream.runCollect(Maintenance.validate(closed)))
      expect(StateError.isStateError(error) && error._tag).toBe("AgentClosed")
    })
  )
})

describe("repair", () => {
  const originals = VolatileAgent.family({ name: "originals", schema: Maintenance.Original })

  it.effect("replaces what does not decode by what the function says, and keeps the original", () =>
    Effect.gen(function* () {
      const { open, profiles } = yield* mixed
      const rows = yield* open(raw)
      yield* rows.at("b").save('{"name":"Ada"}')
      yield* rows.at("c").save(new Uint8Array([1, 2]))
      yield* rows.at("f").save("{")
      const kept = yield* originals
      const seen: Array<Maintenance.Broken> = []
      const report = yield* Maintenance.repair(profiles, {
        originals: kept,
        repair: (broken) =>
          Effect.sync(() => {
            seen.push(broken)
            return broken.key === "f" ? Option.none() : Option.some({ ...ada, tags: ["repaired"] })
          })
      })
      expect(report).toMatchObject({ looked: 6, current: 3, rewritten: 2, failed: 1, problems: [{ key: "f" }] })
      expect(seen.map(({ payload }) => payload)).toEqual(['{"name":"Ada"}', new Uint8Array([1, 2]), "{"])
      expect((yield* profiles.at("b").load).tags).toEqual(["repaired"])
      expect(yield* kept.at("2:b").load).toMatchObject({ key: "b", revision: 2, payload: { text: '{"name":"Ada"}' } })
      expect((yield* kept.at("2:c").load).payload).toEqual({ bytes: new Uint8Array([1, 2]) })
      expect(yield* Stream.runCollect(kept.keys())).toHaveLength(2)
      expect(yield* rows.at("f").load).toBe("{")
    })
  )

  it.live("leaves a state alone that somebody else puts right meanwhile", () =>
    Effect.gen(function* () {
      const { open, profiles } = yield* mixed
      yield* (yield* open(raw)).at("b").save("{")
      const report = yield* Maintenance.repair(profiles, {
        originals: yield* originals,
        repair: ({ key }) => Effect.as(profiles.at(key).save(ada), Option.some({ ...ada, tags: ["repaired"] }))
      })
      expect(report).toMatchObject({ looked: 5, current: 5, rewritten: 0, failed: 0 })
      expect(yield* profiles.at("b").load).toEqual(ada)
    })
  )

  it.effect("replaces nothing whose original could not be kept", () =>
    Effect.gen(function* () {
      const { open, profiles } = yield* mixed
      const rows = yield* open(raw)
      yield* rows.at("b").save("{")
      const closed = yield* Effect.scoped(originals)
      const repaired = Maintenance.repair(profiles, {
        originals: closed,
        repair: () => Effect.succeed(Option.some(ada))
      })
      expect(yield* Effect.flip(repaired)).toMatchObject({ _tag: "AgentClosed" })
      expect(yield* rows.at("b").load).toBe("{")
    })
  )
})
