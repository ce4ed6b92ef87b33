import { Context, Effect, Semaphore } from "effect"

/** One writer at a time for one state, first come first served. */
export interface Lock {
  readonly hold: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** As `hold`, for effects of the user: taking the same lock again inside is reported instead of waiting forever. */
  readonly holdForUser: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

interface Held {
  readonly owner: object
  readonly outer: Held | undefined
  active: boolean
}

// What the running fiber (and the fibers it forked) holds, so that a nested write is an error and not a deadlock.
const HeldLocks = Context.Reference<Held | undefined>("dgents/agents/HeldLocks", { defaultValue: () => undefined })

const isHeld = (held: Held | undefined, owner: object): boolean => {
  for (let h = held; h !== undefined; h = h.outer) if (h.active && h.owner === owner) return true
  return false
}

const nested = (where: string) =>
  Effect.die(
    new Error(
      `${where} was written inside its own modify, which would wait for itself forever. Return the new state from modify instead.`
    )
  )

/** A lock around a semaphore; `where` names the state in the message about nesting. */
export const make = (where: string, semaphore: Semaphore.Semaphore = Semaphore.makeUnsafe(1)): Lock => {
  const withPermit = semaphore.withPermits(1)
  const hold: Lock["hold"] = (effect) =>
    Effect.flatMap(HeldLocks, (held) => (isHeld(held, semaphore) ? nested(where) : withPermit(effect)))
  return {
    hold,
    holdForUser: (effect) =>
      Effect.flatMap(HeldLocks, (outer) => {
        if (isHeld(outer, semaphore)) return nested(where)
        return withPermit(
          Effect.suspend(() => {
            const held: Held = { owner: semaphore, outer, active: true }
            // A fiber forked inside may outlive the lock and write then.
            return Effect.ensuring(
              Effect.provideService(effect, HeldLocks, held),
              Effect.sync(() => {
                held.active = false
              })
            )
          })
        )
      })
  }
}

/** Locks by key. A key's semaphore exists only while somebody holds or awaits it, so a family may have any number of keys. */
export class KeyedLock {
  readonly #semaphores = new Map<string, { readonly semaphore: Semaphore.Semaphore; users: number }>()
  readonly #where: string

  constructor(where: string) {
    this.#where = where
  }

  at(key: string): Lock {
    const using =
      (method: keyof Lock): Lock["hold"] =>
      (effect) =>
        Effect.suspend(() => {
          const entry = this.#enter(key)
          return Effect.ensuring(
            make(`${this.#where}, key ${JSON.stringify(key)}`, entry.semaphore)[method](effect),
            Effect.sync(() => this.#leave(key, entry))
          )
        })
    return { hold: using("hold"), holdForUser: using("holdForUser") }
  }

  /** Holds the locks of many keys, taken in one order by everybody so that two batches never wait for each other. */
  holdAll<A, E, R>(keys: Iterable<string>, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return [...keys].sort().reduceRight((held, key) => this.at(key).hold(held), effect)
  }

  #enter(key: string) {
    const existing = this.#semaphores.get(key)
    const entry = existing ?? { semaphore: Semaphore.makeUnsafe(1), users: 0 }
    if (existing === undefined) this.#semaphores.set(key, entry)
    entry.users++
    return entry
  }

  #leave(key: string, entry: { users: number }): void {
    if (--entry.users === 0) this.#semaphores.delete(key)
  }
}
