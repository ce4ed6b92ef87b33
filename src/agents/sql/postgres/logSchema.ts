/** The tables of events, and the function that appends to them. */
import { quoted } from "./dialect.ts"
import type { Tables } from "./schema.ts"

/** Runs statements that an older server, or one that was built without something, does not know: there they do nothing. */
export const unlessUnsupported = (statements: string): string => {
  const body = `BEGIN ${statements} EXCEPTION WHEN feature_not_supported OR syntax_error OR invalid_parameter_value THEN NULL; END`
  return `DO ${quoted(body)}`
}

/** The columns of each table, with the types as the database calls them. */
export const columns: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  dgents_stream: {
    stream: "bigint",
    collection: "text",
    key: "text",
    last: "bigint",
    compacted: "bigint",
    at: "double precision"
  },
  dgents_event: {
    stream: "bigint",
    position: "bigint",
    at: "double precision",
    type: "text",
    data: "text",
    id: "text",
    first: "bigint",
    op: "uuid"
  }
}

/**
 * Events by the number of their stream, which keeps it for good. Those up to `compacted` are gone; `at` of a stream is that of its
 * last event. The last event of an append that has a name carries it, as `id`, with the first position and what `append` was
 * called with as `op`.
 */
export const migration = (tables: Tables): ReadonlyArray<string> => [
  `CREATE TABLE ${tables.stream} (
    stream bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    collection text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    last bigint NOT NULL,
    compacted bigint NOT NULL,
    at double precision NOT NULL,
    PRIMARY KEY (collection, key)
  )`,
  `CREATE TABLE ${tables.event} (
    stream bigint NOT NULL,
    position bigint NOT NULL,
    at double precision NOT NULL,
    type text NOT NULL,
    data text NOT NULL,
    id text COLLATE "C",
    first bigint,
    op uuid,
    PRIMARY KEY (stream, position)
  )`,
  `CREATE UNIQUE INDEX dgents_event_id ON ${tables.event} (stream, id) WHERE id IS NOT NULL`,
  // As for states.
  unlessUnsupported(`ALTER TABLE ${tables.event} ALTER data SET COMPRESSION lz4;`),
  `CREATE FUNCTION ${tables.append}(
    collections text[], keys text[], expecteds bigint[], times double precision[], ids text[], counts bigint[],
    owners bigint[], places bigint[], types text[], datas text[], operation uuid, channel text, payloads text[]
  ) RETURNS TABLE (first bigint, last bigint, was_known boolean, actual bigint)
  LANGUAGE plpgsql AS ${quoted(append(tables))}`
]

/**
 * Appends in the order of the arrays, each for itself, in the transaction of the statement that calls it. Its statements see
 * what others committed while it waited for a lock, which no statement alone would; locks are taken in the order of the names, so
 * that two calls do not wait for each other. No id is in it twice for one stream.
 */
const append = ({ event, stream }: Tables): string => `
#variable_conflict use_column
DECLARE
  asked record;
  known record;
  stream_now bigint;
  last_now bigint;
  time_now double precision;
  -- For each append, the stream if it is done there, and its answer.
  streams bigint[] := array_fill(0::bigint, ARRAY[cardinality(keys)]);
  firsts bigint[] := streams;
  lasts bigint[] := streams;
  founds bigint[] := streams;
  ats double precision[] := array_fill(0::double precision, ARRAY[cardinality(keys)]);
  knowns boolean[] := array_fill(false, ARRAY[cardinality(keys)]);
BEGIN
  -- One append alone, as most are, takes half of the time so. Where it does not fit, what follows says why.
  IF cardinality(keys) = 1 AND ids[1] IS NULL THEN
    UPDATE ${stream} s SET last = s.last + counts[1], at = greatest(s.at, times[1])
      WHERE s.collection = collections[1] AND s.key = keys[1] AND (expecteds[1] = -1 OR s.last = expecteds[1])
      RETURNING s.stream, s.last - counts[1] AS before, s.last, s.at INTO asked;
    IF FOUND THEN
      INSERT INTO ${event} (stream, position, at, type, data)
        SELECT asked.stream, asked.before + 1 + e.place, asked.at, e.type, e.data
        FROM unnest(places, types, datas) AS e(place, type, data);
      PERFORM pg_notify(channel, p) FROM unnest(payloads) AS p;
      RETURN QUERY SELECT asked.before + 1, asked.last, false, asked.before;
      RETURN;
    END IF;
  END IF;

  INSERT INTO ${stream} (collection, key, last, compacted, at)
    SELECT DISTINCT a.collection, a.key, 0, 0, '-Infinity'::double precision
    FROM unnest(collections, keys) AS a(collection, key)
    WHERE NOT EXISTS (SELECT FROM ${stream} s WHERE s.collection = a.collection AND s.key = a.key)
    ORDER BY 1, 2 ON CONFLICT DO NOTHING;

  FOR asked IN
    SELECT a.n::int AS n, a.expected, a.at, a.id, a.count, s.stream, s.last, s.at AS last_at
    FROM unnest(collections, keys, expecteds, times, ids, counts)
      WITH ORDINALITY AS a(collection, key, expected, at, id, count, n)
    JOIN ${stream} s ON s.collection = a.collection AND s.key = a.key
    ORDER BY s.collection, s.key, a.n FOR NO KEY UPDATE OF s
  LOOP
    IF asked.stream IS DISTINCT FROM stream_now THEN
      stream_now := asked.stream;
      last_now := asked.last;
      time_now := asked.last_at;
    END IF;
    founds[asked.n] := last_now;
    IF asked.id IS NOT NULL THEN
      SELECT e.first, e.position, e.op IS DISTINCT FROM operation AS is_older INTO known
        FROM ${event} e WHERE e.stream = stream_now AND e.id = asked.id;
      IF FOUND THEN
        firsts[asked.n] := known.first;
        lasts[asked.n] := known.position;
        knowns[asked.n] := known.is_older;
        CONTINUE;
      END IF;
    END IF;
    CONTINUE WHEN asked.expected <> -1 AND asked.expected <> last_now;
    time_now := greatest(time_now, asked.at);
    streams[asked.n] := stream_now;
    ats[asked.n] := time_now;
    firsts[asked.n] := last_now + 1;
    last_now := last_now + asked.count;
    lasts[asked.n] := last_now;
  END LOOP;

  INSERT INTO ${event} (stream, position, at, type, data, id, first, op)
    SELECT a.stream, a.first + e.place, a.at, e.type, e.data, CASE WHEN l.is_named THEN a.id END,
      CASE WHEN l.is_named THEN a.first END, CASE WHEN l.is_named THEN operation END
    FROM unnest(owners, places, types, datas) AS e(owner, place, type, data)
    JOIN unnest(streams, firsts, lasts, ats, ids) WITH ORDINALITY AS a(stream, first, last, at, id, n) ON a.n = e.owner
    CROSS JOIN LATERAL (SELECT a.id IS NOT NULL AND a.first + e.place = a.last AS is_named) l
    WHERE a.stream <> 0;

  UPDATE ${stream} s SET last = a.last, at = a.at
    FROM (
      SELECT a.stream, max(a.last) AS last, max(a.at) AS at
      FROM unnest(streams, lasts, ats) AS a(stream, last, at) WHERE a.stream <> 0 GROUP BY a.stream
    ) a WHERE s.stream = a.stream;

  PERFORM pg_notify(channel, p) FROM unnest(payloads) AS p;
  RETURN QUERY SELECT * FROM unnest(firsts, lasts, knowns, founds);
END`
