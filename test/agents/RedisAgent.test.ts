import { expect, it } from "@effect/vitest"
import { Cached, DataAgent, RedisAgent, Revision } from "dgents"
import { Clock, Duration, Effect, Exit, Fiber, Optic, Option, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import { cutProxy } from "./cutProxy.ts"
import { following, newName, on, openDriver, send, url } from "./redis/driver.ts"

const State = Schema.Struct({
  count: Schema.Int,
  ratio: Schema.Finite,
  perCity: Schema.Record(Schema.String, Schema.Finite),
  list: Schema.Array(Schema.Struct({ n: Schema.Finite, text: Schema.String })),
  text: Schema.String
})
type State = typeof State.Type
const state = Optic.id<State>()
const nothing: State = { count: 0, ratio: 0, perCity: {}, list: [], text: "" }

const agentOf = (options: Partial<RedisAgent.Options<State>> = {}) =>
  Effect.flatMap(openDriver(), (driver) =>
    on(driver)(RedisAgent.make({ name: newName(), schema: State, initial: nothing, ...options }))
  )

// ---------------------------------------------------------------------------------------------------------------------
// Sums

it.effect.prop(
  "a sum on the server is the sum in memory, and nothing else of the state changes",
  [State, Schema.Finite, Schema.Int, Schema.String],
  ([before, by, whole, city]) =>
    Effect.scoped(
      Effect.gen(function* () {
        const agent = yield* agentOf()
        yield* agent.save(before)
        const key = city.toWellFormed()
        const added = Math.trunc(whole % 2 ** 50)
        const expected: State = {
          ...before,
          count: before.count + added,
          ratio: before.ratio + by,
          perCity: {
            ...before.perCity,
            [key]: (Object.hasOwn(before.perCity, key) ? (before.perCity[key] ?? 0) : 0) + by
          },
          list: before.list.map((item, i) => (i === 0 ? { ...item, n: item.n + by } : item))
        }
        const isSafe =
          Number.isSafeInteger(expected.count) && Number.isFinite(expected.ratio + (expected.perCity[key] ?? 0))
        if (!isSafe || expected.list.some(({ n }) => !Number.isFinite(n)) || key === "__proto__") return
        expect(yield* agent.increment(state.key("count"), added)).toBe(expected.count)
        expect(yield* agent.increment(state.key("ratio"), by)).toBe(expected.ratio)
        expect(yield* agent.increment(state.key("perCity").key(key), by)).toBe(expected.perCity[key])
        if (before.list.length > 0) yield* agent.increment(state.key("list").at(0).key("n"), by)
        expect(yield* agent.load).toEqual(expected)
      })
    ),
  { arbitrary: { runs: 60 } }
)

it.live("of many sums at once, through two connections, none is lost, and each is a commit", () =>
  Effect.gen(function* () {
    const name = newName()
    const open = Effect.flatMap(openDriver(), (driver) =>
      on(driver)(RedisAgent.make({ name, schema: State, initial: nothing, history: "full" }))
    )
    const [here, there] = [yield* open, yield* open]
    const sums = yield* Effect.forEach(
      Array.from({ length: 200 }, (_, i) => (i % 2 === 0 ? here : there)),
      (agent) => agent.increment(state.key("count")),
      { concurrency: "unbounded" }
    )
    expect(sums.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 200 }, (_, i) => i + 1))
    const history = yield* Stream.runCollect(here.history())
    expect(history.map((entry) => entry.state.count)).toEqual(Array.from({ length: 200 }, (_, i) => 200 - i))
  })
)

