import { expect, it } from "@effect/vitest"
import { Codec, DataAgent, MemoryLog, StateError, StreamAgent, StreamError, VolatileAgent } from "dgents"
import { Effect, Exit, Option, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import { Keeper } from "../../../src/agents/stream/snapshot.ts"
import * as A from "./account.ts"

const deposits = (n: number) => Array.from({ length: n }, () => A.deposited(1))

it.effect("after a restart a load reads the snapshot and the events behind it", () =>
  Effect.gen(function* () {
    const { count, log } = A.counting(yield* MemoryLog.make)
    const options = { ...A.account, snapshots: yield* A.snapshots() }
    const account = yield* A.on(log).make(options)
    yield* account.append(deposits(2_003))
    yield* account.load
    yield* account.append(deposits(5))
    count.events = 0
    const again = yield* A.on(log).make(options)
    expect((yield* again.load).balance).toBe(2_008)
    // Snapshots are taken at the end of a page; one event is read to see that the log is still the one it was.
    expect(count.events).toBe(1 + 8)
  })
)

it.effect("snapshots are taken by number, and by size", () =>
  Effect.gen(function* () {
    const log = yield* A.onMemory
    const taken = (limits: { readonly every?: number; readonly bytes?: number }) =>
      Effect.gen(function* () {
        const { agent } = yield* A.snapshots()
        const account = yield* log.make({ ...A.account, name: JSON.stringify(limits), snapshots: { agent, ...limits } })
        for (let i = 0; i < 100; i++) {
          yield* account.append(A.deposited(1))
          yield* account.load
        }
        const kept = yield* agent.current
        return Option.isSome(kept) ? [kept.value.revision, kept.value.state.latest.position] : []
      })
    expect(yield* taken({ every: 30 })).toEqual([3, 90])
    // 31 bytes an event.
    expect(yield* taken({ bytes: 1_000 })).toEqual([3, 99])
    expect(yield* taken({ every: 30, bytes: 1_000 })).toEqual([3, 90])
    expect(yield* taken({})).toEqual([])
  })
)

it.effect("a snapshot that is deleted, damaged, or of another fold, version, schema or log changes nothing", () =>
  Effect.gen(function* () {
    const log = yield* A.onMemory
    const snapshots = yield* A.snapshots()
    const open = (options: Partial<typeof A.account> & { readonly version?: number }) =>
      log.make({ ...A.account, snapshots, ...options })
    const account = yield* open({})
    yield* account.append(deposits(25))
    const state = yield* account.load
    const twice = (state: A.State, event: A.Event) => A.fold(A.fold(state, event), event)
    expect((yield* (yield* open({ fold: twice, version: 2 })).load).balance).toBe(50)
    expect(yield* (yield* open({})).load).toEqual(state)
    const More = Schema.Struct({ ...A.State.fields, note: Schema.optionalKey(Schema.String) })
    const more = yield* log.make({
      ...A.account,
      snapshots,
      state: More,
      initial: { ...A.initial, note: "n" },
      fold: (state, event) => ({ ...state, ...A.fold(state, event) })
    })
    expect((yield* more.load).note).toBe("n")
    yield* snapshots.agent.delete
    expect(yield* (yield* open({})).load).toEqual(state)
    const good = yield* snapshots.agent.load
    yield* snapshots.agent.save({ ...good, latest: { ...good.latest, state: '{"balance":1e9}' } })
    expect(yield* (yield* open({})).load).toEqual(state)
    // A log that was lost and is shorter, or longer again.
    yield* snapshots.agent.save(good)
    const other = yield* A.onMemory
    const lost = yield* other.make({ ...A.account, snapshots })
    expect(yield* lost.load).toEqual(A.initial)
    yield* TestClock.adjust("1 minute")
    yield* lost.append(Array.from({ length: 40 }, () => A.deposited(2)))
    expect((yield* (yield* other.make({ ...A.account, snapshots })).load).balance).toBe(80)
  })
)

it.effect("a snapshot that cannot be saved fails no load", () =>
  Effect.gen(function* () {
    const log = yield* A.onMemory
    const refused = new StateError.StorageUnavailable({
      agent: "full",
      operation: "write",
      reason: "the disk is full",
      retryable: false
    })
    const agent = yield* DataAgent.fromRegister({
      name: "full",
      schema: StreamAgent.Snapshot,
      claims: VolatileAgent.claims(),
      register: {
        read: Effect.succeed(Option.none()),
        write: () => Effect.fail(refused),
        remove: Effect.succeed(Option.none())
      }
    })
    const account = yield* log.make({ ...A.account, snapshots: { agent, every: 1 } })
    yield* account.append(deposits(3))
    expect((yield* account.load).balance).toBe(3)
    const picky = yield* log.make({
      ...A.account,
      state: Schema.Struct({ ...A.State.fields, balance: Schema.Number.check(Schema.isLessThan(3)) }),
      snapshots: { ...(yield* A.snapshots()), every: 1 }
    })
    expect((yield* picky.load).balance).toBe(3)
    expect(yield* Effect.flip(picky.compact(3))).toMatchObject({ _tag: "FoldFailed", position: 3 })
  })
)

it.effect("a family keeps the snapshots of each key", () =>
  Effect.gen(function* () {
    const log = yield* A.onMemory
    const agent = yield* VolatileAgent.family({ name: "snapshots", schema: StreamAgent.Snapshot })
    const accounts = yield* log.family({ ...A.account, snapshots: { agent, every: 2 } })
    for (const key of ["a", "b"]) {
      yield* accounts.at(key).append(deposits(3))
      yield* accounts.at(key).load
    }
    expect([...(yield* Stream.runCollect(agent.keys()))].sort()).toEqual(["a", "b"])
  })
)

it.effect("an earlier state is reached from the nearest snapshot, where those have a history", () =>
  Effect.gen(function* () {
    const { count, log } = A.counting(yield* MemoryLog.make)
    const snapshots = { ...(yield* A.snapshots({ history: "full" })), every: 100 }
    const account = yield* A.on(log).make({ ...A.account, snapshots })
    for (let i = 0; i < 30; i++) {
      yield* TestClock.adjust("1 second")
      yield* account.append(deposits(100))
      yield* account.load
    }
    count.events = 0
    expect((yield* account.at(1_250)).state.balance).toBe(1_250)
    expect(count.events).toBeLessThan(200)
  })
)

// ---------------------------------------------------------------------------------------------------------------------
// Compaction

it.effect("a compaction changes no load, now or after a restart, and later states can still be reached", () =>
  Effect.gen(function* () {
    const log = yield* A.onMemory
    const options = { ...A.account, snapshots: yield* A.snapshots() }
    const account = yield* log.make(options)
    yield* Effect.forEach(Array.from({ length: 95 }), () =>
      Effect.andThen(TestClock.adjust("1 second"), account.append(A.deposited(1)))
    )
    const before = yield* account.load
    yield* account.compact(51)
    expect(yield* account.bounds).toEqual({ compacted: 50, last: 95 })
    expect(yield* account.load).toEqual(before)
    const again = yield* log.make(options)
    expect(yield* again.load).toEqual(before)
    for (const stream of [account, again]) {
      for (const position of [50, 51, 60, 95]) expect((yield* stream.at(position)).state.balance).toBe(position)
      expect((yield* stream.at(new Date(70_500))).state.balance).toBe(70)
      expect((yield* stream.at(new Date(50_500))).state.balance).toBe(50)
      const history = yield* Stream.runCollect(stream.history({ from: 51 }))
      expect(history.map(({ state }) => state.balance)).toEqual(Array.from({ length: 45 }, (_, i) => 51 + i))
    }
  })
)

it.effect("later snapshots leave what a compaction relies on", () =>
  Effect.gen(function* () {
    const log = yield* A.onMemory
    const options = { ...A.account, snapshots: yield* A.snapshots() }
    const account = yield* log.make(options)
    yield* account.append(deposits(30))
    yield* account.compact(11)
    yield* account.append(deposits(30))
    yield* account.load
    expect((yield* options.snapshots.agent.load).latest.position).toBe(60)
    expect((yield* (yield* log.make(options)).at(12)).state.balance).toBe(12)
    // A compaction further back than another one keeps what that one relies on.
    yield* account.compact(21)
    yield* (yield* log.make(options)).compact(5)
    expect((yield* account.at(20)).state.balance).toBe(20)
  })
)

it.effect("of two folds in one agent, the one whose events are compacted keeps its snapshots", () =>
  Effect.gen(function* () {
    const { agent } = yield* A.snapshots()
    const codec = Codec.json(Schema.Number)
    const keeper = (fold: string) => new Keeper({ agent }, fold, codec, { agent: "numbers" })
    const [one, other] = [keeper("one"), keeper("other")]
    const mark = (position: number) => ({ position, at: 0, since: 0, state: "1" })
    yield* one.save(mark(1))
    yield* other.save(mark(2))
    expect(yield* one.marks).toEqual([])
    yield* one.pin(mark(3), mark(4))
    yield* other.save(mark(9))
    expect(yield* Effect.flip(other.pin(mark(9), mark(9)))).toMatchObject({ operation: "compact", retryable: false })
    yield* one.save(mark(2))
    expect(yield* one.marks).toEqual([mark(4), mark(3)])
  })
)

it.effect("what a compaction removed says so", () =>
  Effect.gen(function* () {
    const log = yield* A.onMemory
    const account = yield* log.make({ ...A.account, snapshots: yield* A.snapshots() })
    yield* Effect.forEach(Array.from({ length: 95 }), () =>
      Effect.andThen(TestClock.adjust("1 second"), account.append(A.deposited(1)))
    )
    yield* account.compact(new Date(51_000))
    const gone = [
      account.at(49),
      account.at(1),
      account.at(new Date(49_000)),
      account.at(new Date(0)),
      Stream.runDrain(account.events()),
      Stream.runDrain(account.events({ from: 50 })),
      Stream.runDrain(account.events({ from: new Date(0) })),
      Stream.runDrain(account.events({ to: new Date(9_000) })),
      Stream.runDrain(account.history()),
      Stream.runDrain(account.history({ from: 2, to: 3 })),
      Stream.runDrain(account.changes())
    ]
    for (const operation of gone) {
      const error = yield* Effect.flip<unknown, unknown, never>(operation)
      expect(error).toBeInstanceOf(StreamError.EventsCompacted)
      expect(error).toMatchObject({ compacted: 50 })
    }
    expect(yield* Stream.runCount(account.events({ from: new Date(52_000) }))).toBe(44)
    expect(yield* Stream.runCount(account.events({ from: 51, to: new Date(9_000) }))).toBe(0)
    // What was before the first event is known.
    expect((yield* account.at(0)).state).toEqual(A.initial)
  })
)

it.effect("a compaction keeps the last event, and appends go on behind it", () =>
  Effect.gen(function* () {
    const log = yield* A.onMemory
    const account = yield* log.make({ ...A.account, snapshots: yield* A.snapshots() })
    yield* account.append(deposits(5))
    yield* account.compact(99)
    expect(yield* account.bounds).toEqual({ compacted: 4, last: 5 })
    yield* account.compact(2)
    yield* account.compact(Number.NaN)
    expect(yield* account.bounds).toEqual({ compacted: 4, last: 5 })
    expect(yield* account.append(A.deposited(1), { expected: 5 })).toBe(6)
    expect((yield* account.load).balance).toBe(6)
  })
)

it.effect("an agent that was left behind by a compaction of another one loads what there is", () =>
  Effect.gen(function* () {
    const log = yield* A.onMemory
    const options = { ...A.account, snapshots: yield* A.snapshots() }
    const [behind, other] = [yield* log.make(options), yield* log.make(options)]
    yield* behind.append(deposits(3))
    yield* behind.load
    yield* other.append(deposits(50))
    yield* other.compact(48)
    expect((yield* behind.load).balance).toBe(53)
  })
)

it.effect("without snapshots, or with some that promise less than the log, nothing is compacted", () =>
  Effect.gen(function* () {
    const memory = yield* MemoryLog.make
    const powerful = { ...A.counting(memory).log, claims: { ...memory.claims, durability: "power" as const } }
    const bare = yield* A.on(memory).make(A.account)
    yield* bare.append(deposits(5))
    const error = yield* Effect.flip(bare.compact(3))
    expect(error).toMatchObject({ _tag: "StorageUnavailable", operation: "compact", retryable: false })
    const weak = yield* A.on(powerful).make({ ...A.account, snapshots: yield* A.snapshots() })
    expect((yield* Effect.flip(weak.compact(3))).message).toContain("promise less than its log")
    expect((yield* bare.bounds).compacted).toBe(0)
  })
)

it.effect("a fold of another version neither loads behind a compaction nor overwrites what the other one needs", () =>
  Effect.gen(function* () {
    const log = yield* A.onMemory
    const options = { ...A.account, snapshots: yield* A.snapshots() }
    const first = yield* log.make(options)
    const second = yield* log.make({ ...options, version: 2 })
    yield* first.append(deposits(30))
    yield* second.load
    yield* first.compact(20)
    const late = yield* log.make({ ...options, version: 2 })
    const error = yield* Effect.flip(late.load)
    expect(error).toMatchObject({ _tag: "EventsCompacted", wanted: 1, compacted: 19 })
    yield* second.append(deposits(20))
    expect((yield* second.load).balance).toBe(50)
    expect(Exit.isFailure(yield* Effect.exit(second.compact(40)))).toBe(true)
    expect((yield* (yield* log.make(options)).load).balance).toBe(50)
  })
)

it.effect("a snapshot that was lost behind a compaction is an error and no wrong state", () =>
  Effect.gen(function* () {
    const log = yield* A.onMemory
    const options = { ...A.account, snapshots: yield* A.snapshots() }
    const account = yield* log.make(options)
    yield* account.append(deposits(30))
    yield* account.compact(20)
    yield* options.snapshots.agent.delete
    expect((yield* account.load).balance).toBe(30)
    expect(yield* Effect.flip((yield* log.make(options)).load)).toMatchObject({
      _tag: "EventsCompacted",
      compacted: 19
    })
  })
)
