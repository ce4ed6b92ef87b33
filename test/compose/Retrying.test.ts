import { expect, it } from "@effect/vitest"
import { DataAgent, type Register, Retrying, Revision, StateError, VolatileAgent } from "dgents"
import { Faults } from "dgents/testing"
import { Effect, Fiber, Option, Schedule, Stream } from "effect"
import { TestClock } from "effect/testing"
import { backend, Counter } from "./support.ts"

const atOnce = { schedule: Schedule.recurs(3) }
const counters = VolatileAgent.make({ name: "counter", schema: Counter, initial: { n: 0 }, history: "full" })

/** A retrying agent over one that fails as told, and both the faults and the agent that does not fail. */
const failing = (options: Retrying.Options = atOnce) =>
  Effect.map(counters, (below) => {
    const faults = Faults.make()
    return { below, faults, agent: Faults.agent(below, faults).pipe(Retrying.make(options)) }
  })

it.effect("reads and writes that did not happen are tried again until they do", () =>
  Effect.gen(function* () {
    const { agent, below, faults } = yield* failing()
    for (const n of [0, 1, 2]) {
      const fail = () => faults.arm(Faults.plan(1, { does: "refuse", from: 0, until: n + 1 }))
      fail()
      yield* agent.save({ n })
      fail()
      expect(yield* agent.load).toEqual({ n })
      fail()
      yield* agent.update(({ n }) => ({ n: n + 10 }))
      fail()
      expect((yield* agent.at(new Date(8e15))).state).toEqual({ n: n + 10 })
      fail()
      expect((yield* Stream.runCollect(agent.history())).length).toBe(2)
      fail()
      expect(Option.isSome(yield* Stream.runHead(agent.changes))).toBe(true)
      fail()
      yield* agent.delete
    }
    faults.lift()
    expect(yield* DataAgent.exists(below)).toBe(false)
  })
)

it.effect("after the schedule has ended, the failure is the storage's", () =>
  Effect.gen(function* () {
    const { agent, faults } = yield* failing()
    faults.arm(Faults.plan(1, { does: "refuse", from: 0 }))
    expect(yield* Effect.flip(agent.load)).toMatchObject({ _tag: "StorageUnavailable", retryable: true })
    expect(faults.count).toBe(4)
  })
)

it.effect("what is not worth trying again is not tried again", () =>
  Effect.gen(function* () {
    let tries = 0
    const agent = yield* DataAgent.fromRegister({
      name: "broken",
      schema: Counter,
      claims: { durability: "power", consistency: "linearizable", sharing: "process", history: "none" },
      register: {
        read: Effect.suspend(() => {
          tries++
          return Effect.fail(
            new StateError.StorageUnavailable({ agent: "broken", operation: "read", reason: "no", retryable: false })
          )
        }),
        write: () => Effect.die("unused"),
        remove: Effect.die("unused")
      }
    })
    expect((yield* Effect.flip(Retrying.make(agent, atOnce).load))._tag).toBe("StorageUnavailable")
    expect(tries).toBe(1)
  })
)

it.effect("a save whose reply was lost is not tried again, nor is a deletion or a creation", () =>
  Effect.gen(function* () {
    const { agent, below, faults } = yield* failing()
    const lose = () => faults.arm(Faults.plan(1, Faults.failNth(0, "loseReply", { only: ["write", "remove"] })))
    lose()
    expect((yield* Effect.flip(agent.compareAndSave({ n: 1 }, Revision.absent)))._tag).toBe("WriteIndeterminate")
    expect(Option.getOrThrow(yield* below.current).revision).toBe(1)
    lose()
    expect((yield* Effect.flip(agent.save({ n: 2 })))._tag).toBe("WriteIndeterminate")
    expect(Option.getOrThrow(yield* below.current).revision).toBe(2)
    lose()
    expect((yield* Effect.flip(agent.delete))._tag).toBe("WriteIndeterminate")
  })
)

