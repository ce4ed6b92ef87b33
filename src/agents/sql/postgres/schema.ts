/** The tables, and how they came to be: one step for each version. */
import * as Log from "./logSchema.ts"

/** The version of the tables that this code works with. */
export const version = 2

/** A name as an identifier of SQL, whatever is in it. */
export const identifier = (name: string): string => `"${name.replaceAll('"', '""')}"`

/** The tables of one schema, qualified: what they mean follows from no `search_path`. */
export interface Tables {
  readonly schema: string
  readonly state: string
  readonly history: string
  readonly floor: string
  readonly meta: string
  readonly stream: string
  readonly event: string
  /** The function that appends events. */
  readonly append: string
}

/** The tables in a schema. */
export const tablesOf = (schema: string): Tables => {
  const of = (name: string) => `${identifier(schema)}.${name}`
  return {
    schema,
    state: of("dgents_state"),
    history: of("dgents_history"),
    floor: of("dgents_floor"),
    meta: of("dgents_meta"),
    stream: of("dgents_stream"),
    event: of("dgents_event"),
    append: of("dgents_append")
  }
}

/** The columns of each table, with the types as the database calls them. */
type Columns = Readonly<Record<string, Readonly<Record<string, string>>>>

const ofStates: Columns = {
  dgents_state: {
    collection: "text",
    key: "text",
    revision: "bigint",
    since: "bigint",
    saved_at: "double precision",
    state: "jsonb",
    approximate: "boolean",
    body: "text",
    raw: "bytea",
    op: "uuid"
  },
  dgents_history: {
    collection: "text",
    key: "text",
    revision: "bigint",
    saved_at: "double precision",
    state: "jsonb",
    approximate: "boolean",
    body: "text",
    raw: "bytea",
    is_patch: "boolean",
    op: "uuid"
  },
  dgents_floor: { collection: "text", revision: "bigint" },
  dgents_meta: { version: "bigint" }
}

/** The tables that each version adds to the one before. */
export const columns: ReadonlyArray<Columns> = [ofStates, Log.columns]

/** The statements that lead from the version before to each version, the first of them from nothing to version 1. */
export const migrations = (tables: Tables): ReadonlyArray<ReadonlyArray<string>> => [
  [
    // COLLATE "C" orders by bytes, in which names with one prefix lie side by side.
    `CREATE TABLE ${tables.state} (
      collection text COLLATE "C" NOT NULL,
      key text COLLATE "C" NOT NULL,
      revision bigint NOT NULL,
      since bigint NOT NULL,
      saved_at double precision NOT NULL,
      state jsonb,
      approximate boolean NOT NULL,
      body text,
      raw bytea,
      op uuid NOT NULL,
      PRIMARY KEY (collection, key)
    )`,
    `CREATE TABLE ${tables.history} (
      collection text COLLATE "C" NOT NULL,
      key text COLLATE "C" NOT NULL,
      revision bigint NOT NULL,
      saved_at double precision NOT NULL,
      state jsonb,
      approximate boolean NOT NULL,
      body text,
      raw bytea,
      is_patch boolean NOT NULL,
      op uuid NOT NULL,
      PRIMARY KEY (collection, key, revision)
    )`,
    `CREATE TABLE ${tables.floor} (collection text COLLATE "C" PRIMARY KEY, revision bigint NOT NULL)`,
    `CREATE TABLE ${tables.meta} (version bigint NOT NULL)`,
    `INSERT INTO ${tables.meta} VALUES (1)`,
    // Twice as fast as the default for large states, where the server was built with it.
    Log.unlessUnsupported(
      `ALTER TABLE ${tables.state} ALTER state SET COMPRESSION lz4, ALTER body SET COMPRESSION lz4;
      ALTER TABLE ${tables.history} ALTER state SET COMPRESSION lz4, ALTER body SET COMPRESSION lz4;`
    )
  ],
  Log.migration(tables)
]
