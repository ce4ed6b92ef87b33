import { Effect } from "effect"
import type { Draft, StateRegister } from "../../agents/internal/stateRegister.ts"
import type { Expected } from "../../agents/Revision.ts"
import { Current, type Transaction } from "../transactional/Transaction.ts"
import { Passing } from "./Passing.ts"

/** What is remembered of a state. */
export interface Memory {
  readonly invalidate: () => void
}

/**
 * The register of a combinator that remembers states, and within a transaction the one below: what a transaction sees may never
 * be committed. A state that a transaction wrote is forgotten when that is over, whatever became of it.
 */
export const unlessWithin = <S>(
  below: StateRegister<S>,
  remembering: StateRegister<S>,
  memory: Memory
): StateRegister<S> => new UnlessWithin(below, remembering, memory)

// Members on the prototype: there is one for each key that is remembered.
class UnlessWithin<in out S> extends Passing<S> implements StateRegister<S> {
  readonly read: StateRegister<S>["read"]
  readonly #below: StateRegister<S>
  readonly #remembering: StateRegister<S>
  readonly #memory: Memory

  constructor(below: StateRegister<S>, remembering: StateRegister<S>, memory: Memory) {
    super(remembering)
    this.#below = below
    this.#remembering = remembering
    this.#memory = memory
    this.read = Effect.flatMap(Current, (current) => (current === undefined ? remembering.read : below.read))
  }

  write(draft: Draft<S>, expected: Expected): ReturnType<StateRegister<S>["write"]> {
    return this.#written((register) => register.write(draft, expected))
  }

  get remove(): StateRegister<S>["remove"] {
    return this.#written((register) => register.remove)
  }

  get entries(): StateRegister<S>["entries"] {
    return this.#remembering.entries
  }

  #written<A, E>(write: (register: StateRegister<S>) => Effect.Effect<A, E>): Effect.Effect<A, E> {
    return Effect.flatMap(Current, (current: Transaction | undefined) => {
      if (current === undefined) return write(this.#remembering)
      current.whenOver(() => this.#memory.invalidate())
      return write(this.#below)
    })
  }
}
