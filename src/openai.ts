/** Embeddings over HTTP: the one entry point that loads an HTTP client. */
export * as OpenAiEmbedder from "./agents/vector/openai.ts"
