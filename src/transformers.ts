/** Embeddings on this machine: the one entry point that loads transformers.js. */
export * as TransformersEmbedder from "./agents/vector/transformers.ts"
