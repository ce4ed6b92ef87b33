import { Effect, Option } from "effect"
import { type Owned, own } from "../../agents/internal/owned.ts"
import type { Draft, Where } from "../../agents/internal/stateRegister.ts"
import { absent, make, type Revision, type Revisioned } from "../../agents/Revision.ts"
import { StateCorrupt, type StateInvalid } from "../../agents/StateError.ts"
import type { Codec, CodecError, Payload } from "../../schema/Codec.ts"
import * as Numbers from "./numbers.ts"
import type { Shift, Standby, Unsettled } from "./Standby.ts"

/** A state that nobody can change. */
export interface Kept<out S> {
  readonly state: Owned<S>
  readonly savedAt: number
}

/** A state as it was seen last, under the number that it is shown with. */
export interface Seen<out S> extends Kept<S> {
  readonly revision: Revision
}

/** What is read: a state, or that there is none. */
export type Found<S> = Option.Option<Revisioned<S>>

/** All that is known of one state. */
export class Known<in out S> {
  /** Whether it is known what the second agent holds. */
  isOpen = false
  shifts: ReadonlyArray<Shift> = []
  /** While a write waits at the second agent: the revision of the first that it was made from, 0 for none. */
  base: number | undefined
  /** While a write waits: the number that the last one was given. */
  given: Revision = absent
  /** While a write waits: whether the state was deleted since the first agent had it. */
  wiped = false
  /** The revision that the waiting state has at the first agent, where only the second was not told of it yet. */
  settledAs: number | undefined
  /** The current state, none where there is none; `undefined` while that is not known. */
  seen: Option.Option<Seen<S>> | undefined
  /** The highest revision that the first agent is known to have had. */
  highest: number | undefined
  /** Grows when a write begins and when it ends: what was read before may be older than what is known by now. */
  writes = 0
  readonly #where: Where
  readonly #codec: Codec<S>
  /** Whether the first agent encodes what it is given: then that encoding is kept, and otherwise a copy. */
  readonly #isEncoded: boolean

  constructor(where: Where, codec: Codec<S>, isEncoded: boolean) {
    this.#where = where
    this.#codec = codec
    this.#isEncoded = isEncoded
  }

