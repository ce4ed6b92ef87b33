/** Finds out whether a table can be used by a memory, and makes it if there is none. */

import { type ReadError, StateCorrupt, StorageUnavailable } from "../../StateError.ts"
import type { PostgresQuery } from "../../sql/Engine.ts"
import type { Metric } from "../Stored.ts"
import { type Index, type Layout, nameOf } from "./layout.ts"
import { identifier, statementsOf } from "./statements.ts"

/** A table by its names, without quotes. */
export interface Place {
  readonly name: string
  /** Default: the first schema of the `search_path` that exists. */
  readonly schema: string | undefined
}

interface Wanted extends Place {
  readonly dimension: number
  readonly metric: Metric
  readonly index: Index
}

/** A table that can be used, with the names of its indexes; or why not. */
export type Prepared =
  | (Pick<Layout, "table" | "extension" | "settings"> & { readonly indexes: ReadonlyArray<string> })
  | Refused

interface Refused {
  readonly error: (agent: string) => ReadError
}

/** What the comment of a table says of it. */
interface Note {
  readonly dgents: typeof format
  readonly memory: string
  readonly dimension: number
  readonly metric: Metric
}

const format = "vectors 1"

const refused = (reason: string): Refused => ({
  error: (agent) => new StorageUnavailable({ agent, operation: "open", reason, retryable: false })
})

export const prepare = async (query: PostgresQuery, wanted: Wanted, memory: string): Promise<Prepared> => {
  await query("BEGIN", [])
  try {
    const prepared = await within(query, wanted, memory)
    await query("error" in prepared ? "ROLLBACK" : "COMMIT", [])
    return prepared
  } catch (error) {
    await query("ROLLBACK", []).catch(() => {})
    throw error
  }
}

const within = async (query: PostgresQuery, wanted: Wanted, memory: string): Promise<Prepared> => {
  const { dimension, index, metric, name } = wanted
  // One at a time, whoever else begins at the same moment; the statements after it see what those did.
  await query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", [`dgents vectors ${name}`])
  const extension = await extensionOf(query)
  if ("error" in extension) return extension
  const most = index.quantization === "f16" ? 4000 : index.kind === "exact" ? 16_000 : 2000
  if (dimension > most)
    return refused(
      `its index takes vectors of ${most} dimensions at most, and these have ${dimension}; take ${most === 2000 ? 'quantization "f16" for up to 4000, or ' : ""}index "exact"`
    )
  const [found] = await query(
    `SELECT n.nspname, c.relkind, obj_description(c.oid, 'pg_class'),
      (SELECT string_agg(a.attname || ' ' || format_type(a.atttypid, NULL) || ' ' || a.atttypmod, ',' ORDER BY a.attnum)
        FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
      (SELECT string_agg(i.relname, ',') FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
        WHERE x.indrelid = c.oid AND x.indisvalid AND NOT x.indisprimary)
      FROM pg_namespace n LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = $2::text
      WHERE n.nspname = coalesce($1::text, current_schema()::text)`,
    [wanted.schema ?? null, name]
  )
  const [schema, kind, comment, columns, indexes] = found ?? []
  if (typeof schema !== "string")
    return refused(
      wanted.schema === undefined
        ? "no schema of the search_path exists; create one, or set the option schema"
        : `the schema "${wanted.schema}" does not exist; create it, or name another one`
    )
  const table = `"${schema.replaceAll('"', '""')}".${identifier(name)}`
  const settings = settingsOf(index, extension.version)
  const prepared = { table, extension: extension.schema, settings, indexes: namesOf(indexes) }
  if (kind === null || kind === undefined) {
    const { create } = statementsOf({ ...prepared, dimension, metric, index })
    await query(create, [])
    const note: Note = { dgents: format, memory, dimension, metric }
    // No placeholder may stand here.
    const literal = `E'${JSON.stringify(note).replaceAll("\\", "\\\\").replaceAll("'", "''")}'`
    await query(`COMMENT ON TABLE ${table} IS ${literal}`, [])
    return prepared
  }
  const problem = problemOf(noteOf(comment), String(columns), wanted, memory, table)
  if (problem !== undefined) return problem
  // Those of other settings only take time when rows are written.
  const mine = nameOf(index)
  const others = prepared.indexes.filter((other) => isOurs(other, name) && other !== name + (mine?.suffix ?? ""))
  for (const other of others)
    await query(`DROP INDEX IF EXISTS "${schema.replaceAll('"', '""')}".${identifier(other)}`, [])
  return prepared
}

