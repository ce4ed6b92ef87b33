import { type Clock, Effect, Exit, Option, Random } from "effect"
import type { DataAgent } from "../../agents/DataAgent.ts"
import { absent } from "../../agents/Revision.ts"
import { positionOf } from "../internal/position.ts"
import type { Entry } from "./Entry.ts"
import { answerOf, type Found, type Held } from "./Held.ts"
import type { Shared } from "./Shared.ts"
import { Slot } from "./Slot.ts"
import type { Standing } from "./Standing.ts"

/** What an answer is, and since when, in milliseconds. */
export interface Learned<S> {
  readonly found: Found<S>
  readonly position: number
  readonly generation: number
  readonly clock: Clock.Clock
  readonly loadedAt: number
}

/** The entry of one state: in memory, or in a cache agent. It is kept unless something newer is known. */
export class Keeping<in out S> {
  readonly #shared: Shared<S>
  readonly #standing: Standing<S>
  /** Absent where the entry is kept here. */
  readonly #slot: Slot<S> | undefined

  constructor(shared: Shared<S>, standing: Standing<S>, cache: DataAgent<Entry<S>> | undefined) {
    this.#shared = shared
    this.#standing = standing
    this.#slot = cache && new Slot(cache, standing, shared)
  }

  /** Nothing is used or kept again; and what a cache agent keeps is taken away, unless it is that of others too. */
  discard(): Effect.Effect<void> {
    this.#standing.discard()
    return this.#slot === undefined || this.#shared.settings.shared ? Effect.void : this.#slot.clear
  }

  /** The entry held, if there still is one. */
  lookUp<E>(
    onFound: (answer: Found<S>) => Effect.Effect<Found<S>, E>,
    otherwise: () => Effect.Effect<Found<S>, E>
  ): Effect.Effect<Found<S>, E> {
    const answer = this.#standing.held?.answer
    if (answer !== undefined) return Effect.flatMap(answer, onFound)
    return this.#slot === undefined ? otherwise() : this.#slot.lookUp(onFound, otherwise)
  }

  /** What somebody else put into the cache, if it is as new as all that is known here and not too old. */
  adopted<E>(otherwise: Effect.Effect<Found<S>, E>): Effect.Effect<Found<S>, E> {
    return Effect.suspend(() => {
      const standing = this.#standing
      if (this.#slot === undefined || !standing.mayAdopt || standing.isWriting) return otherwise
      return Effect.flatMap(this.#slot.peek, (entry) =>
        Effect.clockWith((clock) => {
          const { counts, settings } = this.#shared
          if (entry?._tag !== "Hit") return otherwise
          const { revision, savedAt, state } = entry
          const position = positionOf({ _tag: "Saved", revision })
          const now = clock.currentTimeMillisUnsafe()
          // Clocks differ: nothing is from the future.
          const loadedAt = Math.min(entry.loadedAt, now)
          const freshUntil = loadedAt + settings.ttl
          const { generation } = standing
          const isAsNew = standing.mayAdopt && standing.isWatched && standing.mayKeep(position, generation)
          if (freshUntil <= now || !isAsNew) return otherwise
          standing.seen = position
          standing.held = { revision, position, generation, clock, loadedAt, freshUntil, answer: undefined }
          counts.hits++
          return Effect.succeed(Option.some({ state, revision, savedAt }))
        })
      )
    })
  }

  /** Takes in what the backend answered. */
  learn(found: Found<S>, clock: Clock.Clock, loadedAt: number, generation: number): Effect.Effect<void> {
    const standing = this.#standing
    const isSome = Option.isSome(found)
    const position = isSome ? positionOf({ _tag: "Saved", revision: found.value.revision }) : standing.seen
    if (standing.mayKeep(position, generation)) return this.fill({ found, position, generation, clock, loadedAt })
    const { held } = standing
    // What is not kept may be newer than what is held all the same, and somebody knows it now.
    const isNewer = isSome ? position > (held?.position ?? 0) : generation >= (held?.generation ?? 0)
    if (isNewer && held?.revision !== absent) standing.held = undefined
    return Effect.void
  }

  /** Puts an entry into the cache unless it is out of date, and uses it if it is not out of date by then. */
  fill(learned: Learned<S>): Effect.Effect<void> {
    const { jitter } = this.#shared.settings
    return jitter === 0
      ? this.#fill(learned, 1)
      : Effect.flatMap(Random.next, (random) => this.#fill(learned, 1 - jitter * random))
  }

  #fill({ clock, found, generation, loadedAt, position }: Learned<S>, share: number): Effect.Effect<void> {
    const standing = this.#standing
    const { settings } = this.#shared
    if (!standing.mayKeep(position, generation)) return Effect.void
    const fresh = standing.isWatched ? settings.ttl * share : 0
    standing.held = undefined
    standing.seen = position
    if (fresh + settings.staleWhileRevalidate + settings.staleIfError <= 0) return Effect.void
    standing.mayAdopt = true
    const revision = Option.isNone(found) ? absent : found.value.revision
    const held = { revision, position, generation, clock, loadedAt, freshUntil: loadedAt + fresh, answer: undefined }
    return this.#put(found, held)
  }

  #put(found: Found<S>, held: Held<S>): Effect.Effect<void> {
    const mayKeep = () => this.#standing.mayKeep(held.position, held.generation)
    if (this.#slot !== undefined) return this.#slot.put(found, held, mayKeep)
    return Effect.matchEffect(answerOf(this.#shared.copying, found), {
      onSuccess: (answer) => {
        if (mayKeep()) this.#standing.held = { ...held, answer }
        return Exit.void
      },
      onFailure: ({ reason }) => this.#shared.failed("save", { message: reason })
    })
  }
}