it.effect("a creation whose reply was lost is not tried again, since somebody may have deleted it by then", () =>
  Effect.gen(function* () {
    let writes = 0
    const agent = yield* DataAgent.fromRegister({
      name: "deleted",
      schema: Counter,
      claims: { durability: "power", consistency: "linearizable", sharing: "network", history: "none" },
      register: {
        read: Effect.succeedNone,
        // The first was deleted by another process, and nothing is stored again.
        write: () =>
          Effect.suspend(() =>
            ++writes === 1
              ? Effect.fail(new StateError.WriteIndeterminate({ agent: "deleted", reason: "the reply was lost" }))
              : Effect.succeed(Revision.make(3))
          ),
        remove: Effect.succeedNone
      }
    })
    const created = Retrying.make(agent, atOnce).compareAndSave({ n: 1 }, Revision.absent)
    expect((yield* Effect.flip(created))._tag).toBe("WriteIndeterminate")
    expect(writes).toBe(1)
  })
)

it.effect("a write at a revision whose request was lost is tried again, and happens once", () =>
  Effect.gen(function* () {
    const { agent, below, faults } = yield* failing()
    yield* below.save({ n: 1 })
    faults.arm(Faults.plan(1, Faults.failNth(0, "loseRequest", { only: ["write"] })))
    expect(yield* agent.update(({ n }) => ({ n: n + 1 }))).toEqual({ n: 2 })
    expect(Option.getOrThrow(yield* below.current)).toMatchObject({ state: { n: 2 }, revision: 2 })
  })
)

it.effect("a write at a revision whose reply was lost stays indeterminate: nothing is done twice", () =>
  Effect.gen(function* () {
    const { agent, below, faults } = yield* failing()
    yield* below.save({ n: 1 })
    faults.arm(Faults.plan(1, Faults.failNth(0, "loseReply", { only: ["write"] })))
    let ran = 0
    const modify = agent.modify(({ n }) => Effect.sync(() => [ran++, { n: n + 1 }] as const))
    expect((yield* Effect.flip(modify))._tag).toBe("WriteIndeterminate")
    expect(ran).toBe(1)
    expect(Option.getOrThrow(yield* below.current)).toMatchObject({ state: { n: 2 }, revision: 2 })
  })
)

it.effect("a write that was lost and is then refused to the end stays indeterminate", () =>
  Effect.gen(function* () {
    const { agent, below, faults } = yield* failing()
    yield* below.save({ n: 1 })
    const writes = { only: ["write"] }
    faults.arm(
      Faults.plan(1, Faults.failNth(0, "loseReply", writes), Faults.failNth(1, "refuse", { ...writes, forever: true }))
    )
    expect((yield* Effect.flip(agent.compareAndSave({ n: 2 }, Revision.make(1))))._tag).toBe("WriteIndeterminate")
  })
)

it.effect("a conflict with somebody else is a conflict, and is not tried again", () =>
  Effect.gen(function* () {
    const { agent, below } = yield* failing()
    yield* below.save({ n: 1 })
    yield* below.save({ n: 2 })
    expect((yield* Effect.flip(agent.compareAndSave({ n: 3 }, Revision.make(1))))._tag).toBe("RevisionConflict")
  })
)

it.effect("a history that breaks off goes on where it broke off", () =>
  Effect.gen(function* () {
    const entries = [5, 4, 3, 2, 1].map((n) => ({ state: `{"n":${n}}`, revision: Revision.make(n), savedAt: 0 }))
    const refused = new StateError.StorageUnavailable({ agent: "log", operation: "read", reason: "", retryable: true })
    const history: Register.Register["history"] = ({ before = Revision.make(9), limit = 9 }) => {
      const rest = entries.filter(({ revision }) => revision < before).slice(0, limit)
      // Two at a time, then it fails.
      return rest.length <= 2
        ? Stream.fromIterable(rest)
        : Stream.concat(Stream.fromIterable(rest.slice(0, 2)), Stream.fail(refused))
    }
    const agent = yield* DataAgent.fromRegister({
      name: "log",
      schema: Counter,
      claims: { durability: "power", consistency: "linearizable", sharing: "process", history: "full" },
      register: { read: Effect.succeedNone, write: () => Effect.die("unused"), remove: Effect.succeedNone, history }
    })
    const read = (options: Revision.HistoryOptions) =>
      Effect.map(Stream.runCollect(Retrying.make(agent, atOnce).history(options)), (found) =>
        found.map(({ state }) => state.n)
      )
    expect(yield* read({})).toEqual([5, 4, 3, 2, 1])
    expect(yield* read({ limit: 4 })).toEqual([5, 4, 3, 2])
    expect(yield* read({ before: Revision.make(5), limit: 3 })).toEqual([4, 3, 2])
  })
)

