import type { Source } from "../../query/sql.ts"
import type { Keep } from "../Engine.ts"

const current = "SELECT key, revision, saved_at, state FROM dgents_state WHERE collection = ?"

/** The rows of a collection that queries are about: its current states, or those of its history as well. */
export const source = (collection: string, keep: Keep | undefined): Source => {
  if (keep === undefined || keep.count === 1) return { sql: current, params: [collection] }
  const isBounded = keep.count !== Number.POSITIVE_INFINITY
  const isAged = keep.from !== Number.NEGATIVE_INFINITY
  const past = [
    "SELECT h.key, h.revision, h.saved_at, h.state FROM dgents_history AS h",
    // What an earlier rule has left is not shown.
    isBounded ? "JOIN dgents_state AS s ON s.collection = h.collection AND s.key = h.key" : "",
    "WHERE h.collection = ? AND h.patch = 0",
    isBounded ? "AND h.revision > s.revision - ?" : "",
    isAged ? "AND h.saved_at >= ?" : ""
  ]
  return {
    sql: `${current} UNION ALL ${past.filter((part) => part !== "").join(" ")}`,
    params: [collection, collection, ...(isBounded ? [keep.count] : []), ...(isAged ? [keep.from] : [])]
  }
}
