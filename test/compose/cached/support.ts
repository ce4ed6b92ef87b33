import { DataAgent, StateError } from "dgents"
import { Effect } from "effect"

/** Lets every other fiber run until it waits for something. */
export const settle = Effect.forEach(Array.from({ length: 50 }), () => Effect.yieldNow, { discard: true })

export const unavailable = (operation: string) =>
  new StateError.StorageUnavailable({ agent: "broken", operation, reason: "it is down", retryable: true })

type StateRegister<S> = DataAgent.Internals<S>["register"]

export const withRegister = <S>(
  agent: DataAgent.DataAgent<S>,
  replace: (register: StateRegister<S>) => Partial<StateRegister<S>>
) =>
  DataAgent.wrap(agent, (register) => ({
    read: register.read,
    write: (draft, expected) => register.write(draft, expected),
    remove: register.remove,
    history: (options) => register.history(options),
    at: (revision) => register.at(revision),
    asOf: (time) => register.asOf(time),
    changes: register.changes,
    ...replace(register)
  }))

/** An agent whose storage can be taken away, and what it is asked for meanwhile. */
export const interruptible = <S>(agent: DataAgent.DataAgent<S>) => {
  const storage = { isDown: false, reads: 0, writes: 0 }
  const up = <A, E>(operation: string, effect: Effect.Effect<A, E>) =>
    Effect.suspend(
      (): Effect.Effect<A, E | StateError.StorageUnavailable> =>
        storage.isDown ? Effect.fail(unavailable(operation)) : effect
    )
  const wrapped = withRegister(agent, (register) => ({
    read: Effect.suspend(() => {
      storage.reads++
      return up("read", register.read)
    }),
    write: (next, expected) => {
      storage.writes++
      return up("write", register.write(next, expected))
    }
  }))
  return { agent: wrapped, storage }
}
