import { Embedder, type VectorAgent } from "dgents"
import { Site } from "dgents/testing"
import { Effect, Schema } from "effect"
import { dimension, type Note, vectorOf } from "../../../../src/testing/laws/vectorModel.ts"
import { kept } from "../../../laws/VectorAgent.subjects.ts"

/** A memory of notes in a directory, in whatever process. */
export const open = (kind: string, directory: string) =>
  Effect.provideService(
    (kind === "sqlite" ? kept.sqlite : kept.files).open(Site.at(directory), {
      name: "notes",
      schema: Schema.Struct({ text: Schema.String, even: Schema.Boolean }),
      text: (note) => note.text,
      metric: "cosine"
    }),
    Embedder.Embedder,
    Embedder.fromFunction({ identity: "n", dimension, embed: (texts) => Effect.succeed(texts.map(vectorOf)) })
  )

/** One thing that a child does: an item for each id, or none to remove it. */
export interface Change {
  readonly how: "add" | "addMany" | "update" | "remove"
  readonly items: ReadonlyArray<readonly [id: string, note: Note | null]>
}

export const noteOf = (n: number): Note => ({ text: `${(n % 5) - 2} ${(n % 7) - 3} 1`, even: n % 2 === 0 })

/** The nth change. */
export const changeOf = (n: number): Change => {
  const how = (["add", "addMany", "remove", "update", "addMany"] as const)[n % 5] ?? "add"
  const count = how === "addMany" ? 5 : 1
  return {
    how,
    items: Array.from({ length: count }, (_, i) => [
      `id${(n * 7 + i * 3) % 13}`,
      how === "remove" ? null : noteOf(n + i)
    ])
  }
}

export const apply = (memory: VectorAgent.VectorAgent<Note>, { how, items }: Change) => {
  const [[id, note] = ["", null]] = items
  if (how === "remove" || note === null) return memory.remove(id)
  if (how === "add") return memory.add(id, note)
  if (how === "update")
    return Effect.catchTag(
      memory.update(id, () => note),
      "StateNotFound",
      () => memory.add(id, note)
    )
  return memory.addMany(items.flatMap(([id, note]) => (note === null ? [] : [[id, note] as const])))
}
