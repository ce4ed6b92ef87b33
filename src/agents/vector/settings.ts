import { Effect, Option } from "effect"
import type { Family } from "../Family.ts"
import { absent } from "../Revision.ts"
import { StateCorrupt, type WriteError } from "../StateError.ts"
import type { Settings, Stored } from "./Stored.ts"
import { EmbedderMismatch } from "./VectorError.ts"

const key = "settings"

/** Compares the settings with those of the memory. The first open stores them; of two at once one wins, the other compares. */
export const checkSettings = <A>(
  agent: string,
  family: Family<Stored<A>>,
  given: Settings
): Effect.Effect<void, WriteError | EmbedderMismatch> => {
  const entry = family.at(key)
  return Effect.flatMap(entry.current, (current): Effect.Effect<void, WriteError | EmbedderMismatch> => {
    if (Option.isNone(current)) {
      const create = Effect.asVoid(entry.compareAndSave({ _tag: "Settings", ...given }, absent))
      return Effect.catchTag(create, "RevisionConflict", () => checkSettings(agent, family, given))
    }
    const { state } = current.value
    if (state._tag !== "Settings") {
      const reason = "it holds an item, not the settings of the memory"
      return Effect.fail(new StateCorrupt({ agent, key, location: `family "${family.name}"`, reason }))
    }
    const { dimension, embedder, metric } = state
    return dimension === given.dimension && embedder === given.embedder && metric === given.metric
      ? Effect.void
      : Effect.fail(new EmbedderMismatch({ agent, stored: { embedder, dimension, metric }, given }))
  })
}
