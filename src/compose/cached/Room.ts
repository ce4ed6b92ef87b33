import { Deferred, Effect } from "effect"
import type { CompareError } from "../../agents/StateError.ts"

/** A state that waits to be written. */
export interface Waiting {
  readonly flush: Effect.Effect<void, CompareError>
  readonly close: Effect.Effect<void>
}

/** How many writes may be acknowledged before some reach the backend, and which states they are of. */
export class Room {
  #free: number
  #freed: Deferred.Deferred<void> | undefined
  /** First come, first written. */
  readonly waiting = new Set<Waiting>()
  /** Whether writes have to go through from now on. */
  isClosed = false

  constructor(free: number) {
    this.#free = free
  }

  /** Takes one place, between which and the look at it nothing happens. */
  take(): boolean {
    if (this.#free <= 0) return false
    this.#free--
    return true
  }

  release(writes: number): void {
    this.#free += writes
    if (this.#freed === undefined || this.#free <= 0) return
    Deferred.doneUnsafe(this.#freed, Effect.void)
    this.#freed = undefined
  }

  /** Writes the state that waits longest, and waits until there may be room. */
  readonly made: Effect.Effect<void> = Effect.suspend(() => {
    const [oldest] = this.waiting
    return oldest === undefined ? this.#made : Effect.andThen(Effect.ignore(oldest.flush), this.#made)
  })

  readonly #made: Effect.Effect<void> = Effect.suspend(() => {
    if (this.#free > 0) return Effect.void
    this.#freed ??= Deferred.makeUnsafe()
    return Deferred.await(this.#freed)
  })
}
