/**
 * The statements. Each one that writes is a transaction by itself and needs no state of its session, so that they work behind
 * a proxy that hands out connections by transaction.
 */
import { channelOf } from "./notices.ts"
import type { Tables } from "./schema.ts"

/** The statements for one schema. */
export interface Statements {
  /** The channel that commits are told through. */
  readonly channel: string
  readonly readOne: string
  readonly readAny: string
  readonly readMany: string
  readonly history: string
  readonly revisionAt: string
  readonly floor: string
  readonly keysFrom: string
  readonly keysAfter: string
  /** One put to a key that has a state of the right revision; does nothing otherwise. A third of the planning of `put`. */
  readonly replace: (features: Features) => string
  readonly put: (features: Features) => string
  readonly remove: (notify: boolean) => string
  /** Locks the rows of some keys until the transaction ends: n, and twice the revision, of those that there are. */
  readonly lock: string
  /** Keeps others from making new keys in some collections until the transaction ends. */
  readonly fence: string
  readonly find: string
}

/** What a group of writes needs; what it does not need costs nothing. */
export interface Features {
  readonly archives: boolean
  readonly prunes: boolean
  readonly notifies: boolean
}

/** The statements on these tables. */
export const statementsOf = (tables: Tables): Statements => {
  const current = "s.revision, s.saved_at, s.body, s.raw, s.since"
  return {
    channel: channelOf(tables.schema),
    readOne: `SELECT 1, ${current} FROM ${tables.state} s WHERE s.collection = $1 AND s.key = $2`,
    readAny: `SELECT i.n, ${current} FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS i(collection, key, n)
      JOIN ${tables.state} s ON s.collection = i.collection AND s.key = i.key`,
    readMany: `SELECT i.n, ${current} FROM unnest($2::text[]) WITH ORDINALITY AS i(key, n)
      JOIN ${tables.state} s ON s.collection = $1 AND s.key = i.key`,
    // A delete may leave rows of a history that was written at the same time: they are from before its "since".
    history: `(SELECT s.revision, s.saved_at, s.body, s.raw, false FROM ${tables.state} s
        WHERE s.collection = $1 AND s.key = $2 AND s.revision < $3)
      UNION ALL
      (SELECT h.revision, h.saved_at, h.body, h.raw, h.is_patch FROM ${tables.history} h
        WHERE h.collection = $1 AND h.key = $2 AND h.revision < $3
          AND h.revision >= (SELECT s.since FROM ${tables.state} s WHERE s.collection = $1 AND s.key = $2)
        ORDER BY h.revision DESC LIMIT $4)
      ORDER BY 1 DESC LIMIT $4`,
    revisionAt: revisionAt(tables),
    floor: `SELECT revision FROM ${tables.floor} WHERE collection = $1`,
    keysFrom: `SELECT key FROM ${tables.state} WHERE collection = $1 AND key >= $2 ORDER BY key LIMIT $3`,
    keysAfter: `SELECT key FROM ${tables.state} WHERE collection = $1 AND key > $2 ORDER BY key LIMIT $3`,
    replace: oncePerFeatures((features) => replace(tables, features)),
    put: oncePerFeatures((features) => put(tables, features)),
    remove: (notify) => remove(tables, notify),
    lock: `WITH
      input AS MATERIALIZED (SELECT * FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS i(collection, key, n)),
      locked AS MATERIALIZED (
        SELECT i.n, s.revision FROM input i JOIN ${tables.state} s ON s.collection = i.collection AND s.key = i.key
        ORDER BY s.collection, s.key FOR NO KEY UPDATE OF s
      )
      SELECT n, revision, revision FROM locked`,
    // Whoever makes a key has a share in the lock of this row.
    fence: `INSERT INTO ${tables.floor} AS f (collection, revision)
      SELECT DISTINCT c, 0 FROM unnest($1::text[]) c ORDER BY c
      ON CONFLICT (collection) DO UPDATE SET revision = f.revision`,
    find: find(tables)
  }
}

/** The superseded revisions lie in the order of their times, as the clock went: halving finds the last one before a time. */
const revisionAt = ({ history, state }: Tables): string => `WITH RECURSIVE
  now AS (SELECT revision, since, saved_at FROM ${state} WHERE collection = $1 AND key = $2),
  search(found, low, high) AS (
    SELECT 0::bigint, since - 1, revision - 1 FROM now WHERE saved_at > $3
    UNION ALL
    SELECT
      CASE WHEN p.saved_at <= $3 THEN p.revision ELSE s.found END,
      CASE WHEN p.saved_at > $3 THEN s.low ELSE s.middle END,
      CASE WHEN p.saved_at > $3 THEN p.revision - 1 ELSE s.high END
    FROM (SELECT *, low + (high - low + 1) / 2 AS middle FROM search WHERE low < high) s
    LEFT JOIN LATERAL (
      SELECT h.revision, h.saved_at FROM ${history} h
      WHERE h.collection = $1 AND h.key = $2 AND h.revision > s.low AND h.revision <= s.middle
      ORDER BY h.revision DESC LIMIT 1
    ) p ON true
  )
  SELECT greatest((SELECT max(found) FROM search), (SELECT revision FROM now WHERE saved_at <= $3), 0)`

