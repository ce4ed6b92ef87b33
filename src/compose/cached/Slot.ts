import { Effect, Exit, Option } from "effect"
import type { DataAgent } from "../../agents/DataAgent.ts"
import { absent } from "../../agents/Revision.ts"
import type { Entry } from "./Entry.ts"
import type { Found, Held } from "./Held.ts"
import type { Shared } from "./Shared.ts"
import type { Standing } from "./Standing.ts"

/** A cache agent, and which of what it may hold is to be used: the entry that was put there last, or none. */
export class Slot<in out S> {
  readonly #cache: DataAgent<Entry<S>>
  readonly #standing: Standing<S>
  readonly #shared: Shared<S>

  constructor(cache: DataAgent<Entry<S>>, standing: Standing<S>, shared: Shared<S>) {
    this.#cache = cache
    this.#standing = standing
    this.#shared = shared
  }

  /** The entry held, if the cache has it. */
  lookUp<E>(
    onFound: (answer: Found<S>) => Effect.Effect<Found<S>, E>,
    otherwise: () => Effect.Effect<Found<S>, E>
  ): Effect.Effect<Found<S>, E> {
    return Effect.matchEffect(this.#cache.load, {
      onSuccess: (entry) => {
        const isEmpty = entry._tag === "Empty"
        if (this.#standing.held?.revision !== (isEmpty ? absent : entry.revision)) return otherwise()
        if (isEmpty) return onFound(Option.none())
        return onFound(Option.some({ state: entry.state, revision: entry.revision, savedAt: entry.savedAt }))
      },
      onFailure: (error) =>
        error._tag === "StateNotFound" ? otherwise() : Effect.andThen(this.#shared.failed("load", error), otherwise())
    })
  }

  /**
   * Puts an entry there, and uses it if it may be kept by then. Two may arrive in either order: an entry that is not the
   * one held is not used.
   */
  put(found: Found<S>, held: Held<S>, mayKeep: () => boolean): Effect.Effect<void> {
    const { loadedAt } = held
    const entry: Entry<S> = Option.isSome(found)
      ? { _tag: "Hit", ...found.value, loadedAt }
      : { _tag: "Empty", loadedAt }
    return Effect.matchEffect(this.#cache.save(entry), {
      onSuccess: () => {
        if (mayKeep()) this.#standing.held = held
        return Exit.void
      },
      onFailure: (error) => this.#shared.failed("save", error)
    })
  }

  /** What the cache has, whoever put it there. */
  get peek(): Effect.Effect<Entry<S> | undefined> {
    return Effect.catch(this.#cache.load, (error) =>
      error._tag === "StateNotFound"
        ? Effect.succeed(undefined)
        : Effect.as(this.#shared.failed("load", error), undefined)
    )
  }

  /** Takes what is there away. */
  get clear(): Effect.Effect<void> {
    return Effect.catch(this.#cache.delete, (error) => this.#shared.failed("delete", error))
  }
}
