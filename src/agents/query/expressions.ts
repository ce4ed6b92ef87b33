import type { Equatable, Field, Orderable } from "./Field.ts"
import type { CompareOp } from "./ir.ts"

/** Which rows: true or false for each, and nothing between. */
export type Predicate =
  | { readonly _tag: "Compare"; readonly op: CompareOp; readonly field: Field<unknown>; readonly value: unknown }
  | { readonly _tag: "OneOf"; readonly field: Field<unknown>; readonly values: Iterable<unknown> }
  | { readonly _tag: "StartsWith" | "Contains"; readonly field: Field<unknown>; readonly text: unknown }
  | { readonly _tag: "Missing"; readonly field: Field<unknown> }
  | { readonly _tag: "And" | "Or"; readonly of: ReadonlyArray<Predicate> }
  | { readonly _tag: "Not"; readonly of: Predicate }

type Maybe<A> = A | null | undefined

const compare =
  (op: CompareOp) =>
  <A extends Maybe<Orderable>>(field: Field<A>, value: NoInfer<NonNullable<A>>): Predicate => ({
    _tag: "Compare",
    op,
    field,
    value
  })

/** The field has this value. -0 is 0. */
export const eq = <A extends Maybe<Equatable>>(field: Field<A>, value: NoInfer<NonNullable<A>>): Predicate => ({
  _tag: "Compare",
  op: "eq",
  field,
  value
})

/** The field has another value, or none: `not(eq(field, value))`. */
export const neq = <A extends Maybe<Equatable>>(field: Field<A>, value: NoInfer<NonNullable<A>>): Predicate =>
  not(eq(field, value))

/** Below the value. */
export const lt = compare("lt")
/** The value or below it. */
export const lte = compare("lte")
/** Above the value. */
export const gt = compare("gt")
/** The value or above it. */
export const gte = compare("gte")

/** One of these values; false for none. */
export const oneOf = <A extends Maybe<Equatable>>(
  field: Field<A>,
  values: Iterable<NoInfer<NonNullable<A>>>
): Predicate => ({ _tag: "OneOf", field, values })

/** The text begins with exactly these code points; case counts. */
export const startsWith = (field: Field<Maybe<string>>, text: string): Predicate => ({
  _tag: "StartsWith",
  field,
  text
})

/** The text holds exactly these code points side by side; case counts. */
export const contains = (field: Field<Maybe<string>>, text: string): Predicate => ({ _tag: "Contains", field, text })

/**
 * The field is absent, null or undefined; for a number also NaN, and for a Date also one outside the years 0000 to 9999.
 * Comparisons with a missing value are false.
 */
export const isMissing = (field: Field<unknown>): Predicate => ({ _tag: "Missing", field })

/** All of them; true for none. */
export const and = (...predicates: ReadonlyArray<Predicate>): Predicate => ({ _tag: "And", of: predicates })

/** At least one of them; false for none. */
export const or = (...predicates: ReadonlyArray<Predicate>): Predicate => ({ _tag: "Or", of: predicates })

/** True where the predicate is false, missing values included. */
export const not = (predicate: Predicate): Predicate => ({ _tag: "Not", of: predicate })

/** One step of an order. */
export interface Order {
  readonly field: Field<unknown>
  readonly descending: boolean
}

/** Smallest first, missing values before all others. */
export const asc = (field: Field<Maybe<Orderable>>): Order => ({ field, descending: false })

/** Largest first, missing values after all others. */
export const desc = (field: Field<Maybe<Orderable>>): Order => ({ field, descending: true })

declare const AggregateTypeId: unique symbol

/** A value over all rows of a group. */
export interface Aggregate<out A> {
  readonly [AggregateTypeId]?: { readonly value: () => A }
  readonly _tag: "Count" | "Sum" | "Avg" | "Min" | "Max"
  readonly field: Field<unknown> | undefined
}

/** How many rows. */
export const count: Aggregate<number> = { _tag: "Count", field: undefined }

/** The sum of what is not missing; `undefined` where all is, or where the infinities of both signs meet. */
export const sum = (field: Field<Maybe<number>>): Aggregate<number | undefined> => ({ _tag: "Sum", field })

/** The sum divided by how many are not missing; `undefined` where all are. */
export const avg = (field: Field<Maybe<number>>): Aggregate<number | undefined> => ({ _tag: "Avg", field })

/** The smallest; `undefined` where all are missing. */
export const min = <A extends Maybe<Orderable>>(field: Field<A>): Aggregate<NonNullable<A> | undefined> => ({
  _tag: "Min",
  field
})

/** The largest; `undefined` where all are missing. */
export const max = <A extends Maybe<Orderable>>(field: Field<A>): Aggregate<NonNullable<A> | undefined> => ({
  _tag: "Max",
  field
})
