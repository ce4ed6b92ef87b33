import { Effect } from "effect"
import { backoff } from "../internal/backoff.ts"
import { type DecideError, PositionConflict } from "./StreamError.ts"
import type { Internals } from "./streams.ts"

/** Loads the state, decides, and appends if nobody appended in between; after a conflict all three again. */
export const decide = <E, S, A, Err, R>(
  { journal, lock, view, where }: Internals<E, S>,
  f: (state: S) => Effect.Effect<readonly [A, ReadonlyArray<E>], Err, R>,
  retries: number
): Effect.Effect<A, Err | DecideError, R> => {
  const attempt = Effect.flatMap(view.current, ({ position, state }) =>
    Effect.flatMap(f(state), ([answer, events]) => Effect.as(journal.append(events, { expected: position }), answer))
  )
  const isOwn = (error: unknown) =>
    error instanceof PositionConflict && error.agent === where.agent && error.key === where.key
  if (retries <= 0) return lock.holdForUser(attempt)
  return lock.holdForUser(
    // The first time again at once: mostly the other one is done.
    Effect.catchIf(attempt, isOwn, () => Effect.retry(attempt, { while: isOwn, schedule: backoff, times: retries - 1 }))
  )
}
