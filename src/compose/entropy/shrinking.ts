import { Effect } from "effect"
import type * as DataAgent from "../../agents/DataAgent.ts"
import { type StateInvalid, StateTooLarge } from "../../agents/StateError.ts"
import type { Meter } from "./Meter.ts"

/** What came of states that were too large. */
export class Refusals {
  /** How many writes failed for it. */
  refused = 0
  /** How many were tried again with less. */
  shrunk = 0
  readonly #own = new WeakSet<StateTooLarge>()

  readonly add = (excess: StateTooLarge): Effect.Effect<void> =>
    Effect.sync(() => {
      this.refused++
      this.#own.add(excess)
    })

  /** Whether it is a refusal by this agent: not by the one below, and not of a load. */
  readonly has = (error: unknown): error is StateTooLarge => error instanceof StateTooLarge && this.#own.has(error)
}

/**
 * The writes of an agent that refuses what is too large, trying once more with less. Nothing is measured before it was
 * refused, except by `modify`, whose effect is not to run twice.
 */
export const shrinking = <S>(
  { compareAndSave, modify, save, update }: DataAgent.DataAgent<S>,
  meter: Meter<S>,
  shrink: (state: S, excess: StateTooLarge) => S,
  refusals: Refusals
): Pick<DataAgent.DataAgent<S>, "save" | "compareAndSave" | "update" | "modify"> => {
  const shrunk = (state: S, excess: StateTooLarge): S => {
    refusals.shrunk++
    return shrink(state, excess)
  }

  /** Writes less in place of what was refused. */
  const again = <A, E, R>(
    refused: Effect.Effect<A, E | StateTooLarge, R>,
    less: (excess: StateTooLarge) => Effect.Effect<A, E | StateTooLarge, R>
  ) =>
    Effect.catchIf(refused, refusals.has, (excess) =>
      Effect.suspend(() => {
        refusals.refused--
        return less(excess)
      })
    )

  const fitted = (state: S): Effect.Effect<S, StateInvalid> =>
    Effect.flatMap(meter.measure(state), (size) =>
      Effect.match(meter.check(size), { onSuccess: () => state, onFailure: (excess) => shrunk(state, excess) })
    )

  return {
    save: (state) => again(save(state), (excess) => save(shrunk(state, excess))),
    compareAndSave: (state, expected) =>
      again(compareAndSave(state, expected), (excess) => compareAndSave(shrunk(state, excess), expected)),
    update: (f, { retries = Number.POSITIVE_INFINITY } = {}) =>
      again(update(f, { retries }), () =>
        modify((state) => Effect.map(fitted(f(state)), (next) => [next, next] as const), { retries })
      ),
    modify: (f, options) =>
      modify(
        (state) =>
          Effect.flatMap(f(state), ([answer, next]) => Effect.map(fitted(next), (next) => [answer, next] as const)),
        options
      )
  }
}
