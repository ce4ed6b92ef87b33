/** The statements of a table, for one metric. Names are identifiers in quotes, and everything else is bound. */
import type { Metric } from "../Stored.ts"
import type { Layout } from "./layout.ts"

/** How a metric is written: the operator that orders by it, and the operator class of an index that serves this operator. */
const operators: Record<Metric, { readonly operator: string; readonly operatorClass: string }> = {
  cosine: { operator: "<=>", operatorClass: "cosine_ops" },
  dot: { operator: "<#>", operatorClass: "ip_ops" },
  euclidean: { operator: "<->", operatorClass: "l2_ops" }
}

/** A name in quotes; it is known to hold none. */
export const identifier = (name: string): string => `"${name}"`

/** What an index of a layout is made on, and by. */
const indexed = ({ dimension, extension, index, metric }: Layout) => {
  const type = index.quantization === "f16" ? "halfvec" : "vector"
  const { operator, operatorClass } = operators[metric]
  return {
    column: type === "vector" ? "vector" : `(vector::${extension}.halfvec(${dimension}))`,
    operatorClass: `${extension}.${type}_${operatorClass}`,
    distance: (query: string) =>
      `${type === "vector" ? "vector" : `(vector::${extension}.halfvec(${dimension}))`} OPERATOR(${extension}.${operator}) ${query}::float4[]::${extension}.${type}(${dimension})`
  }
}

/** The statements of a layout. */
export const statementsOf = (layout: Layout) => {
  const { dimension, extension, index, metric, table } = layout
  const { column, distance, operatorClass } = indexed(layout)
  const exactly = `(vector OPERATOR(${extension}.${operators[metric].operator}) $1::float4[]::${extension}.vector(${dimension})) + 0`
  const bytes = `${extension}.vector_send(vector)`
  const settings = Object.entries(layout.settings).map(([name, value]) => `set_config('${name}', '${value}', true)`)
  const breadth = index.kind === "hnsw" ? ["set_config('hnsw.ef_search', $3::text, true)"] : []
  const set = [...breadth, ...settings].map((call, i) => `${call} AS s${i}`)
  return {
    create: `CREATE TABLE ${table} (
      id text COLLATE "C" PRIMARY KEY,
      vector ${extension}.vector(${dimension}),
      revision bigint NOT NULL,
      saved_at double precision NOT NULL
    )`,
    createIndex: (name: string, parameters: string) =>
      `CREATE INDEX IF NOT EXISTS ${identifier(name)} ON ${table} USING ${index.kind} (${column} ${operatorClass}) WITH (${parameters})`,
    /** One array of all numbers: the slices of an array of fixed-size numbers are found without reading it. */
    upsert: `INSERT INTO ${table} (id, vector, revision, saved_at)
      SELECT n.id, CASE WHEN n.has_vector THEN ($5::float4[])[(n.n - 1) * ${dimension} + 1 : n.n * ${dimension}]::${extension}.vector END,
        n.revision, n.saved_at
      FROM unnest($1::text[], $2::int8[], $3::float8[], $4::bool[]) WITH ORDINALITY AS n (id, revision, saved_at, has_vector, n)
      ON CONFLICT (id) DO UPDATE SET vector = excluded.vector, revision = excluded.revision, saved_at = excluded.saved_at`,
    remove: `DELETE FROM ${table} WHERE id = ANY ($1::text[])`,
    page: `SELECT id, revision, saved_at, vector IS NULL FROM ${table} WHERE id >= $1::text ORDER BY id LIMIT $2::int8`,
    /**
     * The settings hold for this statement alone, in one round trip: what they come from is read before the rows that depend on it,
     * and an index looks at them when its first row is asked for. It works behind a proxy that pools transactions.
     */
    nearest:
      set.length === 0
        ? `SELECT id, ${bytes} FROM ${table} WHERE vector IS NOT NULL ORDER BY ${distance("$1")} LIMIT $2::int8`
        : `SELECT found.* FROM (SELECT ${set.join(", ")} OFFSET 0) AS settings, LATERAL (
            SELECT id, ${bytes} FROM ${table} WHERE settings.s0 IS NOT NULL AND vector IS NOT NULL
            ORDER BY ${distance("$1")} LIMIT $2::int8) AS found`,
    /** By an expression that no index is on. */
    nearestOfAll: `SELECT id, ${bytes} FROM ${table} WHERE vector IS NOT NULL ORDER BY ${exactly} LIMIT $2::int8`,
    some: `SELECT id, ${bytes} FROM ${table} WHERE vector IS NOT NULL AND id = ANY ($1::text[])`,
    all: `SELECT id, ${bytes} FROM ${table} WHERE vector IS NOT NULL AND id >= $1::text ORDER BY id LIMIT $2::int8`,
    count: `SELECT count(*) FROM (SELECT 1 FROM ${table} WHERE vector IS NOT NULL LIMIT $1::int8) AS found`
  }
}

export type Statements = ReturnType<typeof statementsOf>
