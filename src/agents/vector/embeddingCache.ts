/** Vectors that were made once, kept under a hash of the text and of what made them. */
import { createHash } from "node:crypto"
import { Effect, type Schema } from "effect"
import type { Family } from "../Family.ts"
import type { Shape } from "./Embedder.ts"
import { embedBatch } from "./embedding.ts"
import { Vector } from "./Stored.ts"
import type { EmbeddingFailed } from "./VectorError.ts"

/** Where vectors are kept. */
export interface CacheOptions<E, R> {
  /**
   * Any family of this schema; embedders may share one. Nothing is ever removed: give it a limit of its own, such as the expiry of
   * `RedisAgent`, or delete it as a whole.
   */
  readonly vectors: (schema: Schema.Codec<Float32Array, string>) => Effect.Effect<Family<Float32Array>, E, R>
}

/**
 * An embedder that asks for each text once. A cache that cannot be read or written is no reason to fail: it is logged, and the
 * texts are embedded.
 */
export const cached = <E, R>(embedder: Shape, { vectors }: CacheOptions<E, R>): Effect.Effect<Shape, E, R> =>
  Effect.map(vectors(Vector), (family) => ({
    ...embedder,
    embed: (texts) => {
      const keys = texts.map((text) => keyOf(embedder, text))
      return Effect.flatMap(load(embedder, family, keys), (known) => complete(embedder, family, texts, keys, known))
    }
  }))

// JSON tells lone surrogates apart, which are all one character in UTF-8.
const keyOf = ({ dimension, identity }: Shape, text: string): string =>
  createHash("sha256")
    .update(JSON.stringify([identity, dimension, text]))
    .digest("hex")

const load = (
  { dimension, identity }: Shape,
  family: Family<Float32Array>,
  keys: ReadonlyArray<string>
): Effect.Effect<Map<string, Float32Array>> =>
  family.loadMany(new Set(keys)).pipe(
    // What is of another length was not put there by this embedder, whatever its key says.
    Effect.map((found) => new Map([...found].filter(([, vector]) => vector.length === dimension))),
    Effect.catch((error) =>
      Effect.as(
        Effect.logWarning(`The cache of the embedder "${identity}" cannot be read; texts are embedded again.`, error),
        new Map<string, Float32Array>()
      )
    )
  )

const complete = (
  embedder: Shape,
  family: Family<Float32Array>,
  texts: ReadonlyArray<string>,
  keys: ReadonlyArray<string>,
  known: Map<string, Float32Array>
): Effect.Effect<ReadonlyArray<Float32Array>, EmbeddingFailed> =>
  Effect.gen(function* () {
    const missing = new Map<string, string>()
    for (const [i, key] of keys.entries()) if (!known.has(key)) missing.set(key, texts[i] ?? "")
    const at = (key: string) => known.get(key) ?? new Float32Array(0)
    if (missing.size === 0) return keys.map(at)
    const fresh = yield* embedBatch(embedder, [...missing.values()])
    const states = [...missing.keys()].map((key, i) => [key, fresh[i] ?? new Float32Array(0)] as const)
    for (const [key, vector] of states) known.set(key, vector)
    yield* Effect.catch(family.saveMany(states), (error) =>
      Effect.logWarning(`The cache of the embedder "${embedder.identity}" cannot be written.`, error)
    )
    return keys.map(at)
  })
