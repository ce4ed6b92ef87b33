import { Effect, Exit, Option } from "effect"
import type { DataAgent } from "../../agents/DataAgent.ts"
import { absent, type Revision, type Revisioned } from "../../agents/Revision.ts"
import type { Entry } from "./Entry.ts"

/** A state as it was found, or that there was none. */
export type Found<S> = Option.Option<Revisioned<S>>

/** What is known of the entry in the cache. Times are milliseconds. */
export interface Held {
  /** `absent` for an empty entry. */
  readonly revision: Revision
  /** Where in the order of commits it stands. */
  readonly position: number
  /** In which generation it was put there. */
  readonly generation: number
  readonly loadedAt: number
  freshUntil: number
}

/** Says that the cache could not do something. */
export type Report = (operation: string, error: { readonly message: string }) => Effect.Effect<void>

/** The cache agent, and which of what it may hold is to be used: the entry that was put there last, or none. */
export class Slot<in out S> {
  held: Held | undefined
  readonly #cache: DataAgent<Entry<S>>
  readonly #failed: Report

  constructor(cache: DataAgent<Entry<S>>, failed: Report) {
    this.#cache = cache
    this.#failed = failed
  }

  /** The entry held, if the cache has it. */
  lookUp<E>(
    onFound: (answer: Found<S>) => Effect.Effect<Found<S>, E>,
    otherwise: () => Effect.Effect<Found<S>, E>
  ): Effect.Effect<Found<S>, E> {
    return Effect.matchEffect(this.#cache.load, {
      onSuccess: (entry) => {
        const isEmpty = entry._tag === "Empty"
        if (this.held?.revision !== (isEmpty ? absent : entry.revision)) return otherwise()
        if (isEmpty) return onFound(Option.none())
        return onFound(Option.some({ state: entry.state, revision: entry.revision, savedAt: entry.savedAt }))
      },
      onFailure: (error) =>
        error._tag === "StateNotFound" ? otherwise() : Effect.andThen(this.#failed("load", error), otherwise())
    })
  }

  /**
   * Puts an entry there, and uses it if it may be kept by then. Two may arrive in either order: an entry that is not the
   * one held is not used.
   */
  put(entry: Entry<S>, held: Held, mayKeep: () => boolean): Effect.Effect<void> {
    return Effect.matchEffect(this.#cache.save(entry), {
      onSuccess: () => {
        if (mayKeep()) this.held = held
        return Exit.void
      },
      onFailure: (error) => this.#failed("save", error)
    })
  }

  /** What the cache has, whoever put it there. */
  get peek(): Effect.Effect<Entry<S> | undefined> {
    return Effect.catch(this.#cache.load, (error) =>
      error._tag === "StateNotFound" ? Effect.succeed(undefined) : Effect.as(this.#failed("load", error), undefined)
    )
  }

  /** Takes what is there away. */
  get clear(): Effect.Effect<void> {
    return Effect.catch(this.#cache.delete, (error) => this.#failed("delete", error))
  }
}
