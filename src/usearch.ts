/** Approximate search through usearch: the one entry point that loads it. */
export * as Usearch from "./agents/vector/usearch/engine.ts"
