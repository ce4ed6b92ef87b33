import { Effect } from "effect"
import type { StateRegister } from "../../agents/internal/stateRegister.ts"
import { Current, type Transaction } from "../transactional/Transaction.ts"

/**
 * The register of a combinator that remembers states, and within a transaction the one below: what a transaction sees may never
 * be committed. Of a state that a transaction wrote, `forget` is told when that is over, whatever became of it.
 */
export const unlessWithin = <S>(
  below: StateRegister<S>,
  remembering: StateRegister<S>,
  forget: () => void
): StateRegister<S> => {
  const either = <A, E, R>(
    outside: () => Effect.Effect<A, E, R>,
    within: (current: Transaction) => Effect.Effect<A, E, R>
  ): Effect.Effect<A, E, R> =>
    Effect.flatMap(Current, (current) => (current === undefined ? outside() : within(current)))
  const written = <A>(current: Transaction, write: A): A => {
    current.whenOver(forget)
    return write
  }
  return {
    read: either(
      () => remembering.read,
      () => below.read
    ),
    write: (draft, expected) =>
      either(
        () => remembering.write(draft, expected),
        (current) => written(current, below.write(draft, expected))
      ),
    get remove() {
      return either(
        () => remembering.remove,
        (current) => written(current, below.remove)
      )
    },
    history: (options) => remembering.history(options),
    at: (revision) => remembering.at(revision),
    asOf: (time) => remembering.asOf(time),
    get changes() {
      return remembering.changes
    },
    get entries() {
      return remembering.entries
    }
  }
}
