import type { Dialect, Selected } from "../../query/Dialect.ts"
import type { Kind, Scalar } from "../../query/ir.ts"
import * as Text from "../../query/text.ts"

/** A text as a SQL literal. `undefined` where it cannot be one: SQL text ends at a NUL, and holds no lone surrogate. */
export const literal = (text: string): string | undefined =>
  text.includes("\0") || !text.isWellFormed() ? undefined : quoted(text)

const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`

// A label in quotes is read as JSON writes it, so any name is safe, and ASCII control characters and NUL are escapes.
const pathOf = (path: ReadonlyArray<string>): string =>
  quoted(`$${path.map((name) => `.${JSON.stringify(name)}`).join("")}`)

const scalar = (state: string, path: ReadonlyArray<string>, kind: Kind): string => {
  const at = `${state}, ${pathOf(path)}`
  switch (kind) {
    case "string":
    case "bigint":
      return `CASE json_type(${at}) WHEN 'text' THEN json_extract(${at}) END`
    case "date":
      return `CASE WHEN json_type(${at}) = 'text' AND json_extract(${at}) >= '0' AND json_extract(${at}) < ':' THEN json_extract(${at}) END`
    case "number":
      // As REAL, since integers of 64 bits would tell apart what are equal doubles.
      return (
        `CASE json_type(${at}) WHEN 'integer' THEN CAST(json_extract(${at}) AS REAL) WHEN 'real' THEN json_extract(${at})` +
        ` WHEN 'text' THEN CASE json_extract(${at}) WHEN 'Infinity' THEN 9e999 WHEN '-Infinity' THEN -9e999 END END`
      )
    case "boolean":
      return `CASE json_type(${at}) WHEN 'true' THEN 1 WHEN 'false' THEN 0 END`
    case "json":
      return "NULL"
  }
}

const isText = (kind: Kind): boolean => kind === "string" || kind === "date" || kind === "bigint"

// As bytes, since a driver would replace the lone surrogates of a text.
const selected = (expression: string, kind: Kind): Selected =>
  isText(kind)
    ? {
        sql: `CAST(${expression} AS BLOB)`,
        read: (value) => (value instanceof Uint8Array ? Text.fromBytes(value) : String(value))
      }
    : { sql: expression, read: kind === "boolean" ? (value) => value === 1 : (value) => Number(value) + 0 }

const functions = { Sum: "sum", Avg: "avg", Min: "min", Max: "max" } as const

const value: Dialect["value"] = (kind, value, placeholder) => {
  if (typeof value === "boolean") return [placeholder, value ? 1 : 0]
  if (!isText(kind) || typeof value !== "string" || value.isWellFormed()) return [placeholder, value]
  // The plus takes the affinity away, with which an index on an expression could not be used.
  return [`+CAST(${placeholder} AS TEXT)`, Text.toBytes(value)]
}

// A list of bound values is what the planner knows the length of. It is filled up to a power of two, so that there are few
// texts of one query; a longer list is one JSON array.
const mostBound = 256

const inList = (value: Scalar): string =>
  typeof value === "number" && !Number.isFinite(value) ? (value > 0 ? "9e999" : "-9e999") : JSON.stringify(value)

/** How SQLite writes queries. States are JSON text. */
export const dialect: Dialect = {
  placeholder: () => "?",
  scalar,
  json: (state, path) => `${state} -> ${pathOf(path)}`,
  isNothing: (state, path) => `coalesce(json_type(${state}, ${pathOf(path)}), 'null') = 'null'`,
  textColumn: (column) => column,
  toKey: (key) => key,
  fromKey: (text) => text,
  value,
  oneOf: (expression, kind, values, bind) => {
    if (values.length > mostBound) {
      const value = kind === "number" ? "CAST(value AS REAL)" : "value"
      return bind((placeholder) => [
        `${expression} IN (SELECT ${value} FROM json_each(${placeholder}))`,
        `[${values.map(inList).join()}]`
      ])
    }
    const [first = ""] = values
    const padded = [...values, ...Array<Scalar>(2 ** Math.ceil(Math.log2(values.length)) - values.length).fill(first)]
    return `${expression} IN (${padded.map((item) => bind((placeholder) => value(kind, item, placeholder))).join(", ")})`
  },
  contains: (expression, part) => `instr(${expression}, ${part}) > 0`,
  keepsSurrogates: true,
  indexed: (expression) => expression,
  statistics: () => undefined,
  literal,
  order: (expression, descending) => `${expression} ${descending ? "DESC" : "ASC"}`,
  aggregate: (name, expression, kind) => {
    const order = `${functions[name]}(${expression})`
    return { order, ...selected(order, kind) }
  },
  selected,
  page: (limit, offset) =>
    limit === undefined && offset === undefined
      ? ""
      : ` LIMIT ${limit ?? "-1"}${offset === undefined ? "" : ` OFFSET ${offset}`}`
}
