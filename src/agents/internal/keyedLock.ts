import { Effect, Exit, Scope, Semaphore } from "effect"
import { awaiting, EndlessWait, HeldLocks, type Holdable, isEndless, marked } from "./heldLocks.ts"

/** One writer at a time for one state, first come first served. */
export interface Lock {
  readonly hold: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /**
   * As `hold`, for what may be begun at once if the lock is free: then no effect is run around it. `begin` calls `answer`
   * once, before it returns or later; where it answers `false` it did not begin, and `otherwise` is done instead.
   */
  readonly holdNow: <A, E>(
    begin: (answer: (done: Effect.Effect<A, E>) => void) => boolean,
    otherwise: () => Effect.Effect<A, E>
  ) => Effect.Effect<A, E>
  /** As `hold`, for effects of the user: taking the same lock again inside is reported instead of waiting forever. */
  readonly holdForUser: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

/** A lock of its own; `where` names the state in the message about nesting. */
export const make = (where: string): Lock => new KeyedLock(where).at("")

interface Entry extends Holdable {
  readonly key: string
  /** Made for the second user, since mostly there is none. */
  semaphore: Semaphore.Semaphore | undefined
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
    return new LockOf(this, key)
  }

  /** As `hold` of a lock. */
  hold<A, E, R>(key: string, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.uninterruptibleMask((restore) =>
      this.#entries.has(key)
        ? restore(this.using(key, effect, false))
        : Effect.ensuring(restore(effect), this.#release([this.#take(key)]))
    )
  }

  /** As `holdNow` of a lock. */
  holdNow<A, E>(
    key: string,
    begin: (answer: (done: Effect.Effect<A, E>) => void) => boolean,
    otherwise: () => Effect.Effect<A, E>
  ): Effect.Effect<A, E> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.callback((resume) => {
        if (this.#entries.has(key)) return resume(restore(this.using(key, Effect.suspend(otherwise), false)))
        const entry = this.#take(key)
        const answer = (done: Effect.Effect<A, E>) => resume(this.#released(entry, done))
        try {
          if (!begin(answer)) answer(restore(Effect.suspend(otherwise)))
        } catch (defect) {
          answer(Exit.die(defect))
        }
      })
    )
  }

  /** Waits for a lock; `isUsers`: for an effect of the user, which is told what it holds. */
  using<A, E, R>(key: string, effect: Effect.Effect<A, E, R>, isUsers: boolean): Effect.Effect<A, E, R> {
    return Effect.flatMap(HeldLocks, (outer) =>
      Effect.uninterruptibleMask((restore) => {
        const { entry, semaphore } = this.#enter(key)
        const leave = Effect.sync(() => this.#leave(entry))
        const endless = isEndless(outer, entry)
        if (endless !== undefined) return Effect.ensuring(this.#refuse(key, endless), leave)
        const inside = isUsers ? marked(effect, entry, outer) : effect
        if (outer === undefined) return Effect.ensuring(restore(semaphore.withPermits(1)(inside)), leave)
        const got = awaiting(outer, entry)
        const held = semaphore.withPermits(1)(Effect.andThen(got, inside))
        return Effect.ensuring(restore(held), Effect.andThen(got, leave))
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

  // Nobody uses one of the keys, so all are taken at once.
  #takeAll<A, E, R>(keys: ReadonlyArray<string>, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.ensuring(effect, this.#release(keys.map((key) => this.#take(key))))
  }

  #awaitAll<A, E, R>(keys: ReadonlyArray<string>, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.flatMap(HeldLocks, (outer) =>
      Effect.scopedWith((scope) =>
        Effect.gen({ self: this }, function* () {
          for (const key of keys) {
            const { entry, semaphore } = yield* Effect.uninterruptible(
              Effect.suspend(() => {
                const entered = this.#enter(key)
                const leave = Effect.sync(() => this.#leave(entered.entry))
                return Effect.as(Scope.addFinalizer(scope, leave), entered)
              })
            )
            const endless = isEndless(outer, entry)
            if (endless !== undefined) return yield* this.#refuse(key, endless)
            const got = awaiting(outer, entry)
            yield* Effect.ensuring(Scope.provide(semaphore.takeScoped(1), scope), got)
          }
          return yield* effect
        })
      )
    )
  }

  #refuse(key: string, endless: "own" | "others") {
    const where = key === "" ? this.#where : `${this.#where}, key ${JSON.stringify(key)}`
    return Effect.die(
      new EndlessWait(
        endless === "own"
          ? `${where} was written inside its own modify, which would wait for itself forever. Return the new state from modify instead.`
          : `${where} is being modified by one who waits for a state that is being modified here: both would wait forever. Write the two always in the same order, or one after the other.`
      )
    )
  }

  /** Takes a lock that nobody uses. */
  #take(key: string): Entry {
    const entry: Entry = { key, semaphore: undefined, users: 1, holder: undefined }
    this.#entries.set(key, entry)
    return entry
  }

  /** Gives it back when an effect is done, which mostly it is already. */
  #released<A, E>(entry: Entry, done: Effect.Effect<A, E>): Effect.Effect<A, E> {
    if (!Exit.isExit(done) || entry.users > 1) return Effect.ensuring(done, this.#release([entry]))
    this.#leave(entry)
    return done
  }

  /** Gives back what was taken so. */
  #release(entries: ReadonlyArray<Entry>): Effect.Effect<void> {
    return Effect.suspend(() => {
      for (const entry of entries) this.#leave(entry)
      const awaited = entries.flatMap(({ semaphore }) => semaphore ?? [])
      return awaited.length === 0
        ? Effect.void
        : Effect.forEach(awaited, (semaphore) => semaphore.release(1), { discard: true })
    })
  }

  /** Joins those who use or await a lock. */
  #enter(key: string): { readonly entry: Entry; readonly semaphore: Semaphore.Semaphore } {
    const entry = this.#entries.get(key) ?? { key, semaphore: Semaphore.makeUnsafe(1), users: 0, holder: undefined }
    this.#entries.set(key, entry)
    entry.users++
    // Without a permit, which who took the lock has.
    entry.semaphore ??= Semaphore.makeUnsafe(0)
    return { entry, semaphore: entry.semaphore }
  }

  #leave(entry: Entry): void {
    if (--entry.users === 0) this.#entries.delete(entry.key)
  }
}

// Members on the prototype: one is made for each use of a key.
class LockOf implements Lock {
  readonly #locks: KeyedLock
  readonly #key: string

  constructor(locks: KeyedLock, key: string) {
    this.#locks = locks
    this.#key = key
  }

  hold<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return this.#locks.hold(this.#key, effect)
  }

  holdNow<A, E>(
    begin: (answer: (done: Effect.Effect<A, E>) => void) => boolean,
    otherwise: () => Effect.Effect<A, E>
  ): Effect.Effect<A, E> {
    return this.#locks.holdNow(this.#key, begin, otherwise)
  }

  holdForUser<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return this.#locks.using(this.#key, effect, true)
  }
}
