/** Approximate search through faiss-node: the one entry point that loads it. */
export * as Faiss from "./agents/vector/faiss/engine.ts"
