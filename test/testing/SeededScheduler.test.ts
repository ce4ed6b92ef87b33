import { expect, it } from "@effect/vitest"
import { SeededScheduler } from "dgents/testing"
import { Effect, Ref } from "effect"

/** Two fibers that read, then write, without a lock: right or wrong is a matter of the schedule. */
const lost = (seed: number) =>
  Effect.gen(function* () {
    const ref = yield* Ref.make(0)
    const increment = Effect.flatMap(Ref.get(ref), (n) => Ref.set(ref, n + 1))
    yield* Effect.all([increment, increment], { concurrency: "unbounded" })
    return (yield* Ref.get(ref)) < 2
  }).pipe(SeededScheduler.provide(seed))

/** The order in which three busy fibers get their turns. */
const order = (seed: number) =>
  Effect.gen(function* () {
    const turns: Array<string> = []
    const busy = (name: string) =>
      Effect.repeat(
        Effect.sync(() => turns.push(name)),
        { times: 9 }
      )
    yield* Effect.all([busy("a"), busy("b"), busy("c")], { concurrency: "unbounded" })
    return turns.join("")
  }).pipe(SeededScheduler.provide(seed))

it.effect("some seed finds the lost update that Effect's own scheduler never shows", () =>
  Effect.gen(function* () {
    expect(yield* Effect.forEach(Array(200), () => lost(0))).not.toContain(true)
    expect(
      yield* Effect.forEach(
        Array.from({ length: 200 }, (_, i) => i + 1),
        lost
      )
    ).toContain(true)
  })
)

it.effect("the same seed gives the same interleaving, and other seeds give others", () =>
  Effect.gen(function* () {
    const seeds = [1, 2, 3, 4, 5, 6, 7, 8]
    const once = yield* Effect.forEach(seeds, order)
    expect(yield* Effect.forEach(seeds, order)).toEqual(once)
    expect(new Set(once).size).toBeGreaterThan(4)
  })
)

it.effect("timers and other work of the event loop go on under it", () =>
  Effect.gen(function* () {
    const spin: Effect.Effect<void> = Effect.forever(Effect.yieldNow)
    yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 1))).pipe(
      Effect.raceFirst(spin),
      SeededScheduler.provide(3)
    )
  })
)
