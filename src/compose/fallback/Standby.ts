import { Schema } from "effect"

/** Revisions of the first agent above `after` are shown `by` higher. */
export interface Shift {
  readonly after: number
  readonly by: number
}

/** What the second agent knows of what waits there. */
export interface Waiting {
  readonly shifts: ReadonlyArray<Shift>
  /** The revision of the first agent that it was made from, 0 for none. */
  readonly base: number
  /** The highest revision that the first agent was known to have had. */
  readonly highest: number
  /** The number that the last write was given. */
  readonly revision: number
  /** Whether the state was deleted meanwhile, so that the first agent is not to keep what it had before. */
  readonly wiped: boolean
}

/**
 * What the second agent keeps of one state: a state, or that there is to be none, that waits for the first to come back;
 * or nothing but the shifts.
 */
export type Standby<S> = { readonly _tag: "Settled"; readonly shifts: ReadonlyArray<Shift> } | Unsettled<S>

/** What waits. */
export type Unsettled<S> =
  | ({ readonly _tag: "Deleted" } & Waiting)
  | ({ readonly _tag: "Saved"; readonly state: S; readonly savedAt: number } & Waiting)

/** The schema of the second agent's states, from the schema of the first one's. */
export const Standby = <S>(schema: Schema.Codec<S, unknown>): Schema.Codec<Standby<S>, unknown> => {
  const shifts = Schema.Array(Schema.Struct({ after: Schema.Number, by: Schema.Number }))
  const waiting = {
    shifts,
    base: Schema.Number,
    highest: Schema.Number,
    revision: Schema.Number,
    wiped: Schema.Boolean
  }
  return Schema.Union([
    Schema.TaggedStruct("Settled", { shifts }),
    Schema.TaggedStruct("Deleted", waiting),
    Schema.TaggedStruct("Saved", { ...waiting, state: schema, savedAt: Schema.Number })
  ])
}
