/** Writes to the table what was set and deleted, in the background and in batches, so that writing never waits for it. */
import { type Duration, Effect, Fiber, Semaphore } from "effect"
import type { ReadError } from "../../StateError.ts"
import type { Changes, Known } from "./known.ts"
import type { Table } from "./table.ts"

// Rows in a statement: what is made ready for it takes the event loop some milliseconds.
const batch = 128

const firstPause = 500
const longestPause = 30_000

export class Upkeep {
  readonly #table: Table
  readonly #known: Known
  readonly #oneAtATime = Semaphore.makeUnsafe(1)
  #fiber: Fiber.Fiber<void> | undefined
  #isRunning = false
  #hasFailed = false
  /** Those who wait for fewer changes to be pending. */
  readonly #waiting = new Set<() => void>()

  constructor(table: Table, known: Known) {
    this.#table = table
    this.#known = known
  }

  wake(): void {
    if (this.#isRunning || !this.#table.isOpen || this.#known.pending.size === 0) return
    this.#isRunning = true
    const end = Effect.sync(() => {
      this.#isRunning = false
      // What was set while it ended was told that it runs.
      this.wake()
    })
    this.#fiber = Effect.runFork(Effect.ensuring(this.#work, end))
  }

  /** Nothing is left to write: everything was forgotten. */
  stop(): void {
    this.#tell()
    if (this.#isRunning && this.#fiber !== undefined) Effect.runFork(Fiber.interrupt(this.#fiber))
  }

  /** Waits until fewer changes than this are pending, unless they cannot be written at the moment. */
  below(most: number): Effect.Effect<void> {
    return Effect.callback((resume) => {
      const look = () => {
        if (this.#isRunning && !this.#hasFailed && this.#known.pending.size >= most) return
        this.#waiting.delete(look)
        resume(Effect.void)
      }
      this.#waiting.add(look)
      look()
      return Effect.sync(() => this.#waiting.delete(look))
    })
  }

  /** Writes all there is now. */
  get flush(): Effect.Effect<void, ReadError> {
    return Effect.suspend(() => (this.#known.pending.size === 0 ? Effect.void : Effect.andThen(this.#step, this.flush)))
  }

  get #step(): Effect.Effect<void, ReadError> {
    const write = Effect.suspend(() => {
      const changes = first(this.#known.pending, batch)
      if (changes.size === 0) return Effect.void
      // Who does not wait for a statement cannot know that it comes before the next one.
      return Effect.map(Effect.uninterruptible(this.#table.write(changes)), () => {
        this.#known.written(changes)
        this.#hasFailed = false
        this.#tell()
      })
    })
    return this.#oneAtATime.withPermits(1)(write)
  }

  get #work(): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      for (let pause = firstPause; this.#known.pending.size > 0; ) {
        const error = yield* Effect.match(this.#step, { onFailure: (error) => error, onSuccess: () => undefined })
        if (error === undefined) {
          pause = firstPause
          continue
        }
        if (!this.#hasFailed)
          yield* Effect.logWarning(`Vectors stay in memory until they can be written: ${error.message}`)
        this.#hasFailed = true
        this.#tell()
        yield* Effect.sleep(pause satisfies Duration.Input)
        pause = Math.min(longestPause, 2 * pause)
      }
    })
  }

  #tell(): void {
    for (const look of this.#waiting) look()
  }
}

const first = (changes: Changes, count: number): Changes => {
  const taken = new Map<string, Parameters<Map<string, ReturnType<Changes["get"]>>["set"]>[1]>()
  for (const [id, fresh] of changes) {
    if (taken.size === count) break
    taken.set(id, fresh)
  }
  return taken
}
