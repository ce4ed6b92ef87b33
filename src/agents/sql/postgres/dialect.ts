import { createHash } from "node:crypto"
import type { Dialect, Selected } from "../../query/Dialect.ts"
import type { Kind, Scalar } from "../../query/ir.ts"
import { fromStored, toStored } from "./names.ts"

/** A text as Postgres can keep it: NUL and lone surrogates are replaced by U+FFFD. */
export const storable = (text: string): string => text.replaceAll("\0", "\ufffd").toWellFormed()

/** A text as a SQL literal, whatever the server's `standard_conforming_strings` says. `undefined` where it cannot be one. */
export const literal = (text: string): string | undefined => (storable(text) === text ? quoted(text) : undefined)

/** The same of a text that Postgres can keep. */
export const quoted = (text: string): string => `E'${text.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`

// By steps, not by `#>`, which takes "0" for a place in an array.
const at = (state: string, path: ReadonlyArray<string>): string =>
  `(${[state, ...path.map((name) => quoted(storable(name)))].join(" -> ")})`

const scalar = (state: string, path: ReadonlyArray<string>, kind: Kind): string => {
  const value = at(state, path)
  const text = `(${value} #>> '{}')`
  switch (kind) {
    case "string":
    case "bigint":
      return `(CASE WHEN jsonb_typeof(${value}) = 'string' THEN ${text} END COLLATE "C")`
    case "date":
      return `(CASE WHEN jsonb_typeof(${value}) = 'string' AND ${text} COLLATE "C" >= '0' AND ${text} COLLATE "C" < ':' THEN ${text} END COLLATE "C")`
    case "number":
      return (
        `(CASE jsonb_typeof(${value}) WHEN 'number' THEN ${value}::float8` +
        ` WHEN 'string' THEN CASE ${text} WHEN 'Infinity' THEN 'Infinity'::float8 WHEN '-Infinity' THEN '-Infinity'::float8 END END)`
      )
    case "boolean":
      return `(CASE WHEN jsonb_typeof(${value}) = 'boolean' THEN ${value}::boolean END)`
    case "json":
      return "NULL"
  }
}

const types: Readonly<Record<Kind, string>> = {
  string: "text",
  date: "text",
  bigint: "text",
  json: "text",
  number: "float8",
  boolean: "boolean"
}

const read = (kind: Kind): Selected["read"] =>
  kind === "number" ? (value) => Number(value) + 0 : kind === "boolean" ? (value) => value === true : String

// An item of an array as text, in quotes, so that nothing in it means anything.
const item = (value: Scalar): string => `"${storable(String(value)).replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`

/**
 * How Postgres writes queries. States are JSONB. Keys are compared as they are stored, with NUL and U+0001 escaped, so that
 * `contains` on a key may take part of an escape for a U+0001 or U+0002.
 */
export const dialect: Dialect = {
  placeholder: (n) => `$${n}`,
  scalar,
  json: (state, path) => `${at(state, path)}::text`,
  isNothing: (state, path) => `coalesce(jsonb_typeof(${at(state, path)}), 'null') = 'null'`,
  textColumn: (column) => `(${column} COLLATE "C")`,
  toKey: toStored,
  fromKey: fromStored,
  value: (kind, value, placeholder) => [
    `${placeholder}::${types[kind]}`,
    typeof value === "number" ? value : storable(String(value))
  ],
  oneOf: (expression, kind, values, bind) =>
    bind((placeholder) => [`${expression} = ANY (${placeholder}::${types[kind]}[])`, `{${values.map(item).join()}}`]),
  contains: (expression, part) => `strpos(${expression}, ${part}) > 0`,
  keepsSurrogates: false,
  indexed: (expression) => `(${expression}) ASC NULLS FIRST`,
  // Those of a partial index are not used: a narrow range is taken for a third of the table. They are made in the table's schema.
  statistics: (table, expression) => {
    const digest = createHash("sha256").update(`${table} ${expression}`).digest("hex").slice(0, 16)
    const schema = table.slice(0, table.lastIndexOf(".") + 1)
    return `CREATE STATISTICS IF NOT EXISTS ${schema}dgents_query_${digest}_s ON (${expression}) FROM ${table}`
  },
  literal,
  order: (expression, descending) => `${expression} ${descending ? "DESC NULLS LAST" : "ASC NULLS FIRST"}`,
  aggregate: (name, expression, kind) => {
    if (name === "Min" || name === "Max") {
      const isMin = name === "Min"
      const call = kind === "boolean" ? (isMin ? "bool_and" : "bool_or") : isMin ? "min" : "max"
      const order = `${call}(${expression})`
      return { sql: order, order, read: read(kind) }
    }
    // As numeric: a sum of float8 beyond the largest one is an error, not an infinity.
    const exact = `${expression}::text::numeric`
    const sum = `nullif(sum(${exact}), 'NaN'::numeric)`
    return name === "Sum"
      ? { sql: `${sum}::text`, order: sum, read: (value) => Number(value) + 0 }
      : {
          sql: `${sum}::text || '/' || count(${exact})::text`,
          order: `nullif(avg(${exact}), 'NaN'::numeric)`,
          read: (value) => {
            const [total, count] = String(value).split("/")
            return Number(total) / Number(count) + 0
          }
        }
  },
  selected: (expression, kind) => ({ sql: expression, read: read(kind) }),
  page: (limit, offset) =>
    `${limit === undefined ? "" : ` LIMIT (${limit})::bigint`}${offset === undefined ? "" : ` OFFSET (${offset})::bigint`}`
}
