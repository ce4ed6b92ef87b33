import { expect, it } from "@effect/vitest"
import { Embedder, VectorError } from "dgents"
import { Duration, Effect, Fiber, Schedule } from "effect"
import { TestClock } from "effect/testing"

/** Fails as told, call by call, and then answers. */
const failing = (...failures: ReadonlyArray<{ readonly retryable: boolean; readonly seconds?: number }>) => {
  const calls: Array<number> = []
  const embedder: Embedder.Shape = {
    identity: "e",
    dimension: 1,
    embed: (texts) =>
      Effect.clockWith((clock) => {
        const failure = failures[calls.length]
        calls.push(clock.currentTimeMillisUnsafe())
        if (failure === undefined) return Effect.succeed(texts.map((text) => [text.length]))
        const retryAfter = failure.seconds === undefined ? undefined : Duration.seconds(failure.seconds)
        const { retryable } = failure
        return Effect.fail(new VectorError.EmbeddingFailed({ embedder: "e", reason: "busy", retryable, retryAfter }))
      })
  }
  return { embedder, calls }
}

const embed = (embedder: Embedder.Shape) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(Effect.exit(embedder.embed(["abc"])))
    yield* TestClock.adjust("1 hour")
    return yield* Fiber.join(fiber)
  })

it.effect("what may pass is tried four times more, ever later, and then the failure stays", () =>
  Effect.gen(function* () {
    const some = failing({ retryable: true }, { retryable: true })
    expect(yield* embed(Embedder.retrying(some.embedder))).toMatchObject({ value: [[3]] })
    expect(some.calls).toHaveLength(3)
    const many = failing(...Array.from({ length: 9 }, () => ({ retryable: true })))
    expect((yield* embed(Embedder.retrying(many.embedder)))._tag).toBe("Failure")
    expect(many.calls).toHaveLength(5)
    const waits = many.calls.slice(1).map((at, i) => at - (many.calls[i] ?? 0))
    for (const [i, wait] of waits.entries()) {
      expect(wait).toBeGreaterThanOrEqual(0.8 * 500 * 2 ** i)
      expect(wait).toBeLessThanOrEqual(1.2 * 500 * 2 ** i)
    }
  })
)

it.effect("what will not pass is not tried again", () =>
  Effect.gen(function* () {
    const { calls, embedder } = failing({ retryable: true }, { retryable: false })
    expect((yield* embed(Embedder.retrying(embedder)))._tag).toBe("Failure")
    expect(calls).toHaveLength(2)
  })
)

it.effect("whoever asks to wait is waited for, unless it is for too long", () =>
  Effect.gen(function* () {
    const schedule = Schedule.spaced("2 seconds")
    const polite = failing({ retryable: true, seconds: 30 }, { retryable: true, seconds: 1 })
    const start = yield* Effect.clockWith((clock) => Effect.succeed(clock.currentTimeMillisUnsafe()))
    expect(yield* embed(Embedder.retrying(polite.embedder, { schedule }))).toMatchObject({ value: [[3]] })
    expect(polite.calls.map((at) => at - start)).toEqual([0, 30_000, 32_000])
    const late = failing({ retryable: true, seconds: 61 })
    expect((yield* embed(Embedder.retrying(late.embedder, { schedule })))._tag).toBe("Failure")
    expect(late.calls).toHaveLength(1)
    const patient = failing({ retryable: true, seconds: 61 })
    expect((yield* embed(Embedder.retrying(patient.embedder, { schedule, maxWait: "2 minutes" })))._tag).toBe("Success")
  })
)
