import { Effect, type Exit, Fiber, Schedule, type Scope, Stream } from "effect"
import { succeeded } from "../../agents/internal/settled.ts"
import type { StateRegister } from "../../agents/internal/stateRegister.ts"
import type { Listener, Listening } from "../../agents/Register.ts"
import type { ReadError } from "../../agents/StateError.ts"

const resubscribe = Schedule.jittered(Schedule.min([Schedule.exponential("50 millis"), Schedule.spaced("30 seconds")]))

/** The changes of a register, as a listener to them is told. */
export interface Followed<in out S> {
  readonly agent: string
  readonly register: StateRegister<S>
  /** Whether what is stored has to be told to begin with, as `changes` does. */
  readonly withCurrent: boolean
}

/**
 * Tells of each commit that a register announces, and of each gap in which some may have been missed: by calls where the
 * register has them, which need no fiber, and otherwise by its `changes`.
 */
export const follow = <S>(
  { agent, register, withCurrent }: Followed<S>,
  listener: Listener,
  scope: Scope.Scope
): Effect.Effect<Listening> => {
  const listen = () => (withCurrent ? undefined : register.listen?.(listener))
  let first = listen()
  if (isBegun(first)) return first
  const following = new Following()
  const attempt = Effect.suspend(() => {
    const listening = first ?? listen()
    first = undefined
    if (listening !== undefined) return following.begin(listening)
    const heard = Stream.runForEach(register.changes, (change) => Effect.sync(() => listener.hear(change)))
    return Effect.map(heard, () => listener.hear({ _tag: "Gap" }))
  })
  const followed = Effect.retry(
    Effect.tapError(attempt, (error) => {
      listener.hear({ _tag: "Gap" })
      return Effect.logDebug(
        `Cached: the changes of agent "${agent}" failed, which turns the cache off: ${error.message}`
      )
    }),
    { while: (error) => error._tag !== "AgentClosed", schedule: resubscribe }
  )
  return Effect.map(Effect.forkIn(Effect.ignore(followed), scope, { startImmediately: true }), (fiber) =>
    following.of(fiber)
  )
}

const isBegun = (listening: Effect.Effect<Listening, ReadError> | undefined): listening is Exit.Success<Listening> =>
  listening !== undefined && succeeded(listening) !== undefined

/** What takes time to begin, or for ever. */
class Following implements Listening {
  #fiber: Fiber.Fiber<void> | undefined
  #listening: Listening | undefined

  of(fiber: Fiber.Fiber<void>): this {
    this.#fiber = fiber
    return this
  }

  begin(listening: Effect.Effect<Listening, ReadError>): Effect.Effect<void, ReadError> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.map(restore(listening), (listening) => {
        this.#listening = listening
      })
    )
  }

  get stop(): Effect.Effect<void> {
    const interrupted = this.#fiber === undefined ? Effect.void : Fiber.interrupt(this.#fiber)
    return Effect.andThen(
      interrupted,
      Effect.suspend(() => this.#listening?.stop ?? Effect.void)
    )
  }
}
