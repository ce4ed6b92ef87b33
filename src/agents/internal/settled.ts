/**
 * Combinators that apply at once where the effect is an exit that succeeded already, as those of synchronous codecs and
 * stores are: it saves the run loop a step on every load and save.
 */
import { Effect, Exit } from "effect"

/** Whether the effect succeeded already. */
// An exit that is an Effect<A, E> and succeeded holds an A; the guard only forgets which.
export const isDone = <A, E>(effect: Effect.Effect<A, E>): effect is Exit.Success<A> =>
  Exit.isExit(effect) && Exit.isSuccess(effect)

/** `Effect.mapBoth`. */
export const mapBoth = <A, E, B, E2>(
  effect: Effect.Effect<A, E>,
  f: { readonly onSuccess: (a: A) => B; readonly onFailure: (e: E) => E2 }
): Effect.Effect<B, E2> => (isDone(effect) ? Exit.succeed(f.onSuccess(effect.value)) : Effect.mapBoth(effect, f))

/** `Effect.matchEffect`. */
export const matchEffect = <A, E, B, E2, C, E3>(
  effect: Effect.Effect<A, E>,
  f: { readonly onSuccess: (a: A) => Effect.Effect<B, E2>; readonly onFailure: (e: E) => Effect.Effect<C, E3> }
): Effect.Effect<B | C, E2 | E3> => (isDone(effect) ? f.onSuccess(effect.value) : Effect.matchEffect(effect, f))

/** `Effect.as`. */
export const as = <A, E, B>(effect: Effect.Effect<A, E>, b: B): Effect.Effect<B, E> =>
  isDone(effect) ? Exit.succeed(b) : Effect.as(effect, b)
