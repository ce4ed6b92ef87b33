/**
 * Keeps the event loop turning while engines compute. Everyone who computes for long shares one allowance of time a turn of
 * the loop, since 60 searches that each take 8 ms would otherwise hold it up for half a second: fibers that are ready run
 * one after the other, without a turn in between. Who finds the allowance spent waits; those who wait are served in
 * order, one a turn.
 */
import { Effect } from "effect"

export class Turns {
  readonly #millis: number
  readonly #waiting = new Set<() => void>()
  #began: number | undefined

  constructor(millis: number) {
    this.#millis = millis
  }

  /** Whether one may begin: nobody waits, and there is time left in this turn. */
  begin(): boolean {
    return this.#waiting.size === 0 && !this.isSpent()
  }

  /** Whether the time of this turn is spent. It runs from when this is asked first. */
  isSpent(): boolean {
    const now = performance.now()
    if (this.#began !== undefined) return now - this.#began >= this.#millis
    this.#began = now
    setImmediate(() => this.#next())
    return false
  }

  /** Waits until one may begin, which mostly is now. */
  readonly ready: Effect.Effect<void> = Effect.suspend(() => (this.begin() ? Effect.void : this.next))

  /** Waits for a turn of one's own. */
  readonly next: Effect.Effect<void> = Effect.callback((resume) => {
    const go = () => resume(Effect.void)
    this.#waiting.add(go)
    // Makes sure that a next turn comes.
    this.isSpent()
    return Effect.sync(() => this.#waiting.delete(go))
  })

  #next(): void {
    this.#began = undefined
    const [go] = this.#waiting
    if (go === undefined) return
    this.#waiting.delete(go)
    this.isSpent()
    go()
  }
}

/** The allowance of the process: a small part of the 20 ms that the loop may be late, since the machine has other work as well. */
export const turns: Turns = new Turns(3)
