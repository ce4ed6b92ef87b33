import { Effect, Exit, type Scope, Stream } from "effect"
import type { Listener, Listening } from "../Register.ts"
import type { Expected, HistoryOptions, Revision } from "../Revision.ts"
import { AgentClosed, type ReadError } from "../StateError.ts"
import type { Draft, Saving, StateRegister, Where } from "./stateRegister.ts"

/** Whether the scope of an agent is still open. */
export interface Lifetime {
  readonly isClosed: () => boolean
}

/** A lifetime that ends with the scope. */
export const make: Effect.Effect<Lifetime, never, Scope.Scope> = Effect.suspend(() => {
  let closed = false
  return Effect.as(
    Effect.addFinalizer(() =>
      Effect.sync(() => {
        closed = true
      })
    ),
    { isClosed: () => closed }
  )
})

/** The same register, failing with `AgentClosed` once the lifetime has ended. */
export const guard = <S>(register: StateRegister<S>, where: Where, lifetime: Lifetime): StateRegister<S> =>
  new Guarded(register, where, lifetime)

class Guarded<in out S> implements StateRegister<S> {
  readonly #register: StateRegister<S>
  readonly #where: Where
  readonly #lifetime: Lifetime
  #read: StateRegister<S>["read"] | undefined

  constructor(register: StateRegister<S>, where: Where, lifetime: Lifetime) {
    this.#register = register
    this.#where = where
    this.#lifetime = lifetime
  }

  // Built once: agents are kept for their loads.
  get read() {
    if (this.#read === undefined) {
      const { read } = this.#register
      this.#read = this.#open(() => read)
    }
    return this.#read
  }

  get beginRead(): StateRegister<S>["beginRead"] {
    const register = this.#register
    if (register.beginRead === undefined) return undefined
    return (answer) => (this.#lifetime.isClosed() ? undefined : register.beginRead?.(answer))
  }

  get remove() {
    return this.#open(() => this.#register.remove)
  }

  get entries(): StateRegister<S>["entries"] {
    const { entries } = this.#register
    if (typeof entries !== "object") return entries
    return {
      read: this.#open(() => entries.read),
      history: (options) => Stream.unwrap(this.#open(() => Effect.succeed(entries.history(options))))
    }
  }

  get member(): StateRegister<S>["member"] {
    const { member } = this.#register
    return (
      member && {
        ...member,
        read: this.#open(() => member.read),
        part: (step, where) => this.#open(() => member.part(step, where))
      }
    )
  }

  get changes() {
    return Stream.unwrap(this.#open(() => Effect.succeed(this.#register.changes)))
  }

  listen(listener: Listener): Effect.Effect<Listening, ReadError> | undefined {
    return this.#lifetime.isClosed() ? Exit.fail(new AgentClosed(this.#where)) : this.#register.listen?.(listener)
  }

  write(next: Draft<S>, expected: Expected): Saving {
    return this.#open(() => this.#register.write(next, expected))
  }

  begin(next: Draft<S>, expected: Expected, answer: (saving: Saving) => void): boolean {
    return !this.#lifetime.isClosed() && this.#register.begin?.(next, expected, answer) === true
  }

  history(options: HistoryOptions): ReturnType<StateRegister<S>["history"]> {
    return Stream.unwrap(this.#open(() => Effect.succeed(this.#register.history(options))))
  }

  at(revision: Revision): ReturnType<StateRegister<S>["at"]> {
    return this.#open(() => this.#register.at(revision))
  }

  asOf(time: number): ReturnType<StateRegister<S>["asOf"]> {
    return this.#open(() => this.#register.asOf(time))
  }

  #open<A, E, R>(operation: () => Effect.Effect<A, E, R>): Effect.Effect<A, E | AgentClosed, R> {
    return Effect.suspend(
      (): Effect.Effect<A, E | AgentClosed, R> =>
        this.#lifetime.isClosed() ? Effect.fail(new AgentClosed(this.#where)) : operation()
    )
  }
}