it.live("a sum that would break the schema or is not there is refused, and changes nothing", () =>
  Effect.gen(function* () {
    const agent = yield* agentOf()
    yield* agent.save({ ...nothing, count: Number.MAX_SAFE_INTEGER, ratio: Number.MAX_VALUE })
    const before = yield* agent.current
    const refused = (optic: Optic.Optional<State, number>, by?: number) => Effect.flip(agent.increment(optic, by))
    expect(yield* refused(state.key("count"))).toMatchObject({ _tag: "StateInvalid", path: ["count"] })
    expect(yield* refused(state.key("count"), 0.5)).toMatchObject({ reason: expect.stringContaining("safe integer") })
    expect(yield* refused(state.key("ratio"), Number.MAX_VALUE)).toMatchObject({ path: ["ratio"] })
    expect(yield* refused(state.key("ratio"), Number.NaN)).toMatchObject({ path: ["ratio"] })
    expect(yield* refused(state.key("perCity").at("Rome"))).toMatchObject({
      reason: expect.stringContaining("missing")
    })
    expect(yield* refused(state.key("list").at(3).key("n"))).toMatchObject({ path: ["list", 3, "n"] })
    expect(yield* agent.current).toEqual(before)
  })
)

it.live("a sum begins with the initial state; without one there has to be a state", () =>
  Effect.gen(function* () {
    const agent = yield* agentOf({ initial: { ...nothing, count: 40, text: "kept" } })
    expect(yield* agent.increment(state.key("count"), 2)).toBe(42)
    expect(yield* agent.load).toEqual({ ...nothing, count: 42, text: "kept" })
    const bare = yield* agentOf({ initial: undefined })
    expect(yield* Effect.flip(bare.increment(state.key("count")))).toMatchObject({ _tag: "StateNotFound" })
    expect(yield* bare.current).toEqual(Option.none())
  })
)

it.live("a sum is told to those who follow, here and elsewhere", () =>
  Effect.gen(function* () {
    const name = newName()
    const open = Effect.flatMap(openDriver(), (driver) =>
      on(driver)(RedisAgent.make({ name, schema: State, initial: nothing }))
    )
    const [here, there] = [yield* open, yield* open]
    yield* here.save(nothing)
    const [nextHere, nextThere] = [yield* following(here), yield* following(there)]
    expect([yield* nextHere, yield* nextThere]).toEqual([nothing, nothing])
    yield* here.increment(state.key("count"), 5)
    expect(yield* nextHere).toEqual({ ...nothing, count: 5 })
    expect(yield* nextThere).toEqual({ ...nothing, count: 5 })
  })
)

// ---------------------------------------------------------------------------------------------------------------------
// Expiry

const hour = 3_600_000

const millisLeft = <S>(agent: RedisAgent.RedisAgent<S>) =>
  Effect.map(agent.timeToLive, Option.match({ onNone: () => 0, onSome: Duration.toMillis }))

for (const [from, extends_] of [
  ["creation", []],
  ["write", ["save", "increment"]],
  ["read", ["save", "increment", "load"]]
] as const)
  it.live(`a state that expires from its ${from} lives on by ${extends_.join(", ") || "nothing"}`, () =>
    Effect.gen(function* () {
      const agent = yield* agentOf({ expire: { after: "1 hour", from }, history: "full" })
      const uses: Record<string, Effect.Effect<unknown, unknown>> = {
        save: agent.save({ ...nothing, count: 7 }),
        increment: agent.increment(state.key("count")),
        load: agent.load,
        history: Stream.runDrain(agent.history()),
        changes: Stream.runHead(agent.changes)
      }
      yield* agent.save(nothing)
      yield* agent.save({ ...nothing, count: 1 })
      for (const [use, effect] of Object.entries(uses)) {
        const keys = yield* keysOf(agent.name)
        for (const key of keys) yield* send("PEXPIRE", key, hour / 2)
        yield* effect
        const left = yield* millisLeft(agent)
        expect([use, left > hour / 2]).toEqual([use, (extends_ as ReadonlyArray<string>).includes(use)])
        // The history goes with the state, not before it and not after it.
        const times = yield* Effect.forEach(keys, (key) => send("PEXPIRETIME", key))
        expect(Math.max(...times.map(Number)) - Math.min(...times.map(Number))).toBeLessThan(100)
      }
    })
  )

const keysOf = (name: string) =>
  Effect.map(send("KEYS", `*${name}*`), (keys) => (Array.isArray(keys) ? keys.map(String) : []))

