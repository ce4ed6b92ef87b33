/** Who holds which locks and waits for which, so that a wait that would never end is an error. */
import { Context, Effect } from "effect"

/** A lock, as far as waiting goes: held by an effect of the user, or by a write that waits for nobody. */
export interface Holdable {
  holder: Held | undefined
}

/** An effect of the user that runs under a lock, inside of others. */
export interface Held {
  readonly lock: Holdable
  readonly outer: Held | undefined
  active: boolean
  /** What the fibers of the effect wait for at the moment. */
  readonly awaited: Set<{ readonly lock: Holdable }>
}

/** What the running fiber, and the one that forked it, holds. */
export const HeldLocks = Context.Reference<Held | undefined>("dgents/agents/HeldLocks", {
  defaultValue: () => undefined
})

/** A lock that was not waited for, because that would never end. */
export class EndlessWait extends Error {
  override readonly name = "EndlessWait"
}

const activeOf = (held: Held | undefined): ReadonlyArray<Held> => {
  const all: Array<Held> = []
  for (let h = held; h !== undefined; h = h.outer) if (h.active) all.push(h)
  return all
}

/** Whether who holds all that would wait forever for a lock: it holds that itself, or its holder waits for one that it holds. */
export const isEndless = (outer: Held | undefined, wanted: Holdable): "own" | "others" | undefined => {
  if (outer === undefined) return undefined
  const own = new Set(activeOf(outer).map(({ lock }) => lock))
  if (own.has(wanted)) return "own"
  const seen = new Set<Holdable>([wanted])
  // Grows while it is walked.
  for (const lock of seen) {
    if (own.has(lock)) return "others"
    for (const next of lock.holder?.awaited ?? []) seen.add(next.lock)
  }
  return undefined
}

/** Notes that a lock is waited for, until the effect that is answered has run. */
export const awaiting = (outer: Held | undefined, lock: Holdable): Effect.Effect<void> => {
  const holding = activeOf(outer)
  if (holding.length === 0) return Effect.void
  const wait = { lock }
  for (const { awaited } of holding) awaited.add(wait)
  return Effect.sync(() => {
    for (const { awaited } of holding) awaited.delete(wait)
  })
}

/** Tells an effect, and the fibers that it forks, that it runs under a lock, for as long as it does. */
export const marked = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  lock: Holdable,
  outer: Held | undefined
): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    const held: Held = { lock, outer, active: true, awaited: new Set() }
    lock.holder = held
    // A fiber forked inside may outlive the lock and write then.
    return Effect.ensuring(
      Effect.provideService(effect, HeldLocks, held),
      Effect.sync(() => {
        held.active = false
        lock.holder = undefined
      })
    )
  })
