import { Schema } from "effect"
import type { Revision } from "../../agents/Revision.ts"

/** What the cache agent keeps: a state as the backend had it, or that there was none. Times are milliseconds. */
export type Entry<S> =
  | {
      readonly _tag: "Hit"
      readonly state: S
      readonly revision: Revision
      readonly savedAt: number
      readonly loadedAt: number
    }
  | { readonly _tag: "Empty"; readonly loadedAt: number }

/** The schema of the cache's states, from the schema of the backend's. It stores them as plain as its agent does. */
export const Entry = <S>(schema: Schema.Codec<S, unknown>): Schema.Codec<Entry<S>, unknown> =>
  Schema.Union([
    Schema.TaggedStruct("Hit", {
      state: schema,
      revision: Schema.Number.pipe(Schema.brand("dgents/Revision")),
      savedAt: Schema.Number,
      loadedAt: Schema.Number
    }),
    Schema.TaggedStruct("Empty", { loadedAt: Schema.Number })
  ])
