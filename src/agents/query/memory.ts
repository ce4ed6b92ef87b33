/** What a query means, over rows in memory. Every other way of running it answers the same. */
import { storable } from "../../schema/internal/storable.ts"
import { stringifyMinusZero } from "../../schema/internal/stringify.ts"
import { isOrderedDate, isoDate } from "./condition.ts"
import type { Aggregation, Cell, Cells, Column, Condition, GroupsPlan, Operand, Plan, RowsPlan, Scalar } from "./ir.ts"
import * as Text from "./text.ts"

/** A stored state with its key, as the JSON text that is stored and as what that parses to. */
export interface StoredRow {
  readonly key: string
  readonly revision: number
  readonly savedAt: number
  readonly payload: string
  readonly tree: unknown
}

/** What a plan answers over these rows, in any order. */
export const evaluate = (plan: Plan, rows: Iterable<StoredRow>): ReadonlyArray<Cells> => {
  const found: Array<StoredRow> = []
  for (const row of rows) if (matches(plan, row)) found.push(row)
  return answer(plan, found)
}

/** Whether a plan takes a row. */
export const matches = (plan: Plan, row: StoredRow): boolean =>
  (plan.where === undefined || holds(plan.where, row)) &&
  (plan._tag === "Groups" || plan.after === undefined || compareRows(row, plan.after) > 0)

/** What a plan answers over the rows that it takes. */
export const answer = (plan: Plan, rows: ReadonlyArray<StoredRow>): ReadonlyArray<Cells> => {
  const all = plan._tag === "Rows" ? answerRows(plan, rows) : answerGroups(plan, rows)
  return all.slice(plan.offset, plan.limit === undefined ? undefined : plan.offset + plan.limit)
}

// ---------------------------------------------------------------------------------------------------------------------
// Values

/** The JSON value at a path, `undefined` where a property is not there. */
export const pick = (tree: unknown, path: ReadonlyArray<string>): unknown => {
  let value = tree
  for (const name of path) {
    if (typeof value !== "object" || value === null || Array.isArray(value) || !Object.hasOwn(value, name))
      return undefined
    value = Reflect.get(value, name)
  }
  return value
}

/** A JSON value as text. */
export const toText = (value: unknown): string | undefined =>
  value === undefined ? undefined : storable(value) === "all" ? JSON.stringify(value) : stringifyMinusZero(value, 0)

/** What is compared for an operand, `undefined` where it is missing. */
const valueOf = (operand: Operand, row: StoredRow): Scalar | undefined => {
  switch (operand._tag) {
    case "Key":
      return row.key
    case "Revision":
      return row.revision
    case "SavedAt":
      return row.savedAt
    case "Path":
      return toScalar(operand.kind, pick(row.tree, operand.path))
  }
}

// Takes a value as it is stored, and as it is in a state that was decoded: NaN, a Date and a bigint are in no JSON.
const toScalar = (kind: Operand["kind"], value: unknown): Scalar | undefined => {
  switch (kind) {
    case "number":
      if (typeof value === "number") return Number.isNaN(value) ? undefined : value + 0
      return value === "Infinity"
        ? Number.POSITIVE_INFINITY
        : value === "-Infinity"
          ? Number.NEGATIVE_INFINITY
          : undefined
    case "boolean":
      return typeof value === "boolean" ? value : undefined
    case "date":
      if (value instanceof Date) return isoDate(value)
      return typeof value === "string" && isOrderedDate(value) ? value : undefined
    case "bigint":
      if (typeof value === "bigint") return String(value)
      return typeof value === "string" ? value : undefined
    case "string":
      return typeof value === "string" ? value : undefined
    case "json":
      return undefined
  }
}

const isMissing = (operand: Operand, row: StoredRow): boolean => {
  if (operand._tag !== "Path" || operand.kind !== "json") return valueOf(operand, row) === undefined
  const value = pick(row.tree, operand.path)
  return value === undefined || value === null
}

const compareValues = (a: Scalar | undefined, b: Scalar | undefined): number => {
  if (a === undefined || b === undefined) return Number(a !== undefined) - Number(b !== undefined)
  if (typeof a === "string" && typeof b === "string") return Text.compare(a, b)
  // Not by subtraction: two infinities of one sign are equal.
  return a < b ? -1 : a > b ? 1 : 0
}

const compareRows = (
  a: { readonly key: string; readonly revision: number },
  b: { readonly key: string; readonly revision: number }
): number => Text.compare(a.key, b.key) || a.revision - b.revision

// ---------------------------------------------------------------------------------------------------------------------
// Conditions

