import { expect, it } from "@effect/vitest"
import { MemoryLog, StreamAgent, StreamError, VolatileAgent } from "dgents"
import { Effect, Fiber, Schema } from "effect"
import * as A from "./account.ts"

const counts = {
  name: "counts",
  state: Schema.Struct({ deposits: Schema.Number, others: Schema.Number }),
  initial: { deposits: 0, others: 0 },
  fold: (state: { readonly deposits: number; readonly others: number }, event: A.Event) =>
    event._tag === "Deposited" ? { ...state, deposits: state.deposits + 1 } : { ...state, others: state.others + 1 }
}

it.effect("a projection that is added later folds what there is, and goes on with what comes", () =>
  Effect.gen(function* () {
    const account = yield* (yield* A.onMemory).make(A.account)
    yield* account.append([A.opened("Ada"), A.deposited(1), A.deposited(2)])
    const projection = yield* StreamAgent.projection(account, counts)
    expect(yield* projection.progress).toEqual({ position: 0, last: 3 })
    expect(yield* projection.load).toEqual({ deposits: 2, others: 1 })
    yield* account.append(A.withdrawn(1))
    expect(yield* projection.progress).toEqual({ position: 3, last: 4 })
    expect(yield* projection.current).toMatchObject({ position: 4, state: { deposits: 2, others: 2 } })
    expect((yield* projection.at(2)).state).toEqual({ deposits: 1, others: 1 })
    expect((yield* account.load).balance).toBe(2)
  })
)

it.effect("its progress is seen while it catches up", () =>
  Effect.gen(function* () {
    const account = yield* (yield* A.onMemory).make(A.account)
    yield* account.append(Array.from({ length: 10_000 }, () => A.deposited(1)))
    const projection = yield* StreamAgent.projection(account, counts)
    const fiber = yield* Effect.forkChild(projection.load)
    const seen = new Set<number>()
    while (!seen.has(10_000)) {
      seen.add((yield* projection.progress).position)
      yield* Effect.yieldNow
    }
    yield* Fiber.join(fiber)
    expect(seen.size).toBeGreaterThan(3)
  })
)

it.effect("it starts from snapshots of its own after a restart, and never from those of another fold", () =>
  Effect.gen(function* () {
    const { count, log } = A.counting(yield* MemoryLog.make)
    const account = yield* A.on(log).make(A.account)
    yield* account.append(Array.from({ length: 500 }, () => A.deposited(1)))
    const agent = yield* VolatileAgent.make({ name: "snapshots", schema: StreamAgent.Snapshot })
    const open = (name: string) =>
      StreamAgent.projection(account, { ...counts, name, snapshots: { agent, every: 100 } })
    yield* Effect.flatMap(open("a"), ({ load }) => load)
    count.events = 0
    expect(yield* (yield* open("a")).progress).toEqual({ position: 500, last: 500 })
    expect(yield* (yield* open("a")).load).toEqual({ deposits: 500, others: 0 })
    expect(count.events).toBeLessThan(10)
    expect(yield* (yield* open("b")).load).toEqual({ deposits: 500, others: 0 })
    expect(count.events).toBeGreaterThan(500)
  })
)

it.effect("a compaction keeps what the open projections need", () =>
  Effect.gen(function* () {
    const log = yield* A.onMemory
    const options = { ...A.account, snapshots: yield* A.snapshots() }
    const account = yield* log.make(options)
    yield* account.append(Array.from({ length: 50 }, () => A.deposited(1)))
    const agent = yield* VolatileAgent.make({ name: "snapshots", schema: StreamAgent.Snapshot })
    yield* StreamAgent.projection(account, { ...counts, snapshots: { agent } })
    yield* account.compact(40)
    const again = yield* StreamAgent.projection(yield* log.make(options), { ...counts, snapshots: { agent } })
    expect(yield* again.load).toEqual({ deposits: 50, others: 0 })
    expect((yield* again.at(45)).state.deposits).toBe(45)
  })
)

it.effect(
  "a compaction waits for no projection that cannot keep its state: it is refused until that one is closed",
  () =>
    Effect.gen(function* () {
      const log = yield* A.onMemory
      const account = yield* log.make({ ...A.account, snapshots: yield* A.snapshots() })
      yield* account.append(Array.from({ length: 50 }, () => A.deposited(1)))
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* StreamAgent.projection(account, counts)
          const error = yield* Effect.flip(account.compact(40))
          expect(error.message).toContain('projection "counts"')
        })
      )
      yield* account.compact(40)
      const late = yield* StreamAgent.projection(account, counts)
      const error = yield* Effect.flip(late.load)
      expect(error).toBeInstanceOf(StreamError.EventsCompacted)
      expect(error.message).toContain('projection "counts"')
    })
)

it.effect("a fold that throws says which projection it is of", () =>
  Effect.gen(function* () {
    const account = yield* (yield* A.onMemory).make(A.account)
    yield* account.append([A.opened("Ada"), A.deposited(1)])
    const projection = yield* StreamAgent.projection(account, {
      ...counts,
      fold: () => {
        throw new Error("no")
      }
    })
    const error = yield* Effect.flip(projection.load)
    expect(error).toMatchObject({ _tag: "FoldFailed", projection: "counts", position: 1, type: "Opened" })
    expect((yield* account.load).balance).toBe(1)
  })
)
