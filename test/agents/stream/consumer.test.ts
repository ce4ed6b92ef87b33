import { expect, it } from "@effect/vitest"
import { StreamAgent, VolatileAgent } from "dgents"
import { Effect, Exit, Fiber, Schema, Scope } from "effect"
import * as A from "./account.ts"

const open = Effect.gen(function* () {
  const log = yield* A.onMemory
  const account = yield* log.make(A.account)
  const position = yield* VolatileAgent.make({ name: "mailer", schema: Schema.Number, history: "full" })
  const handled: Array<number> = []
  const consume = (options?: { readonly every?: number; readonly from?: number; readonly failAt?: number }) =>
    StreamAgent.consume(account, {
      position,
      ...options,
      handle: (event) =>
        event.position === options?.failAt
          ? Effect.fail("no" as const)
          : Effect.sync(() => {
              handled.push(event.position)
            })
    })
  const until = (n: number) => Effect.repeat(Effect.yieldNow, { until: () => handled.length >= n })
  return { log, account, position, handled, consume, until }
})

const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i)

it.effect("a consumer handles each event in order, and goes on behind the last one after a restart", () =>
  Effect.gen(function* () {
    const { account, consume, handled, position, until } = yield* open
    yield* account.append(numbers(1, 5).map(A.deposited))
    const first = yield* Effect.forkChild(consume())
    yield* until(5)
    yield* account.append(A.deposited(6))
    yield* until(6)
    yield* Fiber.interrupt(first)
    expect(yield* position.load).toBe(6)
    yield* account.append([A.deposited(7), A.deposited(8)])
    const second = yield* Effect.forkChild(consume())
    yield* until(8)
    yield* Fiber.interrupt(second)
    expect(handled).toEqual(numbers(1, 8))
  })
)

it.effect("an event whose handling fails is handled again, and those before it are not", () =>
  Effect.gen(function* () {
    const { account, consume, handled, position, until } = yield* open
    yield* account.append(numbers(1, 5).map(A.deposited))
    expect(yield* Effect.flip(consume({ failAt: 4, every: 100 }))).toBe("no")
    expect(yield* position.load).toBe(3)
    const again = yield* Effect.forkChild(consume())
    yield* until(5)
    yield* Fiber.interrupt(again)
    expect(handled).toEqual(numbers(1, 5))
  })
)

it.effect("the position is saved as often as is asked for, and whenever all is handled", () =>
  Effect.gen(function* () {
    const { account, consume, position, until } = yield* open
    yield* account.append(numbers(1, 25).map(A.deposited))
    const fiber = yield* Effect.forkChild(consume({ every: 10 }))
    yield* until(25)
    while ((yield* position.load) < 25) yield* Effect.yieldNow
    yield* Fiber.interrupt(fiber)
    const saved: Array<number> = []
    for (const revision of [1, 2, 3]) {
      const { state } = yield* position.at(revision as Parameters<typeof position.at>[0])
      saved.push(state)
    }
    expect(saved).toEqual([10, 20, 25])
  })
)

it.effect("a consumer without a position begins where it is told to", () =>
  Effect.gen(function* () {
    const { account, consume, handled, until } = yield* open
    yield* account.append(numbers(1, 5).map(A.deposited))
    const fiber = yield* Effect.forkChild(consume({ from: 4 }))
    yield* until(2)
    yield* Fiber.interrupt(fiber)
    expect(handled).toEqual([4, 5])
  })
)

it.effect("a consumer ends with the scope of the stream", () =>
  Effect.gen(function* () {
    const { log, position } = yield* open
    const scope = yield* Scope.make()
    const account = yield* Scope.provide(log.make(A.account), scope)
    yield* account.append(A.deposited(1))
    const fiber = yield* Effect.forkChild(StreamAgent.consume(account, { position, handle: () => Effect.void }))
    yield* Effect.repeat(position.current, { until: (current) => current._tag === "Some" })
    yield* Scope.close(scope, Exit.void)
    yield* Fiber.join(fiber)
  })
)