it.live("an expired state is not found, its history is gone with it, and changes say so, here and elsewhere", () =>
  Effect.gen(function* () {
    const name = newName()
    const open = Effect.flatMap(openDriver(), (driver) =>
      on(driver)(RedisAgent.make({ name, schema: Schema.String, history: "full", expire: { after: "150 millis" } }))
    )
    const [here, there] = [yield* open, yield* open]
    yield* here.save("first")
    const [nextHere, nextThere] = [yield* following(here), yield* following(there)]
    expect([yield* nextHere, yield* nextThere]).toEqual(["first", "first"])
    yield* here.save("second")
    expect([yield* nextHere, yield* nextThere]).toEqual(["second", "second"])
    const last = Option.getOrThrow(yield* here.current)
    expect([yield* nextHere, yield* nextThere]).toEqual([undefined, undefined])
    expect(yield* Effect.flip(here.load)).toMatchObject({ _tag: "StateNotFound" })
    expect(yield* Stream.runCollect(here.history())).toEqual([])
    expect(yield* keysOf(name)).toEqual([])
    // A number that was used is not used again, though nothing is left that could tell.
    expect(yield* there.compareAndSave("third", Revision.absent)).toBeGreaterThan(last.revision)
    expect(yield* nextHere).toBe("third")
  })
)

it.live("options that make no sense are refused when the agent is opened", () =>
  Effect.gen(function* () {
    const driver = yield* openDriver()
    const refused = (expire: unknown) =>
      // Sound: plain JavaScript has no types to tell it.
      Effect.map(
        Effect.flip(on(driver)(RedisAgent.make({ name: "x", schema: State, expire: expire as never }))),
        String
      )
    expect(yield* refused({ after: 0 })).toContain("expire.after is the number 0, and has to be a duration above 0")
    expect(yield* refused({ after: "1 hour", from: "use" })).toContain("expire.from is a string")
    expect(yield* refused({ afterwards: "1 hour" })).toContain("expire is an object, and has to be { after, from }")
  })
)

// ---------------------------------------------------------------------------------------------------------------------
// History

it.effect("a history keeps what is young enough, and at finds what was current then", () =>
  Effect.gen(function* () {
    const driver = yield* openDriver()
    const agent = yield* on(driver)(
      RedisAgent.make({ name: newName(), schema: Schema.Number, history: { maxAge: "10 seconds" } })
    )
    for (let i = 0; i < 6; i++) {
      yield* agent.save(i)
      yield* TestClock.adjust("3 seconds")
    }
    const now = yield* Clock.currentTimeMillis
    expect((yield* Stream.runCollect(agent.history())).map((entry) => entry.state)).toEqual([5, 4, 3])
    expect((yield* agent.at(new Date(now - 4_000))).state).toBe(4)
    expect(yield* Effect.flip(agent.at(new Date(now - 16_000)))).toMatchObject({ _tag: "StateNotFound" })
    // What is too old goes at the next save, and not only from sight.
    yield* agent.save(6)
    expect(Number(yield* send("XLEN", `dgents:{agent:${agent.name}/}:history`))).toBe(3)
  })
)

it.effect("a long history is read page by page, and any part of it", () =>
  Effect.gen(function* () {
    const driver = yield* openDriver()
    const agent = yield* on(driver)(
      RedisAgent.make({ name: newName(), schema: Schema.Number, history: { bounded: 40 } })
    )
    for (let i = 1; i <= 50; i++) yield* agent.save(i)
    const all = yield* Stream.runCollect(agent.history())
    expect(all.map((entry) => entry.state)).toEqual(Array.from({ length: 40 }, (_, i) => 50 - i))
    const states = (options: Revision.HistoryOptions) =>
      Effect.map(Stream.runCollect(agent.history(options)), (entries) => entries.map((entry) => entry.state))
    expect(yield* states({ limit: 17 })).toEqual(Array.from({ length: 17 }, (_, i) => 50 - i))
    expect(yield* states({ limit: 0 })).toEqual([])
    expect(yield* states({ before: all[20]?.revision, limit: 3 })).toEqual([29, 28, 27])
  })
)

// ---------------------------------------------------------------------------------------------------------------------
// What else may be there, and what may get lost

