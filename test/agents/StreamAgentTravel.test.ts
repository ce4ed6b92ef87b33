import { expect, it } from "@effect/vitest"
import { MemoryLog, StateError, StreamError } from "dgents"
import { Effect, Exit, Fiber, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as A from "./stream/account.ts"

/** Three deposits, at 1, 2 and 3 seconds. */
const threeDeposits = Effect.gen(function* () {
  const account = yield* (yield* A.onMemory).make(A.account)
  for (const amount of [1, 2, 3]) {
    yield* TestClock.adjust("1 second")
    yield* account.append(A.deposited(amount))
  }
  return account
})

it.effect("the state of every position can be reached, from the one before the first event on", () =>
  Effect.gen(function* () {
    const account = yield* threeDeposits
    const balances = yield* Effect.forEach([0, 1, 2, 3], (position) => account.at(position))
    expect(balances.map(({ at, position, state }) => [position, state.balance, at])).toEqual([
      [0, 0, 0],
      [1, 1, 1_000],
      [2, 3, 2_000],
      [3, 6, 3_000]
    ])
    for (const none of [4, -1, 0.5, Number.NaN]) {
      expect(yield* Effect.flip(account.at(none))).toBeInstanceOf(StateError.StateNotFound)
    }
  })
)

it.effect("the state of every time can be reached", () =>
  Effect.gen(function* () {
    const account = yield* threeDeposits
    const balances = yield* Effect.forEach([0, 999, 1_000, 1_999, 2_000, 9_999], (time) => account.at(new Date(time)))
    expect(balances.map(({ state }) => state.balance)).toEqual([0, 0, 1, 1, 3, 6])
    expect(yield* Effect.flip(account.at(new Date(Number.NaN)))).toBeInstanceOf(StateError.StateNotFound)
  })
)

it.effect("events and history have both ends of a range, by position and by time", () =>
  Effect.gen(function* () {
    const account = yield* threeDeposits
    const positions = (range: Parameters<typeof account.events>[0]) =>
      Effect.map(Stream.runCollect(account.events(range)), (events) => events.map(({ position }) => position))
    expect(yield* positions({})).toEqual([1, 2, 3])
    expect(yield* positions({ from: 2 })).toEqual([2, 3])
    expect(yield* positions({ from: 2, to: 2 })).toEqual([2])
    expect(yield* positions({ from: 3, to: 2 })).toEqual([])
    expect(yield* positions({ from: 9 })).toEqual([])
    expect(yield* positions({ from: new Date(1_500), to: new Date(3_000) })).toEqual([2, 3])
    expect(yield* positions({ to: new Date(2_999) })).toEqual([1, 2])
    const history = yield* Stream.runCollect(account.history({ from: 2 }))
    expect(history).toEqual([
      { event: A.deposited(2), position: 2, at: 2_000, state: { owner: "", balance: 3, lines: ["+1", "+2"] } },
      { event: A.deposited(3), position: 3, at: 3_000, state: { owner: "", balance: 6, lines: ["+1", "+2", "+3"] } }
    ])
  })
)

it.effect("streams of events hold one page: nothing is read that nobody asked for", () =>
  Effect.gen(function* () {
    const { count, log } = A.counting(yield* MemoryLog.make)
    const account = yield* A.on(log).make(A.account)
    yield* account.append(Array.from({ length: 3_000 }, () => A.deposited(1)))
    for (const stream of [account.events(), account.history(), account.changes()]) {
      count.events = 0
      yield* Stream.runDrain(Stream.take(stream, 1_500))
      expect(count.events).toBeLessThanOrEqual(2_001)
    }
    expect(yield* Stream.runCount(account.events())).toBe(3_000)
    expect(yield* Stream.runCount(account.history({ from: 2_500 }))).toBe(501)
  })
)

it.effect("large events, of which a page holds a few, are all there", () =>
  Effect.gen(function* () {
    const account = yield* (yield* A.onMemory).make(A.account)
    yield* account.append(["a", "b", "c", "d", "e"].map((letter) => A.opened(letter.repeat(400_000))))
    expect((yield* account.load).owner).toBe("e".repeat(400_000))
    expect(yield* Stream.runCount(account.events())).toBe(5)
    expect(yield* Stream.runCount(account.history())).toBe(5)
    expect((yield* account.at(4)).state.owner).toBe("d".repeat(400_000))
  })
)

it.effect("changes begin at any position and go on with each event once, whoever appends it", () =>
  Effect.gen(function* () {
    const log = yield* A.onMemory
    const [one, other] = [yield* log.make(A.account), yield* log.make(A.account)]
    yield* Effect.forEach([1, 2, 3], (n) => one.append(A.deposited(n)))
    const follow = (from: number | undefined, until: number) =>
      Effect.forkChild(Stream.runCollect(Stream.takeUntil(one.changes({ from }), ({ position }) => position === until)))
    const followers = [yield* follow(undefined, 103), yield* follow(3, 103), yield* follow(50, 103)]
    yield* Effect.yieldNow
    yield* Effect.forEach(
      [one, other],
      (account) =>
        Effect.forEach(Array.from({ length: 50 }), () =>
          Effect.andThen(Effect.yieldNow, account.append(A.deposited(1)))
        ),
      { concurrency: "unbounded" }
    )
    for (const [i, from] of [1, 3, 50].entries()) {
      const seen = yield* Fiber.join(followers[i] ?? (yield* Effect.die("no follower")))
      expect(seen.map(({ position }) => position)).toEqual(Array.from({ length: 104 - from }, (_, n) => from + n))
    }
  })
)

it.effect("changes end with the scope of the stream", () =>
  Effect.gen(function* () {
    const log = yield* A.onMemory
    const scope = yield* Scope.make()
    const account = yield* Scope.provide(log.make(A.account), scope)
    yield* account.append(A.deposited(1))
    const seen: Array<number> = []
    const fiber = yield* Effect.forkChild(
      Stream.runForEach(account.changes(), ({ position }) => Effect.sync(() => seen.push(position)))
    )
    while (seen.length === 0) yield* Effect.yieldNow
    yield* Scope.close(scope, Exit.void)
    yield* Fiber.join(fiber)
    expect(seen).toEqual([1])
  })
)

it.effect("who follows a stream that is compacted further than he read is told so", () =>
  Effect.gen(function* () {
    const log = yield* A.onMemory
    const account = yield* log.make({ ...A.account, snapshots: yield* A.snapshots() })
    yield* Effect.forEach([1, 2, 3, 4], (n) => account.append(A.deposited(n)))
    yield* account.compact(4)
    const error = yield* Effect.flip(Stream.runDrain(account.changes({ from: 2 })))
    expect(error).toBeInstanceOf(StreamError.EventsCompacted)
    expect(error).toMatchObject({ wanted: 2, compacted: 3 })
  })
)
