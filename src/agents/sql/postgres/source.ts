import type { Source } from "../../query/sql.ts"
import type { Keep } from "../Engine.ts"
import { literal } from "./dialect.ts"
import { toStored } from "./names.ts"
import type { Tables } from "./schema.ts"

/** The rows of a collection that queries are about: its current states, or those of its history as well. */
export const source = (tables: Tables, collection: string, keep: Keep | undefined): Source => {
  const params: Array<string | number> = []
  const bound = (value: string | number, type: string) => `$${params.push(value)}::${type}`
  const stored = toStored(collection)
  // As it stands in the declarations of indexes, which are found by it. What cannot stand there has none.
  const name = literal(stored) ?? bound(stored, "text")
  const columns = (table: string) =>
    ["key", "revision", "saved_at", "state", "approximate", "body"].map((column) => `${table}.${column}`).join(", ")
  const current = `SELECT ${columns("s")} FROM ${tables.state} s WHERE s.collection = ${name}`
  if (keep === undefined || keep.count === 1) return { sql: current, params, hasBody: true }
  const limits = [
    // A delete may leave rows of a history that was written at the same time: they are from before its "since".
    "h.revision >= s.since",
    keep.count === Number.POSITIVE_INFINITY ? "" : `h.revision > s.revision - ${bound(keep.count, "bigint")}`,
    keep.from === Number.NEGATIVE_INFINITY ? "" : `h.saved_at >= ${bound(keep.from, "float8")}`
  ]
  const past = `SELECT ${columns("h")} FROM ${tables.history} h
    JOIN ${tables.state} s ON s.collection = h.collection AND s.key = h.key
    WHERE h.collection = ${name} AND ${limits.filter((limit) => limit !== "").join(" AND ")}`
  const patches = `SELECT 1 FROM ${tables.history} WHERE collection = ${literal(stored) ?? "$1::text"} AND is_patch LIMIT 1`
  return {
    sql: `${current} UNION ALL ${past} AND NOT h.is_patch`,
    params,
    hasBody: true,
    leavesOut: { sql: patches, params: literal(stored) === undefined ? [stored] : [] }
  }
}
