/**
 * An embedder on this machine: a model in ONNX form, run by transformers.js (`@huggingface/transformers`).
 *
 * - Promises: texts never leave the machine, and with `offline` nothing is downloaded either. The model computes in a thread of its
 *   own, so that the event loop stays free, and is freed when the scope closes.
 * - Costs: the model in memory, and its download once. Of a text longer than the model takes, the end is ignored: split it.
 * - Fails: opening with `StorageUnavailable` where the package is missing or the model cannot be loaded; with `EmbeddingFailed`.
 */
import { Effect, Layer, type Scope } from "effect"
import { check, oneOf, optional, rule, text } from "../internal/options.ts"
import { StorageUnavailable } from "../StateError.ts"
import { Embedder, type Shape } from "./Embedder.ts"
import { start } from "./transformers/thread.ts"
import { EmbeddingFailed } from "./VectorError.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Options

/** What `make` takes. */
export interface Options {
  /**
   * A model of the hub, such as `"Xenova/all-MiniLM-L6-v2"`, or the path of a directory, with a `/` or `./` in front, that has
   * `config.json`, `tokenizer.json`, `tokenizer_config.json` and `onnx/model.onnx`.
   */
  readonly model: string
  /** How the vectors of tokens become one: what the model was trained for. Default: `"mean"`. */
  readonly pooling?: "mean" | "cls" | undefined
  /** Whether vectors get the length 1. Default: `true`. */
  readonly normalize?: boolean | undefined
  /** Which of the model's files, by how it holds numbers: less is smaller, faster and coarser. Default: `"fp32"`. */
  readonly dtype?: "fp32" | "fp16" | "q8" | "int8" | "uint8" | "q4" | "q4f16" | "bnb4" | undefined
  /** What it runs on, such as `"cpu"`, `"cuda"` or `"webgpu"`. Default: up to the package, `"cpu"` in Node. */
  readonly device?: string | undefined
  /** The branch, tag or commit of a model of the hub. Default: `"main"`, which may change: name a commit for what lasts. */
  readonly revision?: string | undefined
  /** Takes nothing from the network: the model has to be in the cache or in a directory. Default: `false`. */
  readonly offline?: boolean | undefined
  /** Where downloads are kept. Default: up to the package. */
  readonly cacheDirectory?: string | undefined
  /** The most texts computed in one go. Default: 16. */
  readonly batchSize?: number | undefined
  /** Names the model to memories. Default: the model, its revision, its numbers and its pooling. A path is part of it. */
  readonly identity?: string | undefined
}

const flag = optional(rule("true or false", (value) => typeof value === "boolean"))

const rules = {
  model: rule("the name of a model or the path of a directory", (value) => typeof value === "string" && value !== ""),
  pooling: optional(oneOf("mean", "cls")),
  normalize: flag,
  dtype: optional(oneOf("fp32", "fp16", "q8", "int8", "uint8", "q4", "q4f16", "bnb4")),
  device: optional(text),
  revision: optional(text),
  offline: flag,
  cacheDirectory: optional(text),
  batchSize: optional(rule("a whole number from 1", (value) => Number.isSafeInteger(value) && Number(value) >= 1)),
  identity: optional(text)
}

// ---------------------------------------------------------------------------------------------------------------------
// make

const packageName = "@huggingface/transformers"

const unavailable = (model: string, offline: boolean, cause: unknown): StorageUnavailable => {
  const said = { agent: "transformers", operation: "open", cause }
  const isMissing =
    cause instanceof Error &&
    "code" in cause &&
    cause.code === "ERR_MODULE_NOT_FOUND" &&
    cause.message.includes(packageName)
  return isMissing
    ? new StorageUnavailable({
        ...said,
        reason: `the package "${packageName}" is not installed; run \`npm install ${packageName}\``,
        retryable: false
      })
    : new StorageUnavailable({
        ...said,
        reason: `the model "${model}" cannot be loaded: ${cause instanceof Error ? cause.message : "it was not said why"}`,
        retryable: !offline
      })
}

/** Loads a model, and frees it when the scope closes. */
export const make = (options: Options): Effect.Effect<Shape, StorageUnavailable, Scope.Scope> =>
  Effect.gen(function* () {
    yield* check({ name: "transformers", ...options }, rules)
    const { batchSize = 16, cacheDirectory, device, dtype = "fp32", model, offline = false } = options
    const { normalize = true, pooling = "mean", revision = "main" } = options
    const { identity = `${model}@${revision} ${dtype} ${pooling}${normalize ? " normalized" : ""}` } = options
    const { dimension, embed } = yield* Effect.acquireRelease(
      Effect.tryPromise({
        try: () => start({ model, pooling, normalize, dtype, device, revision, offline, cacheDirectory }),
        catch: (cause) => unavailable(model, offline, cause)
      }),
      ({ close }) => Effect.promise(close)
    )
    return {
      identity,
      dimension,
      batchSize,
      embed: (texts) =>
        Effect.map(
          Effect.tryPromise({
            try: () => embed(texts),
            catch: (cause) => {
              const reason = cause instanceof Error ? cause.message : "it was not said why"
              return new EmbeddingFailed({ embedder: identity, reason, retryable: false, cause })
            }
          }),
          (vectors) => texts.map((_, i) => vectors.slice(i * dimension, (i + 1) * dimension))
        )
    }
  })

// ---------------------------------------------------------------------------------------------------------------------
// layer

/** The same as a layer for memories. */
export const layer = (options: Options): Layer.Layer<Embedder, StorageUnavailable> =>
  Layer.effect(Embedder, make(options))
