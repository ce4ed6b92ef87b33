import { expect, it } from "@effect/vitest"
import { StateError, StreamAgent } from "dgents"
import { Effect, Fiber, Option, Schema, Stream } from "effect"
import * as A from "./account.ts"

/** The balance alone: what is deposited or withdrawn follows from it. */
const balance = {
  name: "balance",
  events: A.Event,
  state: Schema.Struct({ balance: Schema.Number, changes: Schema.Number }),
  initial: { balance: 0, changes: 0 },
  fold: (state: Balance, event: A.Event): Balance =>
    event._tag === "Opened"
      ? state
      : {
          balance: state.balance + (event._tag === "Deposited" ? event.amount : -event.amount),
          changes: state.changes + 1
        }
}
interface Balance {
  readonly balance: number
  readonly changes: number
}

/** As many events as there are changes, all but the last one of nothing. */
const diff = (before: Balance, after: Balance) => {
  const difference = after.balance - before.balance
  const nothing = Array.from({ length: after.changes - before.changes - 1 }, () => A.deposited(0))
  return [...nothing, difference < 0 ? A.withdrawn(-difference) : A.deposited(difference)]
}

const open = Effect.gen(function* () {
  const log = yield* A.onMemory
  const stream = yield* log.make(balance)
  return { log, stream, agent: StreamAgent.asDataAgent(stream, { diff }) }
})

it.effect("a save appends the difference, and its revision is the position", () =>
  Effect.gen(function* () {
    const { agent, stream } = yield* open
    expect(yield* agent.load).toEqual({ balance: 0, changes: 0 })
    expect(yield* agent.current).toEqual(Option.none())
    yield* agent.save({ balance: 5, changes: 1 })
    yield* agent.update((state) => ({ balance: state.balance - 7, changes: state.changes + 2 }))
    const events = yield* Stream.runCollect(stream.events())
    expect(events.map(({ event }) => event)).toEqual([A.deposited(5), A.deposited(0), A.withdrawn(7)])
    expect(Option.getOrThrow(yield* agent.current)).toMatchObject({ revision: 3, state: { balance: -2, changes: 3 } })
    expect((yield* stream.load).balance).toBe(-2)
    const history = yield* Stream.runCollect(agent.history())
    expect(history.map(({ revision, state }) => [revision, state.balance])).toEqual([
      [3, -2],
      [2, 5],
      [1, 5]
    ])
  })
)

it.effect("a difference that does not lead to the state is refused, and nothing is written", () =>
  Effect.gen(function* () {
    const { agent, stream } = yield* open
    const wrong = StreamAgent.asDataAgent(stream, { diff: () => [A.deposited(1)] })
    const error = yield* Effect.flip(wrong.save({ balance: 9, changes: 1 }))
    expect(error).toBeInstanceOf(StateError.StateInvalid)
    const none = StreamAgent.asDataAgent(stream, { diff: () => [] })
    expect((yield* Effect.flip(none.save({ balance: 0, changes: 0 }))).message).toContain("gave no event")
    expect(yield* agent.current).toEqual(Option.none())
    expect((yield* stream.bounds).last).toBe(0)
  })
)

it.effect("what the codec stores alike is no difference", () =>
  Effect.gen(function* () {
    const Scores = Schema.Struct({ scores: Schema.Record(Schema.String, Schema.Number) })
    const stream = yield* (yield* A.onMemory).make({
      name: "scores",
      events: Schema.TaggedStruct("Set", { state: Scores }),
      state: Scores,
      initial: { scores: {} },
      fold: (_, { state }) => state
    })
    const agent = StreamAgent.asDataAgent(stream, { diff: (_, state) => [{ _tag: "Set" as const, state }] })
    // Comes back with the prototype that all objects have.
    const bare: Record<string, number> = Object.create(null)
    yield* agent.save({ scores: bare })
    expect(yield* agent.load).toEqual({ scores: {} })
  })
)

it.effect("a save that somebody came before takes the difference to what he left", () =>
  Effect.gen(function* () {
    const { agent, log, stream } = yield* open
    const other = yield* log.make(balance)
    let isDisturbed = false
    const disturbed = StreamAgent.asDataAgent(stream, {
      diff: (before, after) => {
        if (!isDisturbed) Effect.runSync(other.append(A.deposited(3)))
        isDisturbed = true
        return diff(before, after)
      }
    })
    yield* disturbed.save({ balance: 10, changes: 5 })
    expect(yield* agent.load).toEqual({ balance: 10, changes: 5 })
    expect((yield* stream.at(1)).state.balance).toBe(3)
  })
)

