import { Effect, Option } from "effect"
import type { Family } from "../Family.ts"
import { absent, type Revision } from "../Revision.ts"
import { StateCorrupt, type WriteError } from "../StateError.ts"
import type { Settings, Stored } from "./Stored.ts"
import { EmbedderMismatch } from "./VectorError.ts"

const key = "settings"

/**
 * Compares the settings with those of the memory, and answers the name that the memory has for good: no other one has it, also
 * none that is made later in the same place. The first open stores them; of two at once one wins, the other compares.
 */
export const checkSettings = <A>(
  agent: string,
  family: Family<Stored<A>>,
  given: Settings
): Effect.Effect<string, WriteError | EmbedderMismatch> => {
  const entry = family.at(key)
  const store = (revision: Revision) => {
    const memory = crypto.randomUUID()
    const stored = Effect.as(entry.compareAndSave({ _tag: "Settings", ...given, memory }, revision), memory)
    return Effect.catchTag(stored, "RevisionConflict", () => checkSettings(agent, family, given))
  }
  return Effect.flatMap(entry.current, (current): Effect.Effect<string, WriteError | EmbedderMismatch> => {
    if (Option.isNone(current)) return store(absent)
    const { revision, state } = current.value
    if (state._tag !== "Settings") {
      const reason = "it holds an item, not the settings of the memory"
      return Effect.fail(new StateCorrupt({ agent, key, location: `family "${family.name}"`, reason }))
    }
    const { dimension, embedder, memory, metric } = state
    if (dimension !== given.dimension || embedder !== given.embedder || metric !== given.metric)
      return Effect.fail(new EmbedderMismatch({ agent, stored: { embedder, dimension, metric }, given }))
    // Memories that were made before they had names are given one.
    return memory === undefined ? store(revision) : Effect.succeed(memory)
  })
}
