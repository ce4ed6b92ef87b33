import { Effect, type Scope, Stream } from "effect"
import { AgentClosed } from "../StateError.ts"
import type { StateRegister, Where } from "./stateRegister.ts"

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
export const guard = <S>(register: StateRegister<S>, where: Where, lifetime: Lifetime): StateRegister<S> => {
  const open = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | AgentClosed, R> =>
    Effect.suspend(
      (): Effect.Effect<A, E | AgentClosed, R> => (lifetime.isClosed() ? Effect.fail(new AgentClosed(where)) : effect)
    )
  const openStream = <A, E>(stream: Stream.Stream<A, E>): Stream.Stream<A, E | AgentClosed> =>
    Stream.unwrap(open(Effect.succeed(stream)))
  return {
    read: open(register.read),
    write: (next, expected) => open(register.write(next, expected)),
    remove: open(register.remove),
    history: (options) => openStream(register.history(options)),
    at: (revision) => open(register.at(revision)),
    changes: openStream(register.changes)
  }
}
