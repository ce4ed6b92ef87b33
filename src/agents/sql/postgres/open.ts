import { Effect, Exit } from "effect"
import type { Claims, Durability } from "../../Claims.ts"
import { StateCorrupt, StorageUnavailable } from "../../StateError.ts"
import type { Connection } from "./connection.ts"
import { Failed } from "./errors.ts"
import type { Pool } from "./pool.ts"
import { patiently } from "./reads.ts"
import { columns, migrations, type Tables, tablesOf, version } from "./schema.ts"

/** Why a database cannot be opened. */
export type OpenError = StorageUnavailable | StateCorrupt

/** A database whose tables are ours and up to date. */
export interface Opened {
  readonly tables: Tables
  readonly durability: Durability
}

const where = { agent: "PostgresDriver" } as const

/** An error of opening. */
export const unavailable = (reason: string, cause?: unknown): StorageUnavailable =>
  new StorageUnavailable({ ...where, operation: "open", reason, retryable: false, cause })

/** The same for a driver that is not there. */
export const notLoaded = (name: string, cause: unknown): StorageUnavailable => {
  const isMissing = cause instanceof Error && "code" in cause && cause.code === "ERR_MODULE_NOT_FOUND"
  return unavailable(
    isMissing
      ? `the package "${name}" is not installed; run \`npm install ${name}\``
      : `the package "${name}" is installed but does not load; install it again`,
    cause
  )
}

/** What is wrong with the database. It was left as it was. */
class Refused {
  readonly reason: string
  readonly isForeign: boolean

  constructor(reason: string, isForeign: boolean) {
    this.reason = reason
    this.isForeign = isForeign
  }
}

/** Looks at a database, and sets it up or brings it up to date if it has to be. */
export const open = (pool: Pool, schema: string | undefined): Effect.Effect<Opened, OpenError> =>
  Effect.callback((resume) => {
    patiently(pool, async (connection) => {
      const found = await look(connection, schema)
      if (found.version !== version) await migrate(connection, found.tables)
      return found
    }).then(
      ({ durability, tables }) => resume(Exit.succeed({ durability, tables })),
      (error) => resume(toOpenError(pool, error))
    )
  })

const toOpenError = (pool: Pool, error: unknown): Exit.Exit<never, OpenError> => {
  if (error instanceof Refused)
    return Exit.fail(
      error.isForeign
        ? new StateCorrupt({ ...where, location: pool.place, reason: error.reason })
        : unavailable(`${pool.place}: ${error.reason}`)
    )
  if (!(error instanceof Failed)) return Exit.die(error)
  const { failure } = error
  if (failure._tag === "Unavailable")
    return Exit.fail(new StorageUnavailable({ ...where, operation: "open", ...failure }))
  return Exit.fail(unavailable(`${pool.place}: the pool is closed`))
}

interface Found extends Opened {
  /** 0 for none. */
  readonly version: number
}

// The settings as they hold for this session. A name without a schema is looked for where it would be made.
const looking = `SELECT coalesce($1::text, current_schema()), current_setting('server_version_num'),
  current_setting('synchronous_commit'), current_setting('fsync'), current_setting('full_page_writes'),
  to_regnamespace(quote_ident(coalesce($1::text, current_schema()))) IS NOT NULL,
  (SELECT string_agg(c.relname || '.' || a.attname || ' ' || format_type(a.atttypid, NULL), ',')
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relnamespace = to_regnamespace(quote_ident(coalesce($1::text, current_schema())))
      AND c.relname IN (${columns.flatMap(Object.keys).map((name) => `'${name}'`)}))`

const oldest = 13

const look = async (connection: Connection, wanted: string | undefined): Promise<Found> => {
  const [row] = await connection.query(looking, [wanted ?? null])
  const [schema, server, commit, fsync, pages, exists, found] = row ?? []
  if (Math.floor(Number(server) / 10_000) < oldest)
    throw new Refused(`it is PostgreSQL ${Math.floor(Number(server) / 10_000)}; ${oldest} or later is needed`, false)
  if (typeof schema !== "string" || (exists !== true && exists !== "t"))
    throw new Refused(
      wanted === undefined
        ? "no schema of the search_path exists; create one, or set the option schema"
        : `the schema ${JSON.stringify(wanted)} does not exist; create it, or name another one`,
      false
    )
  const tables = tablesOf(schema)
  const durability = commit !== "off" && fsync === "on" && pages === "on" ? "power" : "process"
  if (typeof found !== "string") return { tables, durability, version: 0 }
  if (!found.includes("dgents_meta.version ")) throw foreign
  const [meta, more] = await connection.query(`SELECT version FROM ${tables.meta} LIMIT 2`, [])
  const current = Number(meta?.[0])
  if (!Number.isInteger(current) || current < 1 || more !== undefined) throw foreign
  if (current > version)
    throw new Refused(`its tables are of version ${current}, and this dgents knows ${version}; update dgents`, false)
  expectOurs(found, current)
  return { tables, durability, version: current }
}

const foreign = new Refused(
  "it has tables named dgents_* that are not of dgents; give dgents a schema of its own by the option schema",
  true
)

const expectOurs = (found: string, version: number): void => {
  const present = new Set(found.split(","))
  for (const [table, types] of columns.slice(0, version).flatMap(Object.entries))
    for (const [column, type] of Object.entries(types)) if (!present.has(`${table}.${column} ${type}`)) throw foreign
}

/** One at a time, whoever else begins at the same moment; and looked at again by each. */
const migrate = async (connection: Connection, tables: Tables): Promise<void> => {
  await connection.query("BEGIN", [])
  try {
    await connection.query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", [`dgents ${tables.schema}`])
    // The statement before had no snapshot of what others did while it waited; each one has its own.
    const { version: from } = await look(connection, tables.schema)
    for (const [i, statements] of migrations(tables).slice(from).entries()) {
      for (const statement of statements) await connection.query(statement, [])
      await connection.query(`UPDATE ${tables.meta} SET version = $1`, [from + i + 1])
    }
    await connection.query("COMMIT", [])
  } catch (error) {
    await connection.query("ROLLBACK", []).catch(() => connection.destroy())
    throw error
  }
}

/** What holds for every state of a database. */
export const claimsOf = (durability: Durability, sharing: Claims["sharing"]): Omit<Claims, "history"> => ({
  durability,
  consistency: "linearizable",
  sharing
})
