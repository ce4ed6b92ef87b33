import { Effect, Exit } from "effect"

/**
 * `Effect.mapBoth`, at once where the effect is an exit that succeeded already, as those of synchronous codecs are: it
 * saves the run loop a step on every load and save.
 */
export const mapBoth = <A, E, B, E2>(
  effect: Effect.Effect<A, E>,
  f: { readonly onSuccess: (a: A) => B; readonly onFailure: (e: E) => E2 }
): Effect.Effect<B, E2> =>
  Exit.isExit(effect) && Exit.isSuccess(effect)
    ? // An exit that is an Effect<A, E> and succeeded holds an A; the guard only forgets which.
      Exit.succeed(f.onSuccess(effect.value as A))
    : Effect.mapBoth(effect, f)
