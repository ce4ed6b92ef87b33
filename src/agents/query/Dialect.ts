import type { Cell, Kind, Scalar } from "./ir.ts"

/** What a driver binds. */
export type SqlValue = string | number | Uint8Array

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
  /** A key as its column holds it, in the order of code points and prefixes, and the key that is held so. */
  readonly toKey: (key: string) => string
  readonly fromKey: (text: string) => string
  /** A placeholder as a value of a kind, and what it binds. */
  readonly value: (kind: Kind, value: Scalar, placeholder: string) => readonly [sql: string, bound: SqlValue]
  /** Whether an expression is one of the values, each of them bound. Few texts for any number of values. */
  readonly oneOf: (
    expression: string,
    kind: Kind,
    values: ReadonlyArray<Scalar>,
    bind: (make: (placeholder: string) => readonly [sql: string, bound: SqlValue]) => string
  ) => string
  /** Whether a text holds another one. */
  readonly contains: (expression: string, part: string) => string
  /** Whether a lone surrogate can be told from U+FFFD. */
  readonly keepsSurrogates: boolean
  /** An expression with its direction, missing values before all others, or after them when descending. */
  readonly order: (expression: string, descending: boolean) => string
  /** An expression as a column of an index, in the order of `order`. */
  readonly indexed: (expression: string) => string
  /** The statement for statistics of an expression, where those of an index on it would not be used. */
  readonly statistics: (table: string, expression: string) => string | undefined
  /** A text as it stands in SQL; `undefined` where it cannot. For names alone: values are parameters. */
  readonly literal: (text: string) => string | undefined
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
