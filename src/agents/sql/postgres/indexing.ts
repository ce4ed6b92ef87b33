import type { IndexStatement } from "../../query/indexes.ts"
import type { Connection } from "./connection.ts"
import type { Tables } from "./schema.ts"

/**
 * Makes an index, and what the planner has to know of it, if it is not there. Writes to the table wait meanwhile; of several
 * processes that want it at once, one makes it.
 */
export const ensure = async (
  connection: Connection,
  { schema, state }: Tables,
  { name, sql, statistics }: IndexStatement
): Promise<void> => {
  const found = "SELECT 1 FROM pg_indexes WHERE schemaname = $1 AND indexname = $2"
  const isThere = async () => (await connection.query(found, [schema, name])).length > 0
  if (await isThere()) return
  await connection.query("BEGIN", [])
  try {
    await connection.query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", [`dgents ${schema}`])
    if (!(await isThere()))
      for (const statement of [sql, ...statistics, `ANALYZE ${state}`]) await connection.query(statement, [])
    await connection.query("COMMIT", [])
  } catch (error) {
    await connection.query("ROLLBACK", []).catch(() => connection.destroy())
    throw error
  }
}
