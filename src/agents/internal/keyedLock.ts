import { Context, Effect, Scope, Semaphore } from "effect"

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

/** Tells an effect, and the fibers that it forks, that it runs under a lock, for as long as it does. */
const marked = <A, E, R>(effect: Effect.Effect<A, E, R>, owner: object, outer: Held | undefined) =>
  Effect.suspend(() => {
    const held: Held = { owner, outer, active: true }
    // A fiber forked inside may outlive the lock and write then.
    return Effect.ensuring(
      Effect.provideService(effect, HeldLocks, held),
      Effect.sync(() => {
        held.active = false
      })
    )
  })

/** A lock of its own; `where` names the state in the message about nesting. */
export const make = (where: string): Lock => {
  const semaphore = Semaphore.makeUnsafe(1)
  const withPermit = semaphore.withPermits(1)
  return {
    hold: (effect) =>
      Effect.flatMap(HeldLocks, (held) => (isHeld(held, semaphore) ? nested(where) : withPermit(effect))),
    holdForUser: (effect) =>
      Effect.flatMap(HeldLocks, (outer) =>
        isHeld(outer, semaphore) ? nested(where) : withPermit(marked(effect, semaphore, outer))
      )
  }
}

interface Entry {
  readonly key: string
  readonly semaphore: Semaphore.Semaphore
  users: number
}

const sharedLocks = new WeakMap<object, KeyedLock>()

/** Locks by key. A key's semaphore exists only while somebody holds or awaits it, so a family may have any number of keys. */
export class KeyedLock {
  readonly #entries = new Map<string, Entry>()
  readonly #where: string

  constructor(where: string) {
    this.#where = where
  }

  /** The locks of a storage, the same for all who name the same place; locks of its own where there is none. */
  static of(place: object | undefined, where: string): KeyedLock {
    const shared = place === undefined ? undefined : sharedLocks.get(place)
    const locks = shared ?? new KeyedLock(where)
    if (place !== undefined && shared === undefined) sharedLocks.set(place, locks)
    return locks
  }

  at(key: string): Lock {
    const using = <A, E, R>(effect: Effect.Effect<A, E, R>, isUsers: boolean): Effect.Effect<A, E, R> =>
      Effect.flatMap(HeldLocks, (outer) =>
        Effect.uninterruptibleMask((restore) => {
          const entry = this.#enter(key)
          const held = isHeld(outer, entry)
            ? this.#nested(key)
            : entry.semaphore.withPermits(1)(isUsers ? marked(effect, entry, outer) : effect)
          return Effect.ensuring(
            restore(held),
            Effect.sync(() => this.#leave(entry))
          )
        })
      )
    return {
      hold: (effect) =>
        Effect.uninterruptibleMask((restore) =>
          this.#entries.has(key) ? restore(using(effect, false)) : this.#takeOne(key, restore(effect))
        ),
      holdForUser: (effect) => using(effect, true)
    }
  }

  // As `#takeAll`, for the commonest case: a save that nobody is in the way of.
  #takeOne<A, E, R>(key: string, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    const entry: Entry = { key, semaphore: Semaphore.makeUnsafe(0), users: 1 }
    this.#entries.set(key, entry)
    return Effect.ensuring(
      effect,
      Effect.suspend(() => {
        this.#leave(entry)
        return entry.users > 0 ? entry.semaphore.release(1) : Effect.void
      })
    )
  }

  /** Holds the locks of many keys, taken in one order by everybody so that two batches never wait for each other. */
  holdAll<A, E, R>(keys: Iterable<string>, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.uninterruptibleMask((restore) => {
      const all = [...keys]
      return all.some((key) => this.#entries.has(key))
        ? restore(this.#awaitAll(all.sort(), effect))
        : this.#takeAll(all, restore(effect))
    })
  }

  // Nobody uses one of the keys, so all are taken at once: a semaphore without a permit is one that is held.
  #takeAll<A, E, R>(keys: ReadonlyArray<string>, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    const entries = keys.map((key): Entry => ({ key, semaphore: Semaphore.makeUnsafe(0), users: 1 }))
    for (const entry of entries) this.#entries.set(entry.key, entry)
    return Effect.ensuring(
      effect,
      Effect.suspend(() => {
        for (const entry of entries) this.#leave(entry)
        const awaited = entries.filter((entry) => entry.users > 0)
        return Effect.forEach(awaited, (entry) => entry.semaphore.release(1), { discard: true })
      })
    )
  }

  #awaitAll<A, E, R>(keys: ReadonlyArray<string>, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.flatMap(HeldLocks, (outer) =>
      Effect.scopedWith((scope) =>
        Effect.gen({ self: this }, function* () {
          for (const key of keys) {
            const entry = yield* Effect.uninterruptible(
              Effect.suspend(() => {
                const entry = this.#enter(key)
                const leave = Effect.sync(() => this.#leave(entry))
                return Effect.as(Scope.addFinalizer(scope, leave), entry)
              })
            )
            if (isHeld(outer, entry)) return yield* this.#nested(key)
            yield* Scope.provide(entry.semaphore.takeScoped(1), scope)
          }
          return yield* effect
        })
      )
    )
  }

  #nested(key: string) {
    return nested(key === "" ? this.#where : `${this.#where}, key ${JSON.stringify(key)}`)
  }

  #enter(key: string): Entry {
    const existing = this.#entries.get(key)
    const entry = existing ?? { key, semaphore: Semaphore.makeUnsafe(1), users: 0 }
    if (existing === undefined) this.#entries.set(key, entry)
    entry.users++
    return entry
  }

  #leave(entry: Entry): void {
    if (--entry.users === 0) this.#entries.delete(entry.key)
  }
}
