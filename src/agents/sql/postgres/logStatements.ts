import type { Tables } from "./schema.ts"

/** The statements about events, each a transaction by itself. */
export interface LogStatements {
  /** A group of appends; answers first, last, whether it was known, and the last position found, for each in turn. */
  readonly append: string
  /** `position, at, type, data`, up to a limit and a number of bytes. */
  readonly read: string
  /** `compacted, last`. */
  readonly bounds: string
  readonly positionAt: string
  /** Up to a position that was seen in the stream. */
  readonly compact: string
  readonly keys: string
}

/** The statements on these tables. */
export const statementsOf = ({ append, event, stream }: Tables): LogStatements => ({
  append: `SELECT * FROM ${append}($1::text[], $2::text[], $3::bigint[], $4::double precision[], $5::text[], $6::bigint[],
    $7::bigint[], $8::bigint[], $9::text[], $10::text[], $11::uuid, $12::text, $13::text[])`,
  // Positions have no gaps: a range of them is as many events, whatever the planner knows of the table. Sizes of texts are
  // known without reading them, and those that are left out are not read.
  read: `SELECT e.position, e.at, e.type, e.data
    FROM (
      SELECT e.*, sum(octet_length(e.data)) OVER (ORDER BY e.position ROWS UNBOUNDED PRECEDING) - octet_length(e.data) AS before
      FROM ${event} e
      WHERE e.stream = (SELECT s.stream FROM ${stream} s WHERE s.collection = $1 AND s.key = $2)
        AND e.position > (SELECT greatest($3::bigint, s.compacted) FROM ${stream} s WHERE s.collection = $1 AND s.key = $2)
        AND e.position <= (SELECT greatest($3, s.compacted) + $4::bigint FROM ${stream} s WHERE s.collection = $1 AND s.key = $2)
    ) e WHERE e.before < $5::bigint ORDER BY e.position`,
  bounds: `SELECT compacted, last FROM ${stream} WHERE collection = $1 AND key = $2`,
  // What is at `low` was there by then, and nothing above `high` was: times grow with positions, and halving finds the place.
  positionAt: `WITH RECURSIVE
    head AS (SELECT stream, compacted, last, at FROM ${stream} WHERE collection = $1 AND key = $2),
    search(low, high) AS (
      SELECT CASE WHEN at <= $3::double precision THEN last ELSE compacted END, last FROM head
      UNION ALL
      SELECT CASE WHEN e.at <= $3 THEN m.middle ELSE m.low END, CASE WHEN e.at <= $3 THEN m.high ELSE m.middle - 1 END
      FROM (SELECT low, high, low + (high - low + 1) / 2 AS middle FROM search WHERE low < high) m
      JOIN LATERAL (
        SELECT e.at FROM ${event} e WHERE e.stream = (SELECT stream FROM head) AND e.position = m.middle
      ) e ON true
    )
    SELECT max(low) FROM search`,
  compact: `WITH
    marked AS (
      UPDATE ${stream} s SET compacted = $3::bigint
      WHERE s.collection = $1 AND s.key = $2 AND s.compacted < $3 RETURNING s.stream
    )
    DELETE FROM ${event} e USING marked m WHERE e.stream = m.stream AND e.position <= $3`,
  keys: `SELECT key FROM ${stream}
    WHERE collection = $1 AND key >= greatest($2::text COLLATE "C", $3::text COLLATE "C") AND key IS DISTINCT FROM $3 AND last > 0
    ORDER BY key LIMIT $4`
})
