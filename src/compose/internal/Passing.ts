import type { Effect } from "effect"
import type { StateRegister } from "../../agents/internal/stateRegister.ts"
import type { Listener, Listening } from "../../agents/Register.ts"
import type { HistoryOptions, Revision } from "../../agents/Revision.ts"
import type { ReadError } from "../../agents/StateError.ts"

/**
 * What a register leaves to another one: all but to read and to write what is current. Asked when it is used, and on the
 * prototype: there is one for each key.
 */
export abstract class Passing<in out S> {
  readonly #to: StateRegister<S>

  constructor(to: StateRegister<S>) {
    this.#to = to
  }

  history(options: HistoryOptions): ReturnType<StateRegister<S>["history"]> {
    return this.#to.history(options)
  }

  at(revision: Revision): StateRegister<S>["read"] {
    return this.#to.at(revision)
  }

  asOf(time: number): StateRegister<S>["read"] {
    return this.#to.asOf(time)
  }

  get changes(): StateRegister<S>["changes"] {
    return this.#to.changes
  }

  listen(listener: Listener): Effect.Effect<Listening, ReadError> | undefined {
    return this.#to.listen?.(listener)
  }
}
