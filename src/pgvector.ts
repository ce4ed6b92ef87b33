/** Approximate search in PostgreSQL by pgvector. It loads no package by itself: the driver comes from `dgents/postgres`. */
export * as Pgvector from "./agents/vector/pgvector/engine.ts"
