/** A plan as parameterised SQL. Plans of one shape give the same text, whatever their values are. */

import { parseEscapedKeys } from "../../schema/internal/parseJson.ts"
import type { Dialect, Selected, SqlValue } from "./Dialect.ts"
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
import { key as keyOperand } from "./ir.ts"
import { pick, toText } from "./memory.ts"
import * as Text from "./text.ts"

export type { Dialect, Selected, SqlValue } from "./Dialect.ts"

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
  /** Answers a row where there are states that the source leaves out, such as those that are kept as differences. */
  readonly leavesOut?: { readonly sql: string; readonly params: ReadonlyArray<SqlValue> } | undefined
}

/** A statement, and how a row of its result is read, an object with the columns `c0`, `c1` and so on. */
export interface Statement {
  readonly sql: string
  readonly params: ReadonlyArray<SqlValue>
  readonly read: (row: Readonly<Record<string, unknown>>) => Cells
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

  /** A value to be compared with an operand. */
  of(operand: Operand, value: Scalar): string {
    return this.value(operand.kind, stored(this.#dialect, operand, value))
  }
}

const stored = (dialect: Dialect, operand: Operand, value: Scalar): Scalar =>
  operand._tag === "Key" ? dialect.toKey(String(value)) : value

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
      return `${left} ${operators[condition.op]} ${params.of(operand, condition.value)}`
    case "OneOf": {
      const values = condition.values.map((value) => stored(dialect, operand, value))
      return dialect.oneOf(left, operand.kind, values, (make) => params.add(make))
    }
    case "Contains":
      return dialect.contains(left, params.of(operand, condition.text))
    case "StartsWith": {
      // As a range, which an index answers.
      const from = `${left} >= ${params.of(operand, condition.text)}`
      const end = Text.above(condition.text, dialect.keepsSurrogates)
      return end === undefined ? from : `(${from} AND ${left} < ${params.of(operand, end)})`
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
          : readColumn(dialect, column, row[name(i)])
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
  const above = `${column} > ${params.of(keyOperand, key)}`
  return over === "current"
    ? above
    : `(${above} OR (${column} = ${params.of(keyOperand, key)} AND r.revision > ${params.value("number", revision)}))`
}

const select = (dialect: Dialect, source: Source, column: Column): string => {
  if (column._tag === "Path") return dialect.json("r.state", column.path)
  if (column._tag === "State") return source.hasBody === true ? "r.body" : "r.state"
  return column._tag === "Key" ? "r.key" : column._tag === "Revision" ? "r.revision" : "r.saved_at"
}

const readColumn = (dialect: Dialect, column: Column, value: unknown): Cell => {
  if (value === null || value === undefined) return undefined
  if (column._tag === "Key") return dialect.fromKey(String(value))
  return column._tag === "Revision" || column._tag === "SavedAt" ? Number(value) : String(value)
}

// ---------------------------------------------------------------------------------------------------------------------
// Groups

const compileGroups = (dialect: Dialect, source: Source, plan: GroupsPlan, params: Params): Statement => {
  const by = plan.by.map((operand) => ({ operand, sql: expression(dialect, operand) }))
  const columns = [
    ...by.map(({ operand, sql }) => ({ ...keyed(dialect, operand, dialect.selected(sql, operand.kind)), order: sql })),
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
  const selected = dialect.aggregate(aggregation._tag, expression(dialect, operand), operand.kind)
  return { ...keyed(dialect, operand, selected), order: selected.order }
}

const keyed = (dialect: Dialect, operand: Operand, { read, sql }: Selected): Selected => ({
  sql,
  read: operand._tag === "Key" ? (value) => dialect.fromKey(String(read(value))) : read
})
