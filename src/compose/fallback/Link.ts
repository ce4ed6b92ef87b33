import { Effect, type Scope, SubscriptionRef } from "effect"
import type { StateError, StorageUnavailable } from "../../agents/StateError.ts"

/** Which of the two agents answers. */
export type Status = "first" | "second"

/** What waits for the first agent to come back. */
export interface Pending {
  /** Whether it waits still. */
  readonly settle: Effect.Effect<boolean>
}

/** Whether the first agent answers, as far as is known; one for all states that it holds. */
export class Link {
  readonly status: SubscriptionRef.SubscriptionRef<Status>
  readonly #name: string
  readonly #probeMillis: number
  readonly #logs: boolean
  readonly #scope: Scope.Scope
  readonly #waiting = new Set<Pending>()
  /** Whether it answered the last time. */
  isUp = true
  #isSettling = false
  /** When it is asked again. */
  #tryAt = 0

  constructor(
    name: string,
    status: SubscriptionRef.SubscriptionRef<Status>,
    probeMillis: number,
    logs: boolean,
    scope: Scope.Scope
  ) {
    this.#name = name
    this.#logs = logs
    this.status = status
    this.#probeMillis = probeMillis
    this.#scope = scope
  }

  /** Whether the first agent is to be asked: it answered the last time, or that was long enough ago. */
  isDue(now: number): boolean {
    return this.isUp || now >= this.#tryAt
  }

  /** The first agent answered. */
  get up(): Effect.Effect<void> {
    return this.isUp ? Effect.void : this.#up
  }

  readonly #up = Effect.suspend(() => {
    this.isUp = true
    return Effect.andThen(
      SubscriptionRef.set(this.status, "first"),
      this.#logs ? Effect.logInfo(`Fallback: agent "${this.#name}" answers again`) : Effect.void
    )
  })

  /** The first agent did not answer, and will not be asked again for a while. */
  down(error: StorageUnavailable): Effect.Effect<void> {
    return Effect.clockWith((clock) => {
      this.#tryAt = clock.currentTimeMillisUnsafe() + this.#probeMillis
      if (!this.isUp) return Effect.void
      this.isUp = false
      return Effect.andThen(
        SubscriptionRef.set(this.status, "second"),
        this.#logs
          ? Effect.logWarning(`Fallback: agent "${this.#name}" is away, and the second stands in: ${error.reason}`)
          : Effect.void
      )
    })
  }

  /** What waits could not be brought to the first agent, for another reason than that it is away. */
  stuck(error: StateError): Effect.Effect<void> {
    if (!this.#logs) return Effect.void
    return Effect.logWarning(`Fallback: what waits for agent "${this.#name}" could not be brought to it: ${error._tag}`)
  }

  /** Something no longer waits. */
  settled(waiting: Pending): void {
    this.#waiting.delete(waiting)
  }

  /** Something waits for the first agent, and is settled once that answers, also if nobody asks for it. */
  waits(waiting: Pending): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.#waiting.add(waiting)
      if (this.#isSettling) return Effect.void
      this.#isSettling = true
      const settling = Effect.repeat(Effect.delay(this.settle, Math.max(100, this.#probeMillis)), {
        while: () => (this.#isSettling = this.#waiting.size > 0)
      })
      return Effect.asVoid(Effect.forkIn(settling, this.#scope))
    })
  }

  /** Tries to settle all that waits, whether or not it is time to; answers whether anything waits still. */
  readonly settle: Effect.Effect<boolean> = Effect.suspend(() =>
    Effect.map(
      Effect.forEach([...this.#waiting], ({ settle }) => settle, { discard: true }),
      () => this.#waiting.size > 0
    )
  )
}
