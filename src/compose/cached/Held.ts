import { type Clock, Effect, Exit, Option } from "effect"
import { own } from "../../agents/internal/owned.ts"
import type { Revision, Revisioned } from "../../agents/Revision.ts"
import type { Codec, CodecError } from "../../schema/Codec.ts"

/** A state as it was found, or that there was none. */
export type Found<S> = Option.Option<Revisioned<S>>

/** What is known of the entry in the cache. Times are milliseconds. */
export interface Held<S> {
  /** `absent` for an empty entry. */
  readonly revision: Revision
  /** Where in the order of commits it stands. */
  readonly position: number
  /** In which generation it was put there. */
  readonly generation: number
  /** By which its times are. */
  readonly clock: Clock.Clock
  readonly loadedAt: number
  freshUntil: number
  /** The entry itself, where it is kept here; otherwise the cache agent has it. */
  readonly answer: Effect.Effect<Found<S>> | undefined
}

const nothing = Exit.succeed(Option.none())

/** An answer for many: nobody can change it for another one. */
export const answerOf = <S>(codec: Codec<S>, found: Found<S>): Effect.Effect<Effect.Effect<Found<S>>, CodecError> => {
  if (Option.isNone(found)) return Exit.succeed(nothing)
  const { revision, savedAt, state } = found.value
  return Effect.map(own(codec, state), ({ get }) =>
    // It was copied once already, so a codec error here is a defect; what is frozen is answered as it is.
    Effect.catchEager(
      Effect.mapEager(get, (state) => Option.some({ state, revision, savedAt })),
      Exit.die
    )
  )
}
