/** A plan as parameterised SQL. Plans of one shape give the same text, whatever their values are. */

import { parseEscapedKeys } from "../../schema/internal/parseJson.ts"
import type {
  Aggregation,
  Cell,
  Cells,
  Column,
  CompareOp,
  Condition,
  GroupsPlan,
  Kind,
  Operand,
  Plan,
  RowsPlan,
  Scalar
} from "./ir.ts"
import { pick, toText } from "./memory.ts"
import * as Text from "./text.ts"

/** What a driver binds. */
export type SqlValue = string | number | Uint8Array

/**
 * Where the rows come from: a SELECT of the columns `key`, `revision`, `saved_at` and `state`. Where `state` is not the text that
 * was stored, there are two more: `body`, that text, and `approximate`, whether `state` is another value than it says (JSONB knows
 * no NUL, no lone surrogate and no -0).
 */
export interface Source {
  readonly sql: string
  /** What its placeholders bind, the first of them being the first of the statement. */
  readonly params: ReadonlyArray<SqlValue>
  readonly hasBody?: boolean | undefined
}

/** A statement, and how a row of its result is read, an object with the columns `c0`, `c1` and so on. */
export interface Statement {
  readonly sql: string
  readonly params: ReadonlyArray<SqlValue>
  readonly read: (row: Readonly<Record<string, unknown>>) => Cells
}

/** How one database writes what the plans need. */
export interface Dialect {
  /** The nth placeholder, counted from 1. */
  readonly placeholder: (n: number) => string
  /** The value that is compared for a property of `state`, NULL where it is missing. Has no parameters, so that an index can be on it. */
  readonly scalar: (state: string, path: ReadonlyArray<string>, kind: Kind) => string
  /** The JSON text of a property of `state`, NULL where it is not there. */
  readonly json: (state: string, path: ReadonlyArray<string>) => string
  /** Whether a property of `state` is absent or null. */
  readonly isNothing: (state: string, path: ReadonlyArray<string>) => string
  /** A column of text, in the order of its code points. */
  readonly textColumn: (column: string) => string
  /** A placeholder as a value of a kind, and what it binds. */
  readonly value: (kind: Kind, value: Scalar, placeholder: string) => readonly [sql: string, bound: SqlValue]
  /** Whether an expression is one of the values. The text does not depend on how many there are. */
  readonly oneOf: (
    expression: string,
    kind: Kind,
    values: ReadonlyArray<Scalar>,
    placeholder: string
  ) => readonly [sql: string, bound: SqlValue]
  /** Whether a text holds another one. */
  readonly contains: (expression: string, part: string) => string
  /** Whether a lone surrogate can be told from U+FFFD. */
  readonly keepsSurrogates: boolean
  /** An expression with its direction, missing values before all others, or after them when descending. */
  readonly order: (expression: string, descending: boolean) => string
  /** An aggregate: what it is ordered by, and how it is selected and read. */
  readonly aggregate: (
    name: "Sum" | "Avg" | "Min" | "Max",
    expression: string,
    kind: Kind
  ) => Selected & { readonly order: string }
  /** The value of a group, selected and read. */
  readonly selected: (expression: string, kind: Kind) => Selected
  /** Rows to answer and to leave out. */
  readonly page: (limit: string | undefined, offset: string | undefined) => string
}

/** A selected expression, and how what the driver answers for it is read. NULL is read by nobody. */
export interface Selected {
  readonly sql: string
  readonly read: (value: unknown) => Cell
}

/** A plan over a source as one statement. */
export const compile = (dialect: Dialect, source: Source, plan: Plan): Statement => {
  const params = new Params(dialect, source.params)
  return plan._tag === "Rows"
    ? compileRows(dialect, source, plan, params)
    : compileGroups(dialect, source, plan, params)
}

class Params {
  readonly all: Array<SqlValue>
  readonly #dialect: Dialect

  constructor(dialect: Dialect, first: ReadonlyArray<SqlValue>) {
    this.#dialect = dialect
    this.all = [...first]
  }

