import { Effect, Exit, Scope, Semaphore } from "effect"
import { awaiting, EndlessWait, HeldLocks, type Holdable, isEndless, marked } from "./heldLocks.ts"
import { settled } from "./settled.ts"

/**
 * What is done under a lock, begun by the call: it calls `answer` once, before it returns or later. Where it has not begun, it answers
 * the effect to be run instead.
 */
export type Begin<A, E> = (answer: (done: Effect.Effect<A, E>) => void) => Effect.Effect<A, E> | undefined

/** One writer at a time for one state, first come first served. */
export interface Lock {
  readonly hold: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** As `hold`, for what may be begun at once: where the lock is free, no effect is run around it. Called by a fiber. */
  readonly holdNow: <A, E>(begin: Begin<A, E>) => Effect.Effect<A, E>
  /** As `hold`, for effects of the user: taking the same lock again inside is reported instead of waiting forever. */
  readonly holdForUser: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

/** A lock of its own; `where` names the state in the message about nesting. */
export const make = (where: string): Lock => new KeyedLock(where).at("")

/** As `holdNow`, without a lock. */
export const unlocked = <A, E>(begin: Begin<A, E>): Effect.Effect<A, E> =>
  Effect.uninterruptibleMask((restore) => begun(begin, restore, (done) => done))

// `over` is given what it came to, or what is still to be run, and answers that with what comes after.
const begun = <A, E>(
  begin: Begin<A, E>,
  restore: (effect: Effect.Effect<A, E>) => Effect.Effect<A, E>,
  over: (done: Effect.Effect<A, E>) => Effect.Effect<A, E>
): Effect.Effect<A, E> => {
  let done: Effect.Effect<A, E> | undefined
  let resume: ((done: Effect.Effect<A, E>) => void) | undefined
  const otherwise = begin((answer) => {
    if (resume === undefined) done = answer
    else resume(over(answer))
  })
  if (otherwise !== undefined) return over(restore(otherwise))
  if (done !== undefined) return over(done)
  return Effect.callback((waiting) => {
    // A scheduler may have let others run before.
    if (done === undefined) resume = waiting
    else waiting(over(done))
  })
}

// So many keys are kept for those who come again: a map that grows and shrinks costs as much as all else that a lock does.
const mostIdle = 256

interface Entry extends Holdable {
  readonly key: string
  /** Made for the second user, since mostly there is none. */
  semaphore: Semaphore.Semaphore | undefined
  users: number
}

const sharedLocks = new WeakMap<object, KeyedLock>()

/** Locks by key. But for a few, keys are in it only while somebody holds or awaits them: a family may have any number of keys. */
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
      this.#isUsed(key)
        ? restore(this.using(key, effect, false))
        : Effect.ensuring(restore(effect), this.#release([this.#take(key)]))
    )
  }

  /** As `holdNow` of a lock. */
  holdNow<A, E>(key: string, begin: Begin<A, E>): Effect.Effect<A, E> {
    return Effect.uninterruptibleMask((restore) => {
      if (this.#isUsed(key)) return restore(this.using(key, unlocked(begin), false))
      const entry = this.#take(key)
      try {
        return begun(begin, restore, (done) => this.#released(entry, done))
      } catch (defect) {
        return this.#released(entry, Exit.die(defect))
      }
    })
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
      const all = [...new Set(keys)]
      return all.some((key) => this.#isUsed(key))
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

  #isUsed(key: string): boolean {
    const entry = this.#entries.get(key)
    return entry !== undefined && entry.users > 0
  }

  /** Takes a lock that nobody uses. */
  #take(key: string): Entry {
    const entry = this.#entryOf(key)
    entry.users = 1
    return entry
  }

  #entryOf(key: string): Entry {
    const known = this.#entries.get(key)
    if (known !== undefined) return known
    const entry: Entry = { key, semaphore: undefined, users: 0, holder: undefined }
    this.#entries.set(key, entry)
    return entry
  }

  /** Gives it back when an effect is done, which mostly it is already. */
  #released<A, E>(entry: Entry, done: Effect.Effect<A, E>): Effect.Effect<A, E> {
    if (entry.users > 1 || settled(done) === undefined) return Effect.ensuring(done, this.#release([entry]))
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
    const entry = this.#entryOf(key)
    // Without a permit where somebody has taken the lock, who has it.
    entry.semaphore ??= Semaphore.makeUnsafe(entry.users === 0 ? 1 : 0)
    entry.users++
    return { entry, semaphore: entry.semaphore }
  }

  #leave(entry: Entry): void {
    if (--entry.users > 0) return
    entry.semaphore = undefined
    if (this.#entries.size > mostIdle) this.#entries.delete(entry.key)
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

  holdNow<A, E>(begin: Begin<A, E>): Effect.Effect<A, E> {
    return this.#locks.holdNow(this.#key, begin)
  }

  holdForUser<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return this.#locks.using(this.#key, effect, true)
  }
}