  /** What is kept of a state that is being written. */
  kept(draft: Draft<S>): Effect.Effect<Kept<S>, StateInvalid> {
    const { savedAt } = draft
    return this.#isEncoded
      ? Effect.mapEager(draft.payload(this.#codec), (payload) => ({
          state: new Encoded(this.#codec, payload),
          savedAt
        }))
      : Effect.mapEager(draft.owned(this.#codec), (state) => ({ state, savedAt }))
  }

  /** The same at once, where a codec answers at once. */
  keptNow(draft: Draft<S>): Kept<S> | undefined {
    const state = this.#isEncoded ? this.#encodedNow(draft) : draft.ownedNow(this.#codec)
    return state && { state, savedAt: draft.savedAt }
  }

  #encodedNow(draft: Draft<S>): Owned<S> | undefined {
    const payload = draft.payloadNow(this.#codec)
    return payload === undefined ? undefined : new Encoded(this.#codec, payload)
  }

  #keep(state: S): Effect.Effect<Owned<S>, CodecError> {
    return this.#isEncoded
      ? Effect.mapEager(this.#codec.encode(state), (payload) => new Encoded(this.#codec, payload))
      : own(this.#codec, state)
  }

  /** Takes in what the second agent holds. */
  open(standby: Standby<S>): Effect.Effect<void, StateCorrupt> {
    const take = (seen: Option.Option<Seen<S>> | undefined) => {
      this.shifts = standby.shifts
      this.seen = seen
      this.isOpen = true
      if (standby._tag === "Settled") this.base = undefined
      // What was known before of the very same write is as true, and may be more: it may have been brought already.
      else if (standby._tag === "Deleted" || this.base === undefined || this.given !== standby.revision) {
        this.base = standby.base
        this.highest = standby.highest
        this.given = make(standby.revision)
        this.wiped = standby.wiped
        this.settledAs = undefined
      }
    }
    if (standby._tag !== "Saved") return Effect.sync(() => take(standby._tag === "Settled" ? undefined : Option.none()))
    const { savedAt, state } = standby
    const revision = make(standby.revision)
    return Effect.mapBoth(this.#keep(state), {
      onSuccess: (state) => take(Option.some({ state, savedAt, revision })),
      onFailure: ({ reason }) => this.#corrupt(revision, reason)
    })
  }

  /** Takes in a state that the first agent has, and answers the number that it is shown with. */
  remember(kept: Kept<S>, revision: number): Revision {
    this.reached(revision)
    const shown = Numbers.shown(this.shifts, revision)
    this.seen = Option.some({ ...kept, revision: shown })
    return shown
  }

  /** The first agent has had a revision. */
  reached(revision: number): void {
    this.highest = Math.max(this.highest ?? 0, revision)
  }

  /** Takes in what the first agent answered to a read that began after so many writes, unless something newer is known. */
  saw(found: Found<S>, writes: number): Effect.Effect<Found<S>> {
    const isSince = () => writes === this.writes && this.base === undefined
    if (Option.isNone(found)) {
      if (isSince()) this.seen = Option.none()
      return Effect.succeed(found)
    }
    const { revision, savedAt, state } = found.value
    const numbered = this.shifts.length === 0 ? found : Option.some(this.numbered(found.value))
    const isNews = () =>
      this.base === undefined && (revision > (this.highest ?? 0) || (this.seen === undefined && isSince()))
    if (!isNews()) return Effect.succeed(numbered)
    return Effect.match(this.#keep(state), {
      onSuccess: (state) => {
        if (isNews()) this.remember({ state, savedAt }, revision)
        return numbered
      },
      onFailure: () => {
        if (isNews()) this.seen = undefined
        return numbered
      }
    })
  }

  /** Takes in what the second agent was told. */
  stood(standby: Unsettled<S>, kept: Kept<S> | undefined): void {
    this.shifts = standby.shifts
    this.base = standby.base
    this.given = make(standby.revision)
    this.wiped = standby.wiped
    this.settledAs = undefined
    this.seen = kept === undefined ? Option.none() : Option.some({ ...kept, revision: this.given })
  }

  /** The last number that was given, to a write to either agent. */
  get last(): Revision {
    return this.base === undefined ? Numbers.last(this.shifts, this.highest ?? 0) : this.given
  }

  /** From now on the next revision of the first agent is shown with a number. */
  nextIs(number: number): void {
    const highest = this.highest ?? 0
    this.shifts = Numbers.shifted(this.shifts, highest, number - highest - 1)
  }

  /** Nobody knows what the second agent holds, until it is asked again. */
  forget(): void {
    this.isOpen = false
    this.seen = undefined
  }

  /** A state as it is shown to its next reader. */
  show(seen: Option.Option<Seen<S>>): Effect.Effect<Found<S>, StateCorrupt> {
    if (Option.isNone(seen)) return Effect.succeedNone
    const { revision, savedAt, state } = seen.value
    return Effect.mapBoth(state.get, {
      onSuccess: (state) => Option.some({ state, revision, savedAt }),
      onFailure: ({ reason }) => this.#corrupt(revision, reason)
    })
  }

  /** Something that the first agent tells of, under the number that it is shown with. */
  numbered<A extends { readonly revision: Revision }>(told: A): A {
    return this.shifts.length === 0 ? told : { ...told, revision: Numbers.shown(this.shifts, told.revision) }
  }

  #corrupt(revision: Revision, reason: string): StateCorrupt {
    return new StateCorrupt({ ...this.#where, location: `revision ${revision}`, reason })
  }
}

/** The number of a state that is current, 0 where there is none. */
export const numberOf = (seen: Option.Option<{ readonly revision: Revision }>): Revision =>
  Option.isSome(seen) ? seen.value.revision : make(0)

class Encoded<in out S> implements Owned<S> {
  readonly #codec: Codec<S>
  readonly #payload: Payload

  constructor(codec: Codec<S>, payload: Payload) {
    this.#codec = codec
    this.#payload = payload
  }

  get get(): Effect.Effect<S, CodecError> {
    return Effect.suspend(() => this.#codec.decode(this.#payload))
  }
}