it.live("a key that holds something else is corrupt, and stays as it is", () =>
  Effect.gen(function* () {
    const agent = yield* agentOf()
    const key = `dgents:{agent:${agent.name}/}`
    const failing = {
      load: agent.load,
      save: agent.save(nothing),
      delete: agent.delete,
      sum: agent.increment(state.key("count"))
    }
    for (const [command, value] of [
      ["SET", "hello"],
      ["SET", "dgents1 1 2 3 x t"],
      ["SET", "dgents2 1 2 1 x t\n{}"],
      ["LPUSH", "hello"]
    ] as const) {
      yield* send("DEL", key)
      yield* send(command, key, value)
      const before = yield* send("DUMP", key)
      for (const [name, effect] of Object.entries(failing))
        expect([name, yield* Effect.flip(effect)]).toEqual([name, expect.objectContaining({ _tag: "StateCorrupt" })])
      expect(yield* send("DUMP", key)).toEqual(before)
    }
  })
)

it.live("a write whose answer is lost is found again and acknowledged with its revision", () =>
  Effect.gen(function* () {
    const way = yield* cutProxy(yield* url)
    const driver = yield* openDriver({ url: way.url })
    const agent = yield* on(driver)(RedisAgent.make({ name: newName(), schema: Schema.Number }))
    yield* agent.save(1)
    const { revision } = Option.getOrThrow(yield* agent.current)
    way.cutNext("answer")
    expect(yield* agent.compareAndSave(2, revision)).toBe(revision + 1)
    expect(way.cuts()).toBe(1)
    way.cutNext("answer")
    yield* agent.delete
    expect(way.cuts()).toBe(2)
    expect(yield* agent.current).toEqual(Option.none())
  })
)

it.live("a write that the server never saw is indeterminate, was not done, and can be done again", () =>
  Effect.gen(function* () {
    const way = yield* cutProxy(yield* url)
    const driver = yield* openDriver({ url: way.url })
    const agent = yield* on(driver)(RedisAgent.make({ name: newName(), schema: Schema.Number }))
    yield* agent.save(1)
    way.cutNext("request")
    expect(yield* Effect.flip(agent.save(2))).toMatchObject({ _tag: "WriteIndeterminate" })
    expect(yield* agent.load).toBe(1)
    yield* agent.save(3)
    expect(yield* agent.load).toBe(3)
  })
)

it.live("whoever follows hears of the commit that is still current after a connection was lost", () =>
  Effect.gen(function* () {
    const name = newName()
    const way = yield* cutProxy(yield* url)
    const [here, there] = yield* Effect.all([openDriver({ url: way.url }), openDriver()])
    const mine = yield* on(here)(RedisAgent.make({ name, schema: Schema.Number }))
    const theirs = yield* on(there)(RedisAgent.make({ name, schema: Schema.Number }))
    yield* theirs.save(1)
    const next = yield* following(mine)
    expect(yield* next).toBe(1)
    for (let i = 2; i < 5; i++) {
      way.setOpen(false)
      way.cut()
      yield* theirs.save(i)
      way.setOpen(true)
      expect(yield* next).toBe(i)
    }
  })
)

it.live("agents of one name are one state; after the scope of the driver they are closed", () =>
  Effect.gen(function* () {
    const name = newName()
    const kept = yield* Effect.scoped(
      Effect.gen(function* () {
        const driver = yield* openDriver()
        const agent = yield* on(driver)(RedisAgent.make({ name, schema: Schema.Number }))
        yield* agent.save(1)
        return agent
      })
    )
    expect(yield* Effect.flip(kept.load)).toMatchObject({ _tag: "AgentClosed" })
    expect(yield* Effect.flip(kept.increment(Optic.id<number>()))).toMatchObject({ _tag: "StateInvalid" })
    const again = yield* Effect.flatMap(openDriver(), (driver) =>
      on(driver)(RedisAgent.make({ name, schema: Schema.Number }))
    )
    expect(yield* again.load).toBe(1)
    expect(yield* DataAgent.exists(again)).toBe(true)
    expect(Exit.isSuccess(yield* Effect.exit(again.delete))).toBe(true)
  })
)

