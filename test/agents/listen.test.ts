// Hearing of commits by a call, without their states: what caches are told by.
import { NodeServices } from "@effect/platform-node"
import { expect, it, vi } from "@effect/vitest"
import {
  type DataAgent,
  EntropyConstrained,
  Fallback,
  Mapped,
  Observed,
  PersistentAgent,
  ReadOnly,
  RedisAgent,
  type Register,
  Retrying,
  SqlAgent,
  SqlDriver,
  StateError,
  VolatileAgent
} from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import { Effect, Exit, FileSystem, Optic, Option, Schema, Scope } from "effect"
import { backend } from "../compose/support.ts"
import * as Redis from "./redis/driver.ts"
import { run } from "./sql/children/run.ts"
import * as MapEngine from "./sql/MapEngine.ts"
import * as Postgres from "./sql/postgres/driver.ts"
import { tempFile } from "./sql/temp.ts"

const Counter = Schema.Struct({ n: Schema.Number })
type Counter = typeof Counter.Type
type Agent = DataAgent.DataAgent<Counter>

/** Listens, and notes what is heard. */
const listen = (agent: Agent) =>
  Effect.gen(function* () {
    const heard: Array<string> = []
    const news: Array<Register.News> = []
    const listener: Register.Listener = {
      hear: (one) => {
        news.push(one)
        heard.push("revision" in one ? `${one._tag} ${one.revision}` : one._tag)
      }
    }
    const listening = yield* agent.internals.register.listen?.(listener) ?? Effect.die("it cannot be listened to")
    return { heard, news, listening }
  })

const until = (done: () => boolean) => Effect.repeat(Effect.sleep("5 millis"), { until: done })

const options = { name: "counter", schema: Counter, initial: { n: 0 } }

const onSqlite = (filename: string) =>
  Effect.flatMap(SqliteDriver.make({ filename }), (driver) =>
    Effect.provideService(SqlAgent.make(options), SqlDriver, driver)
  )

const onRedis = (name: string) =>
  Effect.flatMap(Redis.openDriver(), (driver) => Redis.on(driver)(RedisAgent.make({ ...options, name })))

const onPostgres = (url: string) =>
  Effect.flatMap(Postgres.openDriver({ url }), (driver) => Postgres.on(driver)(SqlAgent.make(options)))

type Open = Effect.Effect<Agent, unknown, Scope.Scope>

const backends: Readonly<Record<string, Open>> = {
  memory: VolatileAgent.make(options),
  "a register of one's own": backend(options).agent,
  "a file": Effect.provide(
    Effect.flatMap(FileSystem.FileSystem, (fs) =>
      Effect.flatMap(fs.makeTempDirectoryScoped(), (directory) =>
        PersistentAgent.make({ ...options, path: `${directory}/counter.json` })
      )
    ),
    NodeServices.layer
  ),
  SQLite: Effect.flatMap(tempFile, onSqlite),
  Redis: Effect.suspend(() => onRedis(Redis.newName())),
  Postgres: Effect.flatMap(Postgres.newDatabase, onPostgres)
}

for (const [name, open] of Object.entries(backends)) {
  it.live(`${name}: who listens has heard of a commit of this process when it is acknowledged, until it stops`, () =>
    Effect.gen(function* () {
      const agent = yield* open
      const { heard, listening } = yield* listen(agent)
      const other = yield* listen(agent)
      const isTold = (news: string) => [heard, other.heard].every((heard) => heard.includes(news))
      yield* agent.save({ n: 1 })
      const { revision } = Option.getOrThrow(yield* agent.current)
      expect(isTold(`Saved ${revision}`)).toBe(true)
      yield* agent.update(({ n }) => ({ n: n + 1 }))
      const last = Option.getOrThrow(yield* agent.current).revision
      expect(isTold(`Saved ${last}`)).toBe(true)
      yield* agent.delete
      expect(isTold(`Deleted ${last}`)).toBe(true)
      yield* listening.stop
      const before = heard.length
      yield* agent.save({ n: 3 })
      const third = Option.getOrThrow(yield* agent.current).revision
      expect(heard.length).toBe(before)
      expect(other.heard).toContain(`Saved ${third}`)
    })
  )

  it.live(`${name}: when the agent closes who listens hears of a gap, and nobody can listen any more`, () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const agent = yield* Scope.provide(open, scope)
      const { heard } = yield* listen(agent)
      yield* agent.save({ n: 1 })
      yield* Scope.close(scope, Exit.void)
      expect(heard.at(-1)).toBe("Gap")
      expect(yield* Effect.flip(listen(agent))).toBeInstanceOf(StateError.AgentClosed)
    })
  )
}

const elsewhere: Readonly<Record<string, Effect.Effect<readonly [Agent, Agent], unknown, Scope.Scope>>> = {
  SQLite: Effect.flatMap(tempFile, (file) => Effect.all([onSqlite(file), onSqlite(file)])),
  Redis: Effect.suspend(() => {
    const name = Redis.newName()
    return Effect.all([onRedis(name), onRedis(name)])
  }),
  Postgres: Effect.flatMap(Postgres.newDatabase, (url) => Effect.all([onPostgres(url), onPostgres(url)]))
}