const namesOf = (aggregated: unknown): ReadonlyArray<string> =>
  typeof aggregated === "string" ? aggregated.split(",") : []

const isOurs = (index: string, table: string): boolean =>
  index.startsWith(table) && /^_(hnsw_f(16|32)_\d+_\d+|ivfflat_f(16|32)_\d+)$/.test(index.slice(table.length))

const noteOf = (comment: unknown): Note | undefined => {
  try {
    const note: unknown = JSON.parse(String(comment))
    // Sound: nobody else writes this word into the comment of a table.
    return typeof note === "object" && note !== null && "dgents" in note && note.dgents === format
      ? (note as Note)
      : undefined
  } catch {
    return undefined
  }
}

const problemOf = (
  note: Note | undefined,
  columns: string,
  { dimension, metric }: Wanted,
  memory: string,
  table: string
): Refused | undefined => {
  const isFit = new RegExp(
    `^id text -1,vector \\S*vector ${note?.dimension},revision bigint -1,saved_at double precision -1$`
  )
  if (note === undefined || !isFit.test(columns))
    return {
      error: (agent) =>
        new StateCorrupt({ agent, location: table, reason: "the table is not one that dgents made; name another one" })
    }
  const way = "name another table, or drop this one, which holds nothing but what is made from items"
  if (note.dimension !== dimension || note.metric !== metric)
    return refused(
      `the table ${table} was made for ${note.dimension} dimensions and the metric ${note.metric}, and these are ${dimension} and ${metric}; ${way}`
    )
  return note.memory === memory ? undefined : refused(`the table ${table} belongs to another memory; ${way}`)
}

const missing =
  "the server has no pgvector; install it there (Debian: postgresql-NN-pgvector; PGlite: the extension of @electric-sql/pglite-pgvector)"

/** The extension, made if that is possible. */
const extensionOf = async (query: PostgresQuery) => {
  const look = () =>
    query(
      `SELECT quote_ident(n.nspname), e.extversion FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
        WHERE e.extname = 'vector'`,
      []
    )
  let [found] = await look()
  if (found === undefined) {
    const [available] = await query("SELECT 1 FROM pg_available_extensions WHERE name = 'vector'", [])
    if (available === undefined) return refused(missing)
    await query("CREATE EXTENSION vector", [])
    found = (await look())[0]
  }
  const [schema, text] = found ?? []
  const [major = 0, minor = 0] = String(text).split(".").map(Number)
  const version = 1000 * major + minor
  return version < oldest
    ? refused(`the server has pgvector ${text}; 0.7 or later is needed`)
    : { schema: String(schema), version }
}

const oldest = 7
const iterative = 8

/** The settings of each search, as far as this version has them. */
const settingsOf = (index: Index, version: number): Layout["settings"] => {
  if (index.kind === "exact") return {}
  const { iterativeScan, kind, mostScanned } = index
  const probes = kind === "ivfflat" ? { "ivfflat.probes": String(index.probes) } : {}
  if (version < iterative) return probes
  const most = kind === "hnsw" ? "hnsw.max_scan_tuples" : "ivfflat.max_probes"
  return {
    ...probes,
    [`${kind}.iterative_scan`]: iterativeScan === "off" ? "off" : `${iterativeScan}_order`,
    ...(mostScanned === undefined ? {} : { [most]: String(mostScanned) })
  }
}
