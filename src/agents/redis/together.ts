import { Effect, Exit } from "effect"

/**
 * Begins many things in one step and answers what came of each, when the last one is over: without a fiber for each, which would
 * take longer than the thing.
 */
export const together = <A, E>(
  count: number,
  begin: (i: number, answer: (result: Effect.Effect<A, E>) => void) => void
): Effect.Effect<ReadonlyArray<Effect.Effect<A, E>>> =>
  Effect.callback((resume) => {
    const results: Array<Effect.Effect<A, E>> = []
    let left = count
    if (left === 0) resume(Exit.succeed(results))
    for (let i = 0; i < count; i++)
      begin(i, (result) => {
        results[i] = result
        left--
        if (left === 0) resume(Exit.succeed(results))
      })
  })
