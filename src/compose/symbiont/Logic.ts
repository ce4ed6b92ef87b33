import { Effect } from "effect"

/** From an input and the current state to an output and the next state. It never sees an agent. */
export type Logic<S, in In, out Out, out E = never, out R = never> = (
  input: In,
  state: S
) => Effect.Effect<readonly [output: Out, next: S], E, R>

/** The same for many inputs: each on the state that the one before left. */
export const inTurn =
  <S, In, Out, E, R>(logic: Logic<S, In, Out, E, R>): Logic<S, ReadonlyArray<In>, ReadonlyArray<Out>, E, R> =>
  (inputs, state) =>
    Effect.gen(function* () {
      const outputs: Array<Out> = []
      let last = state
      for (const input of inputs) {
        const [output, next] = yield* logic(input, last)
        outputs.push(output)
        last = next
      }
      return [outputs, last] as const
    })
