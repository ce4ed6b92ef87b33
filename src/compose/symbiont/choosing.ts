import { Effect, Result } from "effect"
import { own } from "../../agents/internal/owned.ts"
import type { Codec } from "../../schema/Codec.ts"
import type { Logic } from "./Logic.ts"

/** What a candidate made of the input and its copy of the memory. */
export interface Outcome<out S, out Out> {
  /** Which of the candidates: from 0, in the order in which they were given. */
  readonly candidate: number
  readonly output: Out
  /** The next state, stored if this outcome is the one chosen. */
  readonly next: S
}

/** Says which of the outcomes counts: of the candidates that did not fail, in their order, at least one. */
export type Choose<S, In, Out, E, R> = (
  outcomes: readonly [Outcome<S, Out>, ...ReadonlyArray<Outcome<S, Out>>],
  input: In
) => Effect.Effect<Outcome<S, Out>, E, R>

/** Candidates as one logic: each has a copy of the state, and the outcome chosen is what becomes of it. */
export const choosing =
  <S, In, Out, E, R, E2, R2>(
    codec: Codec<S>,
    candidates: ReadonlyArray<Logic<S, In, Out, E, R>>,
    choose: Choose<S, In, Out, E2, R2>,
    concurrency: number | "unbounded"
  ): Logic<S, In, Out, E | E2, R | R2> =>
  (input, state) =>
    Effect.gen(function* () {
      // A state that was loaded fits its codec: a failure here is a defect of that.
      const owned = yield* Effect.orDie(own(codec, state))
      const results = yield* Effect.forEach(
        candidates,
        (logic, candidate) =>
          Effect.result(
            Effect.map(
              Effect.flatMap(Effect.orDie(owned.get), (copy) => logic(input, copy)),
              ([output, next]): Outcome<S, Out> => ({ candidate, output, next })
            )
          ),
        { concurrency }
      )
      const [first, ...others] = results.flatMap((result) => (Result.isSuccess(result) ? [result.success] : []))
      if (first !== undefined) {
        const { next, output } = yield* choose([first, ...others], input)
        return [output, next] as const
      }
      const failed = results.find(Result.isFailure)
      return yield* failed === undefined
        ? Effect.die(new Error("A symbiont that chooses was given no candidates."))
        : Effect.fail(failed.failure)
    })