for (const [name, open] of Object.entries(elsewhere)) {
  it.live(`${name}: who listens hears of the commits of others too, and that something is gone`, () =>
    Effect.gen(function* () {
      const [here, there] = yield* open
      yield* there.save({ n: 1 })
      const { heard } = yield* listen(here)
      yield* there.save({ n: 2 })
      const { revision } = Option.getOrThrow(yield* there.current)
      yield* until(() => heard.includes(`Saved ${revision}`))
      yield* there.delete
      yield* until(() => heard.at(-1) === "Absent")
      yield* there.save({ n: 3 })
      const last = Option.getOrThrow(yield* there.current).revision
      yield* until(() => heard.includes(`Saved ${last}`))
    })
  )
}

it.live("who listens hears what another process commits", () =>
  Effect.gen(function* () {
    const file = yield* tempFile
    const { heard } = yield* listen(yield* onSqlite(file))
    expect(yield* run("increment.ts", [file, "3"])).toMatchObject({ code: 0 })
    yield* until(() => heard.includes("Saved 3"))
  })
)

it.live("of very many keys none is read, when somebody else may have written any: each may have changed", () =>
  Effect.gen(function* () {
    const rows = new MapEngine.Rows()
    const reads: Array<number> = []
    const engine = MapEngine.make(rows)
    const counting = SqlDriver.fromEngine({
      ...engine,
      readMany: (collection, keys) => {
        reads.push(keys.length)
        return engine.readMany(collection, keys)
      }
    })
    const here = yield* Effect.provideService(SqlAgent.family(options), SqlDriver, counting)
    const there = yield* Effect.provideService(SqlAgent.family(options), SqlDriver, SqlDriver.fromEngine(engine))
    const all = yield* Effect.forEach(Array.from({ length: 150 }), (_, i) => listen(here.at(`${i}`)))
    yield* Effect.sleep("5 millis")
    reads.length = 0
    yield* there.at("7").save({ n: 1 })
    yield* until(() => all.every(({ heard }) => heard.at(-1) === "Unknown"))
    expect(reads).toEqual([])
    for (const { listening } of all.slice(10)) yield* listening.stop
    yield* there.at("7").save({ n: 2 })
    yield* until(() => all[7]?.heard.at(-1) === "Saved 2")
    expect(Math.max(...reads)).toBe(10)
    // Nothing is watched for nobody.
    for (const { listening } of all.slice(0, 10)) yield* listening.stop
    expect(rows.watchers.size).toBe(0)
  })
)

it.live("a listener that throws stops neither the others nor who commits, and is logged", () =>
  Effect.gen(function* () {
    const lines: Array<unknown> = []
    const log = vi.spyOn(console, "log").mockImplementation((...line) => lines.push(...line))
    yield* Effect.addFinalizer(() => Effect.sync(() => log.mockRestore()))
    const agent = yield* VolatileAgent.make(options)
    const hear = () => {
      throw new Error("a bug")
    }
    yield* agent.internals.register.listen?.({ hear }) ?? Effect.die("it cannot be listened to")
    const { heard } = yield* listen(agent)
    yield* agent.save({ n: 1 })
    expect(heard).toEqual(["Saved 1"])
    expect(String(lines)).toContain("a bug")
  })
)

it.effect(
  "who is told may make others stop and begin: who stopped is not told, who began is told what comes next",
  () =>
    Effect.gen(function* () {
      const agent = yield* VolatileAgent.make(options)
      const { register } = agent.internals
      let begun: ReadonlyArray<string> | undefined
      const hear = () => {
        begun ??= Effect.runSync(listen(agent)).heard
        Effect.runSync(stopped.listening.stop)
      }
      yield* register.listen?.({ hear }) ?? Effect.die("it cannot be listened to")
      const stopped = yield* listen(agent)
      yield* agent.save({ n: 1 })
      yield* agent.save({ n: 2 })
      expect(stopped.heard).toEqual([])
      expect(begun).toEqual(["Saved 2"])
    })
)

it.effect("combinators that leave revisions as they are let one listen to what is below them, and others do not", () =>
  Effect.gen(function* () {
    const below = yield* VolatileAgent.make(options)
    const iso = Optic.makeIso(
      ({ n }: Counter) => ({ n: -n }),
      ({ n }) => ({ n: -n })
    )
    const transparent = {
      Observed: Observed.make(below),
      Retrying: Retrying.make(below),
      Mapped: Mapped.make(below, { schema: Counter, iso }),
      EntropyConstrained: EntropyConstrained.make(below, { maxBytes: 1_000 }),
      ReadOnly: ReadOnly.make(below)
    }
    const all = yield* Effect.forEach(Object.values(transparent), listen)
    yield* below.save({ n: 1 })
    expect(all.map(({ heard }) => heard)).toEqual(all.map(() => ["Saved 1"]))
    const fallback = yield* Fallback.make(below, {
      second: (schema) => VolatileAgent.make({ name: "second", schema })
    })
    expect(fallback.internals.register.listen?.({ hear: () => {} })).toBe(undefined)
  })
)
