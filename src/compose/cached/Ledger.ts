import { Effect, Option, Stream } from "effect"
import type { Announcer } from "../../agents/internal/hub.ts"
import { type Owned, own } from "../../agents/internal/owned.ts"
import type { StateRegister, Where } from "../../agents/internal/stateRegister.ts"
import * as Revision from "../../agents/Revision.ts"
import { type ReadError, StateCorrupt } from "../../agents/StateError.ts"
import type { Codec, CodecError } from "../../schema/Codec.ts"
import type { Found } from "./Held.ts"

/** What the backend holds, under our number and under its own; `absent` for nothing. */
interface Known {
  readonly revision: Revision.Revision
  readonly below: Revision.Revision
}

/** What is handed to a ledger. */
export interface Book<in out S> {
  readonly where: Where
  readonly codec: Codec<S>
  readonly below: StateRegister<S>
  readonly announcer: Announcer<Owned<S>>
  /** Numbers begin above it. */
  readonly floor: number
}

/**
 * Numbers of our own for the states of a backend, and what is known of it. Who acknowledges a write before the backend
 * has it has to say its revision before the backend does.
 */
export class Ledger<in out S> {
  readonly #book: Book<S>
  /** Whether a write is under way of which the number is not known yet: what is found may be its state. */
  isWriting = false
  #known: Known | undefined
  #last: number
  /** Grows with all that is learned and written: what was read before is not believed after. */
  #epoch = 0
  #announced: Revision.Revision = Revision.absent

  constructor(book: Book<S>) {
    this.#book = book
    this.#last = book.floor
  }

  get known(): Known | undefined {
    return this.#known
  }

  /** The highest number given. */
  get last(): number {
    return this.#last
  }

  /** The number of the write that is being acknowledged. */
  next(): Revision.Revision {
    this.#epoch++
    return Revision.make(++this.#last)
  }

  learn(known: Known | undefined): void {
    this.#epoch++
    this.#known = known
    this.#last = Math.max(this.#last, known?.revision ?? 0)
  }

  announce(change: Revision.Change<Owned<S>>): void {
    this.#announced = change._tag === "Saved" ? change.revision : Revision.absent
    this.#book.announcer.publish(change)
  }

  /** What the backend holds, under our number; `again` where it has been overtaken meanwhile, or may be by a write of ours. */
  read(again: Effect.Effect<Found<S>, ReadError>): Effect.Effect<Found<S>, ReadError> {
    return Effect.suspend(() => {
      const epoch = this.#epoch
      return Effect.flatMap(this.#book.below.read, (found) => {
        if (epoch !== this.#epoch) return again
        const below = revisionOf(found)
        if (this.#known === undefined || this.#known.below !== below)
          return this.isWriting ? again : this.#adopt(found, epoch, again)
        const { revision } = this.#known
        return Effect.succeed(revision === below ? found : Option.map(found, (found) => ({ ...found, revision })))
      })
    })
  }

  /** Takes in what others did to the backend. */
  #adopt(
    found: Found<S>,
    epoch: number,
    again: Effect.Effect<Found<S>, ReadError>
  ): Effect.Effect<Found<S>, ReadError> {
    if (Option.isNone(found)) {
      this.learn({ revision: Revision.absent, below: Revision.absent })
      if (this.#announced !== Revision.absent) this.announce(Revision.deleted(this.#announced))
      return Effect.succeed(found)
    }
    return Effect.flatMap(this.own(found.value.state), (state) => {
      if (epoch !== this.#epoch) return again
      const { revision: below, savedAt } = found.value
      const revision = Revision.make(Math.max(this.#last + 1, below))
      this.learn({ revision, below })
      this.announce(Revision.saved({ state, revision, savedAt }))
      return Effect.succeed(Option.some({ ...found.value, revision }))
    })
  }

  /** What was announced, from what is read now. */
  changes(read: Effect.Effect<Found<S>, ReadError>): Stream.Stream<Revision.Change<S>, ReadError> {
    const current = Effect.flatMap(
      read,
      (found): Effect.Effect<Option.Option<Revision.Revisioned<Owned<S>>>, ReadError> =>
        Option.isNone(found)
          ? Effect.succeed(Option.none())
          : Effect.map(this.own(found.value.state), (state) => Option.some({ ...found.value, state }))
    )
    return Stream.mapEffect(
      this.#book.announcer.changes(current),
      (change): Effect.Effect<Revision.Change<S>, ReadError> =>
        change._tag === "Deleted" ? Effect.succeed(change) : Effect.map(this.hand(change), Revision.saved)
    )
  }

  own(state: S): Effect.Effect<Owned<S>, StateCorrupt> {
    return Effect.mapError(own(this.#book.codec, state), (error) => this.#corrupt(error))
  }

  hand({ revision, savedAt, state }: Revision.Revisioned<Owned<S>>) {
    return Effect.mapBothEager(state.get, {
      onSuccess: (state): Revision.Revisioned<S> => ({ state, revision, savedAt }),
      onFailure: (error) => this.#corrupt(error)
    })
  }

  #corrupt(error: CodecError): StateCorrupt {
    return new StateCorrupt({ ...this.#book.where, location: "memory", reason: error.reason })
  }
}

/** The revision of what was found; `absent` for nothing. */
export const revisionOf = (found: Found<unknown>): Revision.Revision =>
  Option.isSome(found) ? found.value.revision : Revision.absent
