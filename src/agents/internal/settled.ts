import { type Effect, Exit } from "effect"

/** The exit that an effect is already; `undefined` where it is still to be run. */
export const settled = <A, E, R>(effect: Effect.Effect<A, E, R>): Exit.Exit<A, E> | undefined =>
  // Sound: an effect that is an exit has the types of that exit.
  Exit.isExit(effect) ? (effect as Exit.Exit<A, E>) : undefined

/** What an effect has succeeded with already, as an exit; `undefined` where it failed or is still to be run. */
export const succeeded = <A, E, R>(effect: Effect.Effect<A, E, R>): Exit.Success<A, E> | undefined => {
  const exit = settled(effect)
  return exit !== undefined && Exit.isSuccess(exit) ? exit : undefined
}
