import { Effect, Exit, Scope } from "effect"

/** As `Effect.scoped`, for files of which all that matters is done before they are closed: a close that fails decides nothing. */
export const scoped = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>): Effect.Effect<A, E> =>
  Effect.suspend(() => {
    const scope = Scope.makeUnsafe()
    return Effect.ensuring(Scope.provide(effect, scope), Effect.ignoreCause(Scope.close(scope, Exit.void)))
  })
