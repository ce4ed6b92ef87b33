/**
 * What turns text into vectors: a service, so that a program runs with the built-in one in a test and with a model in
 * production. A memory records the identity of its embedder and refuses to be opened with another.
 */
import { Context, Effect, Layer, type Scope } from "effect"
import { EmbeddingModel } from "effect/ai/EmbeddingModel"
import { type CacheOptions, cached } from "./embeddingCache.ts"
import * as lexicalVector from "./lexical.ts"
import { type RetryOptions, retrying } from "./retrying.ts"
import { EmbeddingFailed } from "./VectorError.ts"

export { type CacheOptions, cached, type RetryOptions, retrying }

/** A vector as an embedder may give it. */
export type EmbeddedVector = Float32Array | ReadonlyArray<number>

/** What an embedder is. */
export interface Shape {
  /** The name and version of the model. Change it whenever the vectors change. */
  readonly identity: string
  /** How many numbers a vector has. */
  readonly dimension: number
  /** The most texts in one call of `embed`. Default: 128. */
  readonly batchSize?: number | undefined
  /** One vector for each text, in the same order. */
  readonly embed: (texts: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<EmbeddedVector>, EmbeddingFailed>
}

/** The service tag of the embedder. */
export class Embedder extends Context.Service<Embedder, Shape>()("dgents/Embedder") {}

/** What `fromFunction` takes. */
export interface FunctionOptions extends Omit<Shape, "embed"> {
  /** Any effect; what it fails with becomes the cause of an `EmbeddingFailed`. */
  readonly embed: (texts: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<EmbeddedVector>, unknown>
}

/** An embedder from a function of texts. Errors other than `EmbeddingFailed` are wrapped, and taken to be retryable. */
export const fromFunction = (options: FunctionOptions): Shape => ({
  ...options,
  embed: (texts) =>
    Effect.mapError(options.embed(texts), (cause) =>
      cause instanceof EmbeddingFailed
        ? cause
        : new EmbeddingFailed({ embedder: options.identity, reason: reasonOf(cause), retryable: true, cause })
    )
})

const reasonOf = (cause: unknown): string => (cause instanceof Error ? cause.message : "its function failed")

/** What `fromEmbeddingModel` takes: Effect's service knows neither the model's name nor the size of its vectors. */
export type ModelOptions = Omit<Shape, "embed">

/** An embedder over Effect's `EmbeddingModel`, which providers of language models implement. */
export const fromEmbeddingModel = (options: ModelOptions): Effect.Effect<Shape, never, EmbeddingModel> =>
  Effect.map(EmbeddingModel, (model) => ({
    ...options,
    embed: (texts) =>
      Effect.mapBoth(model.embedMany(texts), {
        onSuccess: (response) => response.embeddings.map((embedding) => embedding.vector),
        onFailure: (cause) =>
          new EmbeddingFailed({
            embedder: options.identity,
            reason: cause.message,
            retryable: cause.isRetryable,
            cause
          })
      })
  }))

/**
 * The built-in embedder: offline, instant, and the same in every process. It is lexical, not neural: it finds texts that
 * share words and parts of words ("deploy", "deployment"), in any script, and knows nothing of meaning: "car" is as far
 * from "automobile" as from "banana". Unrelated texts score around 0, give or take 1 / sqrt(dimension): a memory of
 * tens of thousands of items wants 1024 dimensions or more.
 */
export const lexical = (options?: { /** Default: 384. */ readonly dimension?: number | undefined }): Shape => {
  const dimension = options?.dimension ?? 384
  return {
    identity: "dgents/lexical-1",
    dimension,
    embed: (texts) => Effect.sync(() => texts.map((text) => lexicalVector.embed(text, dimension)))
  }
}

/** A layer for an embedder. */
export const layer = (embedder: Shape): Layer.Layer<Embedder> => Layer.succeed(Embedder, embedder)

/** A layer for the built-in embedder. */
export const layerLexical = (options?: { readonly dimension?: number | undefined }): Layer.Layer<Embedder> =>
  layer(lexical(options))

/** A layer for an embedder over Effect's `EmbeddingModel`. */
export const layerEmbeddingModel = (options: ModelOptions): Layer.Layer<Embedder, never, EmbeddingModel> =>
  Layer.effect(Embedder, fromEmbeddingModel(options))

/** The embedder that is there, with retries. */
export const layerRetrying = (options?: RetryOptions): Layer.Layer<Embedder, never, Embedder> =>
  Layer.effect(
    Embedder,
    Effect.map(Embedder, (embedder) => retrying(embedder, options))
  )

/** The embedder that is there, with a cache. */
export const layerCached = <E, R>(
  options: CacheOptions<E, R>
): Layer.Layer<Embedder, E, Exclude<R, Scope.Scope> | Embedder> =>
  Layer.effect(
    Embedder,
    Effect.flatMap(Embedder, (embedder) => cached(embedder, options))
  )