it.live("drivers of two prefixes have states of their own", () =>
  Effect.gen(function* () {
    const name = newName()
    const open = (prefix: string) =>
      Effect.flatMap(openDriver({ prefix }), (driver) => on(driver)(RedisAgent.family({ name, schema: Schema.Number })))
    const [a, b] = [yield* open("a{}*"), yield* open("a")]
    yield* a.at("k").save(1)
    yield* b.at("k").save(2)
    expect([yield* a.at("k").load, yield* b.at("k").load]).toEqual([1, 2])
    expect(yield* Stream.runCollect(a.keys())).toEqual(["k"])
  })
)

it.live("many keys are listed without a read of any state, and loaded in one go", () =>
  Effect.gen(function* () {
    const driver = yield* openDriver()
    const family = yield* on(driver)(RedisAgent.family({ name: newName(), schema: Schema.Number }))
    const keys = Array.from({ length: 2_500 }, (_, i) => `user/${i}`)
    yield* family.saveMany(keys.map((key, i) => [key, i] as const))
    const before = yield* reads
    expect((yield* Stream.runCollect(family.keys({ prefix: "user/1" }))).toSorted()).toEqual(
      keys.filter((key) => key.startsWith("user/1")).toSorted()
    )
    expect(yield* reads).toBe(before)
    const loaded = yield* family.loadMany([...keys, "nobody"])
    expect([...loaded]).toEqual(keys.map((key, i) => [key, i]))
    yield* family.deleteMany(keys)
    expect(yield* Stream.runCollect(family.keys())).toEqual([])
  })
)

const reads = Effect.map(send("INFO", "commandstats"), (info) =>
  Array.from(String(info).matchAll(/cmdstat_m?get:calls=(\d+)/g), ([, calls]) => Number(calls)).reduce(
    (a, b) => a + b,
    0
  )
)

it.live("loads that start together share commands, and each is answered for itself", () =>
  Effect.gen(function* () {
    const driver = yield* openDriver()
    const name = newName()
    const family = yield* on(driver)(RedisAgent.family({ name, schema: Schema.Number }))
    const keys = Array.from({ length: 200 }, (_, i) => `user/${i}`)
    yield* family.saveMany(keys.map((key, i) => [key, i] as const))
    yield* family.at("user/3").delete
    const foreign = String(yield* send("KEYS", `*${name}/user/7}`))
    yield* send("DEL", foreign)
    yield* send("SADD", foreign, "a member")
    const before = yield* reads
    const loads = yield* Effect.forEach([...keys, "user/1", "user/3"], (key) => Effect.exit(family.at(key).load), {
      concurrency: "unbounded"
    })
    expect((yield* reads) - before).toBeLessThan(20)
    for (const [i, exit] of loads.entries()) {
      if (i === 7) expect(exit).toMatchObject({ _tag: "Failure" })
      else if (i === 3 || i === 201)
        expect(Exit.isFailure(exit) && Exit.findErrorOption(exit)).toMatchObject({ value: { _tag: "StateNotFound" } })
      else expect(exit).toEqual(Exit.succeed(i === 200 ? 1 : i))
    }
    const error = yield* Effect.flip(family.at("user/7").load)
    expect(loads[7]).toEqual(Exit.fail(error))
    expect(error._tag).toBe("StateCorrupt")
  })
)

it.live("each save has the revision after the one before it, whatever that ends with, alone and with others", () =>
  Effect.gen(function* () {
    const family = yield* on(yield* openDriver())(RedisAgent.family({ name: newName(), schema: Schema.Number }))
    const revisionsOf = (keys: ReadonlyArray<string>) =>
      Effect.forEach(keys, (key) => Effect.map(family.at(key).current, Option.getOrThrow), { concurrency: "unbounded" })
    for (const keys of [["a"], ["b", "c"]]) {
      yield* Effect.forEach(keys, (key) => family.at(key).save(0))
      const first = yield* revisionsOf(keys)
      for (let n = 1; n <= 21; n++) {
        const saved = yield* Effect.forEach(
          keys,
          (key, i) => family.at(key).compareAndSave(n, Revision.make((first[i]?.revision ?? 0) + n - 1)),
          { concurrency: "unbounded" }
        )
        expect(saved).toEqual(first.map(({ revision }) => revision + n))
      }
      const stale = yield* Effect.forEach(
        keys,
        (key) => Effect.flip(family.at(key).compareAndSave(0, Revision.make(5))),
        {
          concurrency: "unbounded"
        }
      )
      expect(stale).toMatchObject(
        first.map(({ revision }) => ({ _tag: "RevisionConflict", expected: 5, actual: revision + 21 }))
      )
    }
  })
)

