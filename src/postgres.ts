/** States in PostgreSQL, through `pg`, and in PGlite, which is PostgreSQL within this process: the one entry that loads them. */
export * as PostgresDriver from "./agents/sql/postgres/driver.ts"
export * as PgliteDriver from "./agents/sql/postgres/pglite.ts"
