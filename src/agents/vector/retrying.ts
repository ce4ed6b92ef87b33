import { Duration, Effect, Schedule } from "effect"
import type { Shape } from "./Embedder.ts"
import type { EmbeddingFailed } from "./VectorError.ts"

/** How to try again. */
export interface RetryOptions {
  /** When, and how often. Default: 4 times, after half a second, one, two and four, each give or take a fifth. */
  readonly schedule?: Schedule.Schedule<unknown, EmbeddingFailed> | undefined
  /** A server that asks to wait longer than this is not waited for: the failure is passed on. Default: 1 minute. */
  readonly maxWait?: Duration.Input | undefined
}

const byDefault: Schedule.Schedule<unknown, EmbeddingFailed> = Schedule.exponential("500 millis").pipe(
  Schedule.jittered,
  Schedule.upTo({ times: 4 })
)

/** An embedder that tries again what failed and may succeed later, and waits at least as long as the server asks for. */
export const retrying = (embedder: Shape, options: RetryOptions = {}): Shape => {
  const { maxWait = "1 minute", schedule = byDefault } = options
  const patient = Schedule.modifyDelay(schedule, ({ duration, input: { retryAfter } }) =>
    Effect.succeed(retryAfter === undefined ? duration : Duration.max(duration, retryAfter))
  )
  const isWorthIt = ({ retryAfter, retryable }: EmbeddingFailed): boolean =>
    retryable &&
    (retryAfter === undefined || Duration.isLessThanOrEqualTo(retryAfter, Duration.fromInputUnsafe(maxWait)))
  return {
    ...embedder,
    embed: (texts) => Effect.retry(embedder.embed(texts), { schedule: patient, while: isWorthIt })
  }
}
