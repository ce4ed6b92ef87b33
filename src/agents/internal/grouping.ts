import { Effect } from "effect"
import { Turn } from "./turn.ts"

/** A request that waits for its answer. */
export interface Waiting<out Q, in A, in E> {
  readonly request: Q
  /** In bytes, more or less. */
  readonly size: number
  readonly resume: (answer: Effect.Effect<A, E>) => void
}

/** How requests are grouped. */
export interface GroupingOptions<Q, A, E> {
  /** Answers every request of a group, at once or before its promise settles; in the order in which they happened. */
  readonly run: (group: ReadonlyArray<Waiting<Q, A, E>>) => void | Promise<void>
  /** How many groups may be under way at once. */
  readonly lanes: number
  /** How many requests a group has at most. */
  readonly most: number
  /** How many bytes a group has at most, unless one request has more. */
  readonly mostBytes: number
  /**
   * Whether what waits, of so many bytes, goes at once, besides what is under way, and not when all that runs now has asked. It
   * must not be answered at once then. Default: never.
   */
  readonly isEnough?: ((bytes: number) => boolean) | undefined
  /** Shared with what else is done in a turn of the event loop. */
  readonly turn?: Turn | undefined
}

// How long groups that are answered at once may keep the event loop from turning, in milliseconds.
const turnMillis = 0.5

/**
 * Gathers requests that arrive while others are under way, so that one commit or one round trip serves them all. What
 * is asked without waiting in between goes together; nothing waits longer than that for company.
 */
export class Grouping<Q, A, E> {
  readonly #options: GroupingOptions<Q, A, E>
  #waiting: Array<Waiting<Q, A, E>> = []
  #bytes = 0
  #busy = 0
  #isScheduled = false
  readonly #turn: Turn

  constructor(options: GroupingOptions<Q, A, E>) {
    this.#options = options
    this.#turn = options.turn ?? new Turn()
  }

  /** How many requests wait for a group. */
  get length(): number {
    return this.#waiting.length
  }

  /** The answer to a request. Cannot be interrupted: what is written is written. */
  ask(request: Q, size: number): Effect.Effect<A, E> {
    return Effect.uninterruptible(Effect.callback<A, E>((resume) => this.begin(request, size, resume)))
  }

  /** As `ask`, at once: `resume` is called with the answer, later. */
  begin(request: Q, size: number, resume: (answer: Effect.Effect<A, E>) => void): void {
    this.#waiting.push({ request, size, resume })
    this.#bytes += size
    if (this.#options.isEnough?.(this.#bytes) === true) this.#begin(this.#take())
    else this.#schedule()
  }

  #schedule(): void {
    if (this.#isScheduled || this.#waiting.length === 0 || this.#busy >= this.#options.lanes) return
    this.#isScheduled = true
    // Microtasks alone would keep the event loop from turning: who is answered asks again.
    if (this.#turn.millis > turnMillis) setImmediate(this.#start)
    // Not at once: all that runs now may ask as well. A turn of the event loop would cost as much as a fast answer.
    else queueMicrotask(this.#start)
  }

  readonly #start = (): void => {
    this.#isScheduled = false
    if (this.#busy < this.#options.lanes && this.#waiting.length > 0) this.#begin(this.#take())
  }

  #begin(group: ReadonlyArray<Waiting<Q, A, E>>): void {
    // Counted before it runs, since those who are answered meanwhile ask again.
    this.#busy++
    const running = this.#options.run(group)
    if (running === undefined) this.#end()
    else {
      running.finally(() => this.#end())
      this.#schedule()
    }
  }

  #end(): void {
    this.#busy--
    this.#schedule()
  }

  #take(): ReadonlyArray<Waiting<Q, A, E>> {
    const { most, mostBytes } = this.#options
    let bytes = 0
    let count = 0
    for (const { size } of this.#waiting) {
      if (count > 0 && (count === most || bytes + size > mostBytes)) break
      bytes += size
      count++
    }
    this.#bytes -= bytes
    if (count === this.#waiting.length) {
      const all = this.#waiting
      this.#waiting = []
      return all
    }
    return this.#waiting.splice(0, count)
  }
}