it.effect("changes that break off fail, since a commit may have been missed, and are not begun again", () =>
  Effect.gen(function* () {
    const entry = { state: '{"n":1}', revision: Revision.make(1), savedAt: 0 }
    const refused = new StateError.StorageUnavailable({
      agent: "feed",
      operation: "watch",
      reason: "",
      retryable: true
    })
    let begun = 0
    const agent = yield* DataAgent.fromRegister({
      name: "feed",
      schema: Counter,
      claims: { durability: "power", consistency: "linearizable", sharing: "process", history: "none" },
      register: {
        read: Effect.succeedNone,
        write: () => Effect.die("unused"),
        remove: Effect.succeedNone,
        changes: Stream.suspend(() => {
          begun++
          return begun < 3
            ? Stream.fail(refused)
            : Stream.concat(Stream.succeed({ _tag: "Saved", ...entry } as const), Stream.fail(refused))
        })
      }
    })
    const seen: Array<number> = []
    const watching = Stream.runForEach(Retrying.make(agent, atOnce).changes, ({ revision }) =>
      Effect.sync(() => seen.push(revision))
    )
    expect((yield* Effect.flip(watching))._tag).toBe("StorageUnavailable")
    expect([begun, seen]).toEqual([3, [1]])
  })
)

it.effect("by default it waits, longer each time, and gives up after five tries more", () =>
  Effect.gen(function* () {
    const { agent, faults } = yield* failing({})
    faults.arm(Faults.plan(1, { does: "refuse", from: 0 }))
    const loading = yield* Effect.forkChild(Effect.flip(agent.load))
    yield* TestClock.adjust("30 millis")
    expect(faults.count).toBe(1)
    yield* TestClock.adjust("10 seconds")
    expect((yield* Fiber.join(loading))._tag).toBe("StorageUnavailable")
    expect(faults.count).toBe(6)
  })
)

it.effect("of a family the reads are tried again, batches too, and batches of writes are not", () =>
  Effect.gen(function* () {
    let failures = 0
    const refused = new StateError.StorageUnavailable({ agent: "f", operation: "read", reason: "", retryable: true })
    const flaky = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
      Effect.suspend(
        (): Effect.Effect<A, E | StateError.StorageUnavailable, R> => (failures-- > 0 ? Effect.fail(refused) : effect)
      )
    const below = yield* VolatileAgent.family({ name: "f", schema: Counter })
    yield* below.at("a").save({ n: 1 })
    const family = Retrying.family(
      Object.assign(Object.create(below) as typeof below, {
        loadMany: (keys: Iterable<string>) => flaky(below.loadMany(keys)),
        has: (key: string) => flaky(below.has(key)),
        keys: () => Stream.unwrap(flaky(Effect.succeed(below.keys()))),
        saveMany: (states: Iterable<readonly [string, Counter]>) => flaky(below.saveMany(states))
      }),
      atOnce
    )
    failures = 2
    expect([...(yield* family.loadMany(["a"]))]).toEqual([["a", { n: 1 }]])
    failures = 2
    expect(yield* family.has("a")).toBe(true)
    failures = 2
    expect(yield* Stream.runCollect(family.keys())).toEqual(["a"])
    failures = 1
    expect((yield* Effect.flip(family.saveMany([["b", { n: 2 }]])))._tag).toBe("StorageUnavailable")
    expect(yield* below.has("b")).toBe(false)
  })
)

it.effect("when nothing fails, nothing is done twice", () =>
  Effect.gen(function* () {
    const { agent, count } = backend({ schema: Counter, initial: { n: 0 } })
    const retrying = Retrying.make(yield* agent)
    yield* retrying.save({ n: 1 })
    yield* retrying.update(({ n }) => ({ n: n + 1 }))
    yield* retrying.load
    expect(count).toEqual({ reads: 2, writes: 2 })
  })
)
