/**
 * Which items are being written: a search that reads its items after it scored them must not give a new item with the score of
 * the old one.
 */
import { Effect } from "effect"

// A search that writers overtake again and again answers in the end, with items that are newer than their scores.
const attempts = 16

export class Writes {
  readonly #underWay = new Set<string>()
  /** What searches under way are told: ids that were being written at some moment of theirs. */
  readonly #told = new Set<Set<string>>()

  /** Runs a write of these items, whose locks are held. */
  during<B, E>(ids: ReadonlyArray<string>, write: Effect.Effect<B, E>): Effect.Effect<B, E> {
    return Effect.suspend(() => {
      for (const id of ids) this.#underWay.add(id)
      for (const told of this.#told) for (const id of ids) told.add(id)
      const end = Effect.sync(() => {
        for (const id of ids) this.#underWay.delete(id)
      })
      return Effect.ensuring(write, end)
    })
  }

  /** Runs a search, again if it answers with an item that was being written meanwhile; `settled` waits for such writes. */
  apart<B, E>(
    search: Effect.Effect<B, E>,
    idsOf: (answer: B) => ReadonlyArray<string>,
    settled: (ids: ReadonlyArray<string>) => Effect.Effect<void>,
    left = attempts
  ): Effect.Effect<B, E> {
    return Effect.suspend(() => {
      const written = new Set(this.#underWay)
      this.#told.add(written)
      const end = Effect.sync(() => this.#told.delete(written))
      return Effect.flatMap(Effect.ensuring(search, end), (answer) => {
        const again = idsOf(answer).filter((id) => written.has(id))
        return again.length === 0 || left === 0
          ? Effect.succeed(answer)
          : Effect.andThen(settled(again), this.apart(search, idsOf, settled, left - 1))
      })
    })
  }
}
