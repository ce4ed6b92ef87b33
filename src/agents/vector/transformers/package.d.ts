// As much of the package as is used. It has types of its own, but is not there wherever this is compiled.
declare module "@huggingface/transformers" {
  interface Tensor {
    readonly dims: ReadonlyArray<number>
    readonly data: ArrayLike<number>
  }
  interface Extractor {
    (texts: ReadonlyArray<string>, options: { readonly pooling: string; readonly normalize: boolean }): Promise<Tensor>
    readonly dispose: () => Promise<unknown>
  }
  export const pipeline: (
    task: "feature-extraction",
    model: string,
    options: Readonly<Record<string, unknown>>
  ) => Promise<Extractor>
}
