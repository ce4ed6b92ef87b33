import type { Source } from "../../query/sql.ts"
import type { Keep } from "../Engine.ts"
import { literal } from "./dialect.ts"

/** The rows of a collection that queries are about: its current states, or those of its history as well. */
export const source = (collection: string, keep: Keep | undefined): Source => {
  // As it stands in the declarations of indexes, which are found by it. What cannot stand there has none.
  const name = literal(collection)
  const own = name === undefined ? [collection] : []
  const current = `SELECT key, revision, saved_at, state FROM dgents_state WHERE collection = ${name ?? "?"}`
  if (keep === undefined || keep.count === 1) return { sql: current, params: own }
  const isBounded = keep.count !== Number.POSITIVE_INFINITY
  const isAged = keep.from !== Number.NEGATIVE_INFINITY
  const past = [
    "SELECT h.key, h.revision, h.saved_at, h.state FROM dgents_history AS h",
    // What an earlier rule has left is not shown.
    isBounded ? "JOIN dgents_state AS s ON s.collection = h.collection AND s.key = h.key" : "",
    `WHERE h.collection = ${name ?? "?"} AND h.patch = 0`,
    isBounded ? "AND h.revision > s.revision - ?" : "",
    isAged ? "AND h.saved_at >= ?" : ""
  ]
  return {
    sql: `${current} UNION ALL ${past.filter((part) => part !== "").join(" ")}`,
    params: [...own, ...own, ...(isBounded ? [keep.count] : []), ...(isAged ? [keep.from] : [])],
    leavesOut: {
      sql: `SELECT 1 FROM dgents_history WHERE collection = ${name ?? "?"} AND patch = 1 LIMIT 1`,
      params: own
    }
  }
}
