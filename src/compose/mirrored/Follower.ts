import { Effect, Option, Semaphore } from "effect"
import type { DataAgent } from "../../agents/DataAgent.ts"
import { backoff } from "../../agents/internal/backoff.ts"
import { absent, type Revision } from "../../agents/Revision.ts"
import type { CompareError, ReadError } from "../../agents/StateError.ts"
import { positionOf } from "../internal/position.ts"
import type { Copy } from "./Copy.ts"

/** One copy of one state. It never goes back: an older state that comes late is not taken. */
export class Follower<in out S> {
  readonly agent: DataAgent<Copy<S>>
  /** The point in the order of commits that it has reached at least; below 0 while nothing is known. */
  held = -1
  /** The revision of the copy, in the follower's own count; `undefined` while that is not known. */
  #revision: Revision | undefined

  readonly #gate = Semaphore.makeUnsafe(1)

  constructor(agent: DataAgent<Copy<S>>) {
    this.agent = agent
  }

  /** What it holds. */
  readonly current: Effect.Effect<Option.Option<Copy<S>>, ReadError> = Effect.suspend(() =>
    Effect.map(this.agent.current, (found) => {
      if (Option.isNone(found)) {
        this.#revision = absent
        return Option.none()
      }
      const { revision, state } = found.value
      this.#revision = revision
      this.#reached(state)
      return Option.some(state)
    })
  )

  /** Gives it a copy, unless it holds that or a later one. */
  take(position: number, copy: Effect.Effect<Copy<S>, CompareError>): Effect.Effect<void, CompareError> {
    const taken = Effect.suspend(() =>
      this.held < position ? Effect.flatMap(copy, (copy) => this.#replace(copy)) : Effect.void
    )
    return this.#patiently(
      Effect.suspend(() =>
        this.held < position && this.#revision === undefined ? Effect.andThen(this.current, taken) : taken
      )
    )
  }

  /** Has it forget a state that the leader, when it is read after what is held here, does not have. */
  forget(hasNone: Effect.Effect<boolean, ReadError>): Effect.Effect<void, CompareError> {
    return this.#patiently(
      Effect.gen({ self: this }, function* () {
        const copy = yield* this.current
        if (Option.isNone(copy) || copy.value._tag === "Deleted" || !(yield* hasNone)) return
        yield* this.#replace({ _tag: "Deleted", revision: copy.value.revision })
      })
    )
  }

  /** Replaces what was seen to be held, if that is older. */
  #replace(copy: Copy<S>): Effect.Effect<void, CompareError> {
    return Effect.suspend(() => {
      const expected = this.#revision
      if (expected === undefined || this.held >= positionOf(copy)) return Effect.void
      // Whatever comes of it, what is held is another one than before.
      this.#revision = undefined
      return Effect.map(this.agent.compareAndSave(copy, expected), (revision) => {
        this.#revision = revision
        this.#reached(copy)
      })
    })
  }

  #reached(copy: Copy<S>): void {
    this.held = Math.max(this.held, positionOf(copy))
  }

  /** One after the other; and after a write by another process in between, again on what that wrote. */
  #patiently(once: Effect.Effect<void, CompareError>): Effect.Effect<void, CompareError> {
    const alone = this.#gate.withPermits(1)(once)
    return Effect.catchTag(alone, "RevisionConflict", () => Effect.retry(alone, again))
  }
}

const again = {
  while: (error: CompareError) => error._tag === "RevisionConflict",
  schedule: backoff,
  times: 15
}
