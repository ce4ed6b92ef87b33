import { Effect } from "effect"
import type { EmbeddedVector, Shape } from "./Embedder.ts"
import { allFinite } from "./Stored.ts"
import { EmbeddingFailed } from "./VectorError.ts"

// Enough to hide the latency of a remote model, few enough not to run into its limits.
const concurrency = 4

/** The vectors of many texts, in batches, each checked: as many as texts, of the right dimension, finite. */
export const embedAll = (
  embedder: Shape,
  texts: ReadonlyArray<string>
): Effect.Effect<ReadonlyArray<Float32Array>, EmbeddingFailed> => {
  const size = Math.max(1, Math.floor(embedder.batchSize ?? 128))
  if (texts.length === 0) return Effect.succeed([])
  if (texts.length <= size) return embedBatch(embedder, texts)
  const batches = Array.from({ length: Math.ceil(texts.length / size) }, (_, i) =>
    texts.slice(i * size, (i + 1) * size)
  )
  return Effect.map(
    // An embedder that computes right here would hold up every other fiber until the last batch.
    Effect.forEach(batches, (batch) => Effect.andThen(Effect.yieldNow, embedBatch(embedder, batch)), { concurrency }),
    (vectors) => vectors.flat()
  )
}

/** The same in one call of the embedder. */
export const embedBatch = (
  embedder: Shape,
  texts: ReadonlyArray<string>
): Effect.Effect<ReadonlyArray<Float32Array>, EmbeddingFailed> =>
  Effect.flatMap(embedder.embed(texts), (vectors) => {
    const failed = (reason: string) =>
      Effect.fail(new EmbeddingFailed({ embedder: embedder.identity, reason, retryable: false }))
    if (vectors.length !== texts.length) return failed(`it gave ${vectors.length} vectors for ${texts.length} texts`)
    const checked: Array<Float32Array> = []
    for (const given of vectors) {
      if (given.length !== embedder.dimension)
        return failed(`it gave a vector of ${given.length} numbers instead of ${embedder.dimension}`)
      const vector = toVector(given)
      if (vector === undefined) return failed("it gave a vector with a number that is not a finite 32-bit float")
      checked.push(vector)
    }
    return Effect.succeed(checked)
  })

/** A copy in 32-bit floats; nothing when a number is NaN, infinite, or too large for them. */
export const toVector = (given: EmbeddedVector): Float32Array | undefined => {
  const vector = new Float32Array(given)
  return allFinite(vector) ? vector : undefined
}
