/** A model in memory. Imports nothing of Effect, so that a thread has it soon. */

/** Which model, and how a vector of a text is made from those of its tokens. Plain data, as it goes to another thread. */
export interface ModelOptions {
  readonly model: string
  readonly pooling: "mean" | "cls"
  readonly normalize: boolean
  readonly dtype: string
  readonly device: string | undefined
  readonly revision: string
  readonly offline: boolean
  readonly cacheDirectory: string | undefined
}

/** Vectors of a model. */
export interface Model {
  readonly dimension: number
  /** One vector after the other. */
  readonly embed: (texts: ReadonlyArray<string>) => Promise<Float32Array<ArrayBuffer>>
  readonly close: () => Promise<unknown>
}

/** Loads a model, from the directory, the cache or the hub. */
export const load = async (options: ModelOptions): Promise<Model> => {
  const { cacheDirectory, device, dtype, model, normalize, offline, pooling, revision } = options
  const { pipeline } = await import("@huggingface/transformers")
  const extractor = await pipeline("feature-extraction", model, {
    dtype,
    revision,
    local_files_only: offline,
    ...(device === undefined ? {} : { device }),
    ...(cacheDirectory === undefined ? {} : { cache_dir: cacheDirectory })
  })
  const extract = (texts: ReadonlyArray<string>) => extractor(texts, { pooling, normalize })
  const dimension = (await extract(["dimension"])).dims.at(-1) ?? 0
  return {
    dimension,
    embed: async (texts) => Float32Array.from((await extract(texts)).data),
    close: extractor.dispose
  }
}