it.live(
  "a save after somebody else removed the state is a new one, above all that there was, alone and with others",
  () =>
    Effect.gen(function* () {
      const options = { name: newName(), schema: Schema.Number }
      const family = yield* on(yield* openDriver())(RedisAgent.family(options))
      const other = yield* on(yield* openDriver())(RedisAgent.family(options))
      for (const count of [1, 2, 40]) {
        const keys = Array.from({ length: count }, (_, i) => `of ${count}: ${i}`)
        const agents = keys.map(family.at)
        const isRemoved = (i: number) => i % 3 === 0
        const together = { concurrency: "unbounded" } as const
        yield* Effect.forEach(agents, (agent, i) => agent.save(i), together)
        const before = yield* Effect.forEach(agents, (agent) => Effect.map(agent.current, Option.getOrThrow))
        yield* other.deleteMany(keys.filter((_, i) => isRemoved(i)))
        // What was there is compared with what is there now.
        const compared = yield* Effect.forEach(
          agents,
          (agent, i) => Effect.exit(agent.compareAndSave(-1, before[i]?.revision ?? Revision.make(1))),
          together
        )
        for (const [i, exit] of compared.entries()) {
          if (isRemoved(i)) expect(Exit.findErrorOption(exit)).toMatchObject({ value: { actual: 0 } })
          else expect(exit).toEqual(Exit.succeed((before[i]?.revision ?? 0) + 1))
        }
        yield* Effect.forEach(agents, (agent, i) => agent.save(100 + i), together)
        yield* other.deleteMany(keys.filter((_, i) => isRemoved(i)))
        yield* Effect.forEach(agents, (agent, i) => agent.save(200 + i), together)
        const after = yield* Effect.forEach(keys, (key) => Effect.map(other.at(key).current, Option.getOrThrow))
        expect(after.map(({ state }) => state)).toEqual(keys.map((_, i) => 200 + i))
        for (const [i, { revision }] of after.entries()) {
          const last = before[i]?.revision ?? 0
          if (isRemoved(i)) expect(revision).toBeGreaterThan(last)
          else expect(revision).toBe(last + 3)
        }
      }
    })
)

it.live("a load that is interrupted before it was sent does not disturb those beside it", () =>
  Effect.gen(function* () {
    const family = yield* on(yield* openDriver())(RedisAgent.family({ name: newName(), schema: Schema.Number }))
    yield* family.saveMany([
      ["a", 1],
      ["b", 2],
      ["c", 3]
    ])
    const interrupted = yield* Effect.forkChild(family.at("b").load, { startImmediately: true })
    const others = yield* Effect.forkChild(Effect.all([family.at("a").load, family.at("c").load], { concurrency: 2 }), {
      startImmediately: true
    })
    yield* Fiber.interrupt(interrupted)
    expect(yield* Fiber.join(others)).toEqual([1, 3])
  })
)

it.live("a cache over a state on the server answers without it, and hears of what others write", () =>
  Effect.gen(function* () {
    const name = newName()
    const open = Effect.flatMap(openDriver(), (driver) => on(driver)(RedisAgent.make({ name, schema: Schema.Number })))
    const cached = yield* Cached.make(yield* open)
    const theirs = yield* open
    yield* theirs.save(1)
    yield* until(Effect.map(Effect.option(cached.load), (n) => Option.contains(n, 1)))
    const before = yield* reads
    for (let i = 0; i < 100; i++) yield* cached.load
    expect(yield* reads).toBe(before)
    yield* theirs.save(2)
    yield* until(Effect.map(cached.load, (n) => n === 2))
  })
)

const until = <E>(isSo: Effect.Effect<boolean, E>): Effect.Effect<void, E> =>
  Effect.flatMap(isSo, (isSo_) => (isSo_ ? Effect.void : Effect.andThen(Effect.sleep("5 millis"), until(isSo))))
