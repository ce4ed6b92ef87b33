import { Schema } from "effect"
import type { Revision } from "../../agents/Revision.ts"

/** What a follower keeps: a state of the leader, or that it was deleted, with the leader's revision. */
export type Copy<S> =
  | { readonly _tag: "Saved"; readonly revision: Revision; readonly savedAt: number; readonly state: S }
  | { readonly _tag: "Deleted"; readonly revision: Revision }

/** The schema of a follower's states, from the schema of the leader's. */
export const Copy = <S>(schema: Schema.Codec<S, unknown>): Schema.Codec<Copy<S>, unknown> => {
  const revision = Schema.Number.pipe(Schema.brand("dgents/Revision"))
  return Schema.Union([
    Schema.TaggedStruct("Saved", { revision, savedAt: Schema.Number, state: schema }),
    Schema.TaggedStruct("Deleted", { revision })
  ])
}
