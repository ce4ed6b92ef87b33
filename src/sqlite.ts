/** States in SQLite, through better-sqlite3: the one entry point that loads it. */
export * as SqliteDriver from "./agents/sql/sqlite/driver.ts"