it.effect(
  "what is deleted is seen no more, and leaves the log with a compaction, for which no snapshot is needed",
  () =>
    Effect.gen(function* () {
      const { agent, log, stream } = yield* open
      yield* agent.save({ balance: 5, changes: 1 })
      yield* agent.save({ balance: 6, changes: 2 })
      yield* agent.delete
      expect(yield* agent.current).toEqual(Option.none())
      expect(yield* agent.load).toEqual(balance.initial)
      expect(yield* Stream.runCollect(agent.history())).toEqual([])
      expect((yield* Effect.flip(agent.at(new Date(0))))._tag).toBe("StateNotFound")
      yield* agent.delete
      expect((yield* stream.bounds).last).toBe(3)
      yield* agent.save({ balance: 1, changes: 1 })
      yield* stream.compact(1)
      expect(yield* stream.bounds).toEqual({ compacted: 2, last: 4 })
      for (const one of [stream, yield* log.make(balance)]) {
        expect(yield* one.load).toEqual({ balance: 1, changes: 1 })
        expect(yield* Stream.runCount(one.history({ from: 3 }))).toBe(1)
        const again = StreamAgent.asDataAgent(one, { diff })
        expect((yield* Stream.runCollect(again.history())).map(({ revision }) => revision)).toEqual([4])
      }
    })
)

it.effect("changes tell of saves and deletions, whoever makes them", () =>
  Effect.gen(function* () {
    const { agent, log } = yield* open
    yield* agent.save({ balance: 1, changes: 1 })
    const other = StreamAgent.asDataAgent(yield* log.make(balance), { diff })
    const fiber = yield* Effect.forkChild(Stream.runCollect(Stream.take(agent.changes, 4)))
    yield* Effect.yieldNow
    yield* other.save({ balance: 2, changes: 2 })
    yield* other.delete
    yield* agent.save({ balance: 7, changes: 1 })
    const changes = yield* Fiber.join(fiber)
    expect(changes.map((change) => [change._tag, change.revision])).toEqual([
      ["Saved", 1],
      ["Saved", 2],
      ["Deleted", 2],
      ["Saved", 4]
    ])
  })
)

it.effect("a history of many pages has each state once, newest first", () =>
  Effect.gen(function* () {
    const { agent, stream } = yield* open
    yield* stream.append(Array.from({ length: 200 }, () => A.deposited(1)))
    const all = yield* Stream.runCollect(agent.history())
    expect(all.map(({ state }) => state.balance)).toEqual(Array.from({ length: 200 }, (_, i) => 200 - i))
    const before = all[49]?.revision
    const some = yield* Stream.runCollect(agent.history({ before, limit: 70 }))
    expect(some.map(({ revision }) => Number(revision))).toEqual(Array.from({ length: 70 }, (_, i) => 150 - i))
  })
)

it.effect("an error of the stream is one of those that every agent has", () =>
  Effect.gen(function* () {
    const { log } = yield* open
    yield* (yield* log.make({ ...balance, events: Schema.TaggedStruct("Other", {}), fold: (s) => s })).append({
      _tag: "Other"
    })
    const agent = StreamAgent.asDataAgent(yield* log.make(balance), { diff })
    const error = yield* Effect.flip(agent.load)
    expect(StateError.isStateError(error)).toBe(true)
    expect(error.message).toContain("position 1")
  })
)

it.effect("a stream can keep the snapshots of another one", () =>
  Effect.gen(function* () {
    const log = yield* A.onMemory
    const Set = Schema.TaggedStruct("Set", { snapshot: StreamAgent.Snapshot })
    const none = { fold: "", latest: { position: 0, at: 0, since: 0, state: "" } }
    const snapshots = yield* log.make({
      name: "snapshots",
      events: Set,
      state: StreamAgent.Snapshot,
      initial: none,
      fold: (_, { snapshot }) => snapshot
    })
    const agent = StreamAgent.asDataAgent(snapshots, { diff: (_, snapshot) => [{ _tag: "Set" as const, snapshot }] })
    const account = yield* log.make({ ...A.account, snapshots: { agent, every: 2 } })
    yield* account.append([A.deposited(1), A.deposited(2), A.deposited(3)])
    yield* account.load
    yield* account.compact(3)
    expect((yield* (yield* log.make({ ...A.account, snapshots: { agent, every: 2 } })).load).balance).toBe(6)
  })
)