const oncePerFeatures = (make: (features: Features) => string): ((features: Features) => string) => {
  const made = new Map<number, string>()
  return (features) => {
    const which = Number(features.archives) + 2 * Number(features.prunes) + 4 * Number(features.notifies)
    const text = made.get(which) ?? make(features)
    made.set(which, text)
    return text
  }
}

const told = (notify: boolean, first: number): string =>
  notify ? `, (SELECT count(pg_notify($${first}, p)) FROM unnest($${first + 1}::text[]) p)` : ""

/** The parameters are those of `put`, each alone; answers the revision written, or no row. */
const replace = ({ history, state }: Tables, { archives, notifies, prunes }: Features): string => {
  const set = `UPDATE ${state} s SET revision = s.revision + 1, saved_at = $4::double precision,
    state = CASE WHEN $7::text IS NULL THEN $5::text::jsonb WHEN $7 = '' THEN NULL ELSE $7::jsonb END,
    approximate = $8::boolean, body = $5, raw = $6::bytea, op = $13::uuid`
  const own = "s.collection = $1 AND s.key = $2"
  const fits = "($3::bigint = -1 OR s.revision = $3)"
  // Every parameter has to be somewhere, so that its type is known.
  const unused =
    "$9::bigint IS NOT NULL AND $10::double precision IS NOT NULL AND ($11::text IS NULL OR $12::bigint IS NOT NULL)"
  const tell = notifies ? ", (SELECT count(pg_notify($14, p)) FROM unnest($15::text[]) p)" : ""
  if (!archives) return `${set} WHERE ${own} AND ${fits} AND ${unused} RETURNING s.revision${tell}`
  const pruned = `,
  pruned AS (
    DELETE FROM ${history} h USING locked l
    WHERE h.collection = $1 AND h.key = $2 AND h.revision < greatest(
      l.revision + 2 - $9::bigint,
      CASE WHEN $10::double precision = '-Infinity' THEN 0 ELSE coalesce(
        (SELECT min(o.revision) FROM ${history} o WHERE o.collection = $1 AND o.key = $2 AND o.saved_at >= $10),
        l.revision
      ) END
    )
  )`
  return `WITH
  locked AS MATERIALIZED (
    SELECT s.revision, s.saved_at, s.state, s.approximate, s.body, s.raw, s.op, coalesce($12::bigint = s.revision, false) AS is_patch
    FROM ${state} s WHERE ${own} AND ${fits} AND ${unused} FOR NO KEY UPDATE OF s
  ),
  archived AS (
    INSERT INTO ${history} (collection, key, revision, saved_at, state, approximate, body, raw, is_patch, op)
    SELECT $1, $2, l.revision, l.saved_at, CASE WHEN l.is_patch THEN NULL ELSE l.state END,
      NOT l.is_patch AND l.approximate, CASE WHEN l.is_patch THEN $11::text ELSE l.body END,
      CASE WHEN l.is_patch THEN NULL ELSE l.raw END, l.is_patch, l.op
    FROM locked l WHERE l.saved_at >= $10::double precision
  )${prunes ? pruned : ""}
  ${set} FROM locked l WHERE ${own} RETURNING s.revision${tell}`
}

/**
 * Puts many states: n, the revision written or NULL, and the revision found or NULL, for each.
 *
 * Rows are locked first, in the order of their keys, as their last committed versions: so what is archived is what is
 * superseded, whoever committed it a moment ago. New keys begin above the floor of their collection, which is read under a
 * lock: a delete under way raises it first. A row that was made by somebody else since the statement began is neither found
 * nor inserted: then nothing is done, by an error (division by zero), and all is tried again.
 */
