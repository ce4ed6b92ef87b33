/**
 * What a query compiles to: plain data, with every field resolved against the schema. A store runs it (`Store.query`); `memory.ts`
 * says what it means; `sql.ts` writes it as SQL.
 */

/**
 * How a field is stored, and so how it compares. `date`: an ISO 8601 text; `bigint`: decimal text, which is compared for equality
 * alone; `json`: anything else, which can be selected and looked for.
 */
export type Kind = "string" | "number" | "boolean" | "date" | "bigint" | "json"

/** A value as it is compared: a Date is its ISO text, a bigint its decimal text. */
export type Scalar = string | number | boolean

/** What a row is asked for. A `Path` names the properties from the whole state inwards. */
export type Operand =
  | { readonly _tag: "Path"; readonly path: ReadonlyArray<string>; readonly kind: Kind }
  | { readonly _tag: "Key"; readonly kind: "string" }
  | { readonly _tag: "Revision"; readonly kind: "number" }
  | { readonly _tag: "SavedAt"; readonly kind: "number" }

export const key: Operand = { _tag: "Key", kind: "string" }
export const revision: Operand = { _tag: "Revision", kind: "number" }
export const savedAt: Operand = { _tag: "SavedAt", kind: "number" }

export type CompareOp = "eq" | "lt" | "lte" | "gt" | "gte"

/** Which rows. It is true or false and nothing else: what compares with a missing value is false. */
export type Condition =
  | { readonly _tag: "Compare"; readonly op: CompareOp; readonly operand: Operand; readonly value: Scalar }
  | { readonly _tag: "OneOf"; readonly operand: Operand; readonly values: ReadonlyArray<Scalar> }
  | { readonly _tag: "StartsWith"; readonly operand: Operand; readonly text: string }
  | { readonly _tag: "Contains"; readonly operand: Operand; readonly text: string }
  | { readonly _tag: "Missing"; readonly operand: Operand }
  | { readonly _tag: "And"; readonly of: ReadonlyArray<Condition> }
  | { readonly _tag: "Or"; readonly of: ReadonlyArray<Condition> }
  | { readonly _tag: "Not"; readonly of: Condition }

/** The current states, or every revision that is kept. */
export type Over = "current" | "history"

interface Common {
  readonly over: Over
  /** Absent: all rows. */
  readonly where?: Condition | undefined
  /** Absent: no limit. A whole number otherwise, and so is `offset`. */
  readonly limit?: number | undefined
  readonly offset: number
}

/** What a row answers with: an operand, or the whole state. */
export type Column = Operand | { readonly _tag: "State" }

/** Rows, ordered by `orderBy`, then by key, then by revision. */
export interface RowsPlan extends Common {
  readonly _tag: "Rows"
  readonly orderBy: ReadonlyArray<{ readonly operand: Operand; readonly descending: boolean }>
  /** Rows after this one alone, in the order of key and revision. */
  readonly after?: { readonly key: string; readonly revision: number } | undefined
  readonly columns: ReadonlyArray<Column>
}

export type Aggregation =
  | { readonly _tag: "Count" }
  | { readonly _tag: "Sum" | "Avg" | "Min" | "Max"; readonly operand: Operand }

/**
 * One row a group, ordered by `orderBy`, then by the values of `by`. Columns are the values of `by` and then those of
 * `aggregations`, and `orderBy` counts them so. Without `by` there is one group, also when there are no rows.
 */
export interface GroupsPlan extends Common {
  readonly _tag: "Groups"
  readonly by: ReadonlyArray<Operand>
  readonly aggregations: ReadonlyArray<Aggregation>
  readonly orderBy: ReadonlyArray<{ readonly column: number; readonly descending: boolean }>
}

export type Plan = RowsPlan | GroupsPlan

/**
 * One answer. In rows, a path is JSON text or `undefined` where the state has no such property, and a state is a payload;
 * in groups, everything is a scalar or `undefined` for missing.
 */
export type Cell = Scalar | undefined

/** The answers of one row, in the order of the columns. */
export type Cells = ReadonlyArray<Cell>