const holds = (condition: Condition, row: StoredRow): boolean => {
  switch (condition._tag) {
    case "And":
      return condition.of.every((part) => holds(part, row))
    case "Or":
      return condition.of.some((part) => holds(part, row))
    case "Not":
      return !holds(condition.of, row)
    case "Missing":
      return isMissing(condition.operand, row)
  }
  const value = valueOf(condition.operand, row)
  if (value === undefined) return false
  switch (condition._tag) {
    case "OneOf":
      return condition.values.includes(value)
    case "StartsWith":
      return Text.startsWith(String(value), condition.text)
    case "Contains":
      return Text.contains(String(value), condition.text)
    case "Compare": {
      const order = compareValues(value, condition.value)
      switch (condition.op) {
        case "eq":
          return order === 0
        case "lt":
          return order < 0
        case "lte":
          return order <= 0
        case "gt":
          return order > 0
        case "gte":
          return order >= 0
      }
    }
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Rows

const answerRows = (plan: RowsPlan, rows: ReadonlyArray<StoredRow>): ReadonlyArray<Cells> => {
  const sorted = rows
    .map((row) => ({ row, by: plan.orderBy.map(({ operand }) => valueOf(operand, row)) }))
    .sort((a, b) => compareAll(a.by, b.by, plan.orderBy) || compareRows(a.row, b.row))
  const end = plan.limit === undefined ? undefined : plan.offset + plan.limit
  // What lies before the offset is cut off by the caller, and need not be written as text.
  return sorted
    .slice(0, end)
    .map(({ row }, i) => (i < plan.offset ? [] : plan.columns.map((column) => cell(column, row))))
}

const cell = (column: Column, row: StoredRow): Cell => {
  if (column._tag === "State") return row.payload
  return column._tag === "Path" ? toText(pick(row.tree, column.path)) : valueOf(column, row)
}

const compareAll = (
  a: ReadonlyArray<Scalar | undefined>,
  b: ReadonlyArray<Scalar | undefined>,
  orderBy: ReadonlyArray<{ readonly descending: boolean }>
): number => {
  for (const [i, { descending }] of orderBy.entries()) {
    const order = compareValues(a[i], b[i])
    if (order !== 0) return descending ? -order : order
  }
  return 0
}

// ---------------------------------------------------------------------------------------------------------------------
// Groups

const answerGroups = (plan: GroupsPlan, rows: ReadonlyArray<StoredRow>): ReadonlyArray<Cells> => {
  const groups = new Map<string, { readonly by: Cells; readonly rows: Array<StoredRow> }>()
  if (plan.by.length === 0) groups.set("[]", { by: [], rows: [...rows] })
  else
    for (const row of rows) {
      const by = plan.by.map((operand) => valueOf(operand, row))
      const name = by
        .map((value) => `${typeof value} ${JSON.stringify(typeof value === "number" ? String(value) : value)}`)
        .join()
      const group = groups.get(name)
      if (group === undefined) groups.set(name, { by, rows: [row] })
      else group.rows.push(row)
    }
  return [...groups.values()]
    .map(({ by, rows }) => [...by, ...plan.aggregations.map((aggregation) => aggregate(aggregation, rows))])
    .sort(
      (a, b) =>
        compareAll(
          plan.orderBy.map(({ column }) => a[column]),
          plan.orderBy.map(({ column }) => b[column]),
          plan.orderBy
        ) ||
        compareAll(
          a,
          b,
          plan.by.map(() => ({ descending: false }))
        )
    )
}

const aggregate = (aggregation: Aggregation, rows: ReadonlyArray<StoredRow>): Cell => {
  if (aggregation._tag === "Count") return rows.length
  const values: Array<Scalar> = []
  for (const row of rows) {
    const value = valueOf(aggregation.operand, row)
    if (value !== undefined) values.push(value)
  }
  if (values.length === 0) return undefined
  switch (aggregation._tag) {
    case "Sum":
      return defined(sum(values))
    case "Avg":
      return defined(sum(values) / values.length)
    case "Min":
      return values.reduce((a, b) => (compareValues(a, b) <= 0 ? a : b))
    case "Max":
      return values.reduce((a, b) => (compareValues(a, b) >= 0 ? a : b))
  }
}

const defined = (value: number): number | undefined => (Number.isNaN(value) ? undefined : value + 0)

/** Neumaier's sum, which keeps what a plain one would round away: the answer hardly depends on the order of the rows. */
const sum = (values: ReadonlyArray<Scalar>): number => {
  let total = 0
  let lost = 0
  for (const value of values) {
    const number = Number(value)
    const next = total + number
    lost += Math.abs(total) >= Math.abs(number) ? total - next + number : number - next + total
    total = next
  }
  return Number.isFinite(total) && Number.isFinite(lost) ? total + lost : total
}