const put = ({ floor, history, state }: Tables, { archives, notifies, prunes }: Features): string => {
  const value = "CASE WHEN i.json IS NULL THEN i.body::jsonb WHEN i.json = '' THEN NULL ELSE i.json::jsonb END"
  const old = archives ? ", s.saved_at, s.state, s.approximate, s.body, s.raw, s.op" : ""
  const archived = `,
  archived AS (
    INSERT INTO ${history} (collection, key, revision, saved_at, state, approximate, body, raw, is_patch, op)
    SELECT i.collection, i.key, l.revision, l.saved_at,
      CASE WHEN p.is_patch THEN NULL ELSE l.state END, NOT p.is_patch AND l.approximate,
      CASE WHEN p.is_patch THEN i.patch ELSE l.body END, CASE WHEN p.is_patch THEN NULL ELSE l.raw END, p.is_patch, l.op
    FROM fits i JOIN locked l ON l.n = i.n
    CROSS JOIN LATERAL (SELECT i.patch IS NOT NULL AND i.base = l.revision AS is_patch) p
    WHERE i.keep > 1 AND l.saved_at >= i.keep_from
  )`
  // Times grow with revisions: what is too old is at the beginning, and the search for its end reads nothing else.
  const pruned = `,
  pruned AS (
    DELETE FROM ${history} h USING fits i
    WHERE h.collection = i.collection AND h.key = i.key AND i.keep > 1 AND h.revision < greatest(
      i.current + 2 - i.keep,
      CASE WHEN i.keep_from = '-Infinity' THEN 0 ELSE coalesce(
        (SELECT min(o.revision) FROM ${history} o
          WHERE o.collection = i.collection AND o.key = i.key AND o.saved_at >= i.keep_from),
        i.current
      ) END
    )
  )`
  return `WITH
  input AS MATERIALIZED (
    SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::double precision[], $5::text[], $6::bytea[], $7::text[],
      $8::boolean[], $9::bigint[], $10::double precision[], $11::text[], $12::bigint[])
    WITH ORDINALITY AS i(collection, key, expected, saved_at, body, raw, json, approximate, keep, keep_from, patch, base, n)
  ),
  locked AS MATERIALIZED (
    SELECT i.n, s.revision${old} FROM input i
    JOIN ${state} s ON s.collection = i.collection AND s.key = i.key
    ORDER BY s.collection, s.key FOR NO KEY UPDATE OF s
  ),
  fits AS MATERIALIZED (
    SELECT i.*, l.revision AS current FROM input i JOIN locked l ON l.n = i.n WHERE i.expected = -1 OR i.expected = l.revision
  )${archives ? archived : ""},
  updated AS (
    UPDATE ${state} s SET revision = s.revision + 1, saved_at = i.saved_at, state = ${value},
      approximate = i.approximate, body = i.body, raw = i.raw, op = $13::uuid
    FROM fits i WHERE s.collection = i.collection AND s.key = i.key
    RETURNING i.n, s.revision
  )${prunes ? pruned : ""},
  missing AS MATERIALIZED (
    SELECT i.* FROM input i WHERE i.expected <= 0 AND NOT EXISTS (SELECT FROM locked l WHERE l.n = i.n)
  ),
  floors AS MATERIALIZED (
    SELECT f.collection, f.revision FROM ${floor} f
    WHERE f.collection = ANY (ARRAY(SELECT DISTINCT m.collection FROM missing m))
    ORDER BY f.collection FOR SHARE OF f
  ),
  made AS (
    INSERT INTO ${floor} AS f (collection, revision)
    SELECT DISTINCT m.collection, 0 FROM missing m
    WHERE NOT EXISTS (SELECT FROM floors o WHERE o.collection = m.collection)
    ORDER BY m.collection
    ON CONFLICT DO NOTHING RETURNING f.collection, f.revision
  ),
  inserted AS (
    INSERT INTO ${state} AS s (collection, key, revision, since, saved_at, state, approximate, body, raw, op)
    SELECT i.collection, i.key, b.revision + 1, b.revision + 1, i.saved_at, ${value}, i.approximate, i.body, i.raw, $13::uuid
    FROM missing i JOIN (SELECT * FROM floors UNION ALL SELECT * FROM made) b ON b.collection = i.collection
    ORDER BY i.collection, i.key
    ON CONFLICT DO NOTHING RETURNING s.collection, s.key, s.revision
  )
  SELECT i.n, coalesce(u.revision, x.revision), l.revision,
    1 / CASE WHEN i.expected <= 0 AND l.n IS NULL AND x.revision IS NULL THEN 0 ELSE 1 END${told(notifies, 14)}
  FROM input i
  LEFT JOIN locked l ON l.n = i.n
  LEFT JOIN updated u ON u.n = i.n
  LEFT JOIN inserted x ON x.collection = i.collection AND x.key = i.key`
}

/** Removes many states with their histories: n and the revision removed, of those that were there. */
const remove = ({ floor, history, state }: Tables, notify: boolean): string => `WITH
  input AS MATERIALIZED (SELECT * FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS i(collection, key, n)),
  locked AS MATERIALIZED (
    SELECT i.n, s.collection, s.key, s.revision FROM input i
    JOIN ${state} s ON s.collection = i.collection AND s.key = i.key
    ORDER BY s.collection, s.key FOR UPDATE OF s
  ),
  removed AS (DELETE FROM ${state} s USING locked l WHERE s.collection = l.collection AND s.key = l.key),
  forgotten AS (DELETE FROM ${history} h USING locked l WHERE h.collection = l.collection AND h.key = l.key),
  raised AS (
    INSERT INTO ${floor} AS f (collection, revision)
    SELECT l.collection, max(l.revision) FROM locked l GROUP BY l.collection ORDER BY l.collection
    ON CONFLICT (collection) DO UPDATE SET revision = greatest(f.revision, excluded.revision)
  )
  SELECT i.n, l.revision${told(notify, 3)} FROM input i JOIN locked l ON l.n = i.n`

/** Which puts of an operation are found: n and the revision that it wrote. */
const find = ({ history, state }: Tables): string => `
  SELECT i.n, coalesce(
    (SELECT s.revision FROM ${state} s WHERE s.collection = i.collection AND s.key = i.key AND s.op = $3::uuid),
    (SELECT h.revision FROM ${history} h WHERE h.collection = i.collection AND h.key = i.key AND h.op = $3::uuid
      ORDER BY h.revision DESC LIMIT 1)
  ) FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS i(collection, key, n)`
