// The locks of many keys: those of keys that nobody uses are kept for a while or dropped, and no use of them may tell.
import { expect, it } from "@effect/vitest"
import { Effect, Exit, Fiber } from "effect"
import { KeyedLock } from "../../src/agents/internal/keyedLock.ts"

// More than are kept.
const keys = Array.from({ length: 600 }, (_, n) => `key-${n}`)

const ways = {
  hold: <A>(locks: KeyedLock, key: string, effect: Effect.Effect<A>) => locks.hold(key, effect),
  "hold for a user": <A>(locks: KeyedLock, key: string, effect: Effect.Effect<A>) => locks.at(key).holdForUser(effect),
  "hold now": <A>(locks: KeyedLock, key: string, effect: Effect.Effect<A>) => locks.holdNow(key, () => effect),
  "hold all": <A>(locks: KeyedLock, key: string, effect: Effect.Effect<A>) =>
    locks.holdAll([key, `${key}-2`, key], effect)
}

for (const [name, way] of Object.entries(ways))
  it.effect(`${name}: one at a time for each key, however often keys come back`, () =>
    Effect.gen(function* () {
      const locks = new KeyedLock("a test")
      const inside = new Map<string, number>()
      let most = 0
      const use = (key: string) =>
        way(
          locks,
          key,
          Effect.gen(function* () {
            const now = (inside.get(key) ?? 0) + 1
            inside.set(key, now)
            most = Math.max(most, now)
            yield* Effect.yieldNow
            inside.set(key, (inside.get(key) ?? 0) - 1)
          })
        )
      for (let round = 0; round < 3; round++) {
        // Alone first, so that the lock has been idle, and then three at once.
        yield* Effect.forEach(keys, use, { discard: true })
        yield* Effect.forEach([...keys, ...keys, ...keys], use, { concurrency: "unbounded", discard: true })
      }
      expect(most).toBe(1)
      expect([...inside.values()].every((now) => now === 0)).toBe(true)
    })
  )

it.effect("what is answered later keeps the lock until then, and those who wait go on", () =>
  Effect.gen(function* () {
    const locks = new KeyedLock("a test")
    const seen: Array<string> = []
    let answer: ((done: Effect.Effect<number>) => void) | undefined
    const first = yield* Effect.forkChild(
      locks.holdNow<number, never>("key", (answered) => {
        answer = answered
        return undefined
      }),
      { startImmediately: true }
    )
    const second = yield* Effect.forkChild(
      locks.holdNow<number, never>("key", (answered) => {
        seen.push("second")
        answered(Exit.succeed(2))
        return undefined
      }),
      { startImmediately: true }
    )
    const third = yield* Effect.forkChild(
      locks.hold(
        "key",
        Effect.sync(() => seen.push("third"))
      )
    )
    for (let i = 0; i < 10; i++) yield* Effect.yieldNow
    expect(seen).toEqual([])
    answer?.(Effect.sync(() => seen.push("first")))
    expect(yield* Fiber.join(first)).toBe(1)
    expect(yield* Fiber.join(second)).toBe(2)
    expect(yield* Fiber.join(third)).toBe(3)
    expect(seen).toEqual(["first", "second", "third"])
  })
)