  /** Binds what `make` answers to the next placeholder. */
  add(make: (placeholder: string) => readonly [sql: string, bound: SqlValue]): string {
    const [sql, bound] = make(this.#dialect.placeholder(this.all.length + 1))
    this.all.push(bound)
    return sql
  }

  value(kind: Kind, value: Scalar): string {
    return this.add((placeholder) => this.#dialect.value(kind, value, placeholder))
  }
}

const expression = (dialect: Dialect, operand: Operand): string => {
  switch (operand._tag) {
    case "Key":
      return dialect.textColumn("r.key")
    case "Revision":
      return "r.revision"
    case "SavedAt":
      return "r.saved_at"
    case "Path":
      return dialect.scalar("r.state", operand.path, operand.kind)
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Conditions

const never = "1 = 0"
const always = "1 = 1"
const operators: Readonly<Record<CompareOp, string>> = { eq: "=", lt: "<", lte: "<=", gt: ">", gte: ">=" }

// A comparison with a missing value is NULL, which a WHERE takes for false, and so do AND and OR; NOT is written so that it does.
const where = (dialect: Dialect, condition: Condition, params: Params): string => {
  switch (condition._tag) {
    case "And":
      return joined(
        condition.of.map((part) => where(dialect, part, params)),
        " AND ",
        always
      )
    case "Or":
      return joined(
        condition.of.map((part) => where(dialect, part, params)),
        " OR ",
        never
      )
    case "Not":
      return `(${where(dialect, condition.of, params)}) IS NOT TRUE`
    case "Missing": {
      const { operand } = condition
      return operand._tag === "Path" && operand.kind === "json"
        ? dialect.isNothing("r.state", operand.path)
        : `${expression(dialect, operand)} IS NULL`
    }
  }
  const { operand } = condition
  const left = expression(dialect, operand)
  switch (condition._tag) {
    case "Compare":
      return `${left} ${operators[condition.op]} ${params.value(operand.kind, condition.value)}`
    case "OneOf":
      return params.add((placeholder) => dialect.oneOf(left, operand.kind, condition.values, placeholder))
    case "Contains":
      return dialect.contains(left, params.value("string", condition.text))
    case "StartsWith": {
      // As a range, which an index answers.
      const from = `${left} >= ${params.value("string", condition.text)}`
      const end = Text.above(condition.text, dialect.keepsSurrogates)
      return end === undefined ? from : `(${from} AND ${left} < ${params.value("string", end)})`
    }
  }
}

// As a balanced tree: databases limit how deep an expression is, and n parts in a row are n deep.
const joined = (parts: ReadonlyArray<string>, operator: string, none: string): string => {
  const join = (from: number, to: number): string => {
    if (to - from === 1) return parts[from] ?? none
    const middle = (from + to) >> 1
    return `(${join(from, middle)}${operator}${join(middle, to)})`
  }
  return parts.length === 0 ? none : join(0, parts.length)
}

const conditions = (parts: ReadonlyArray<string | undefined>): string => {
  const all = parts.filter((part) => part !== undefined)
  return all.length === 0 ? "" : ` WHERE ${joined(all, " AND ", always)}`
}

const page = (dialect: Dialect, { limit, offset }: Plan, params: Params): string =>
  dialect.page(
    limit === undefined ? undefined : params.value("number", limit),
    offset === 0 ? undefined : params.value("number", offset)
  )

// ---------------------------------------------------------------------------------------------------------------------
// Rows

const compileRows = (dialect: Dialect, source: Source, plan: RowsPlan, params: Params): Statement => {
  const { after, columns } = plan
  const exact = source.hasBody === true && columns.some((column) => column._tag === "Path") ? columns.length : undefined
  const selected = columns.map((column) => select(dialect, source, column))
  if (exact !== undefined) selected.push("CASE WHEN r.approximate THEN r.body END")
  const filter = conditions([
    plan.where === undefined ? undefined : where(dialect, plan.where, params),
    after === undefined ? undefined : afterRow(dialect, plan, after, params)
  ])
  const orders = plan.orderBy.map(({ descending, operand }) => dialect.order(expression(dialect, operand), descending))
  orders.push(dialect.order(dialect.textColumn("r.key"), false))
  if (plan.over === "history") orders.push(dialect.order("r.revision", false))
  return {
    sql: `SELECT ${named(selected)} FROM (${source.sql}) AS r${filter} ORDER BY ${orders.join(", ")}${page(dialect, plan, params)}`,
    params: params.all,
    read: (row) => {
      const body = exact === undefined ? undefined : row[name(exact)]
      const tree = typeof body === "string" ? parseEscapedKeys(body) : undefined
      return columns.map((column, i) =>
        tree !== undefined && column._tag === "Path"
          ? toText(pick(tree, column.path))
          : readColumn(column, row[name(i)])
      )
    }
  }
}

const name = (column: number): string => `c${column}`

const named = (columns: ReadonlyArray<string>): string =>
  columns.map((column, i) => `${column} AS ${name(i)}`).join(", ")

const afterRow = (
  dialect: Dialect,
  { over }: RowsPlan,
  { key, revision }: NonNullable<RowsPlan["after"]>,
  params: Params
): string => {
  const column = dialect.textColumn("r.key")
  const above = `${column} > ${params.value("string", key)}`
  return over === "current"
    ? above
    : `(${above} OR (${column} = ${params.value("string", key)} AND r.revision > ${params.value("number", revision)}))`
}

const select = (dialect: Dialect, source: Source, column: Column): string => {
  if (column._tag === "Path") return dialect.json("r.state", column.path)
  if (column._tag === "State") return source.hasBody === true ? "r.body" : "r.state"
  return column._tag === "Key" ? "r.key" : column._tag === "Revision" ? "r.revision" : "r.saved_at"
}

const readColumn = (column: Column, value: unknown): Cell => {
  if (value === null || value === undefined) return undefined
  return column._tag === "Revision" || column._tag === "SavedAt" ? Number(value) : String(value)
}

// ---------------------------------------------------------------------------------------------------------------------
// Groups

const compileGroups = (dialect: Dialect, source: Source, plan: GroupsPlan, params: Params): Statement => {
  const by = plan.by.map((operand) => ({ kind: operand.kind, sql: expression(dialect, operand) }))
  const columns = [
    ...by.map(({ kind, sql }) => ({ ...dialect.selected(sql, kind), order: sql })),
    ...plan.aggregations.map((aggregation) => aggregate(dialect, aggregation))
  ]
  const filter = conditions([plan.where === undefined ? undefined : where(dialect, plan.where, params)])
  const orders = [
    ...plan.orderBy.flatMap(({ column, descending }) => {
      const order = columns[column]?.order
      return order === undefined ? [] : [dialect.order(order, descending)]
    }),
    ...by.map(({ sql }) => dialect.order(sql, false))
  ]
  const groupBy = by.length === 0 ? "" : ` GROUP BY ${by.map(({ sql }) => sql).join(", ")}`
  const orderBy = orders.length === 0 ? "" : ` ORDER BY ${orders.join(", ")}`
  // Something has to be aggregated, so that there is one row and not one for each.
  const list = columns.length === 0 ? "count(*)" : named(columns.map(({ sql }) => sql))
  return {
    sql: `SELECT ${list} FROM (${source.sql}) AS r${filter}${groupBy}${orderBy}${page(dialect, plan, params)}`,
    params: params.all,
    read: (row) =>
      columns.map(({ read }, i) => {
        const value = row[name(i)]
        return value === null || value === undefined ? undefined : read(value)
      })
  }
}

const aggregate = (dialect: Dialect, aggregation: Aggregation): Selected & { readonly order: string } => {
  if (aggregation._tag === "Count") return { sql: "count(*)", order: "count(*)", read: Number }
  const { operand } = aggregation
  return dialect.aggregate(aggregation._tag, expression(dialect, operand), operand.kind)
}
