import type { Revision } from "../Revision.ts"
import type { Aggregate, Order, Predicate } from "./expressions.ts"
import type { Field, Fields, Row } from "./Field.ts"
import type { Over } from "./ir.ts"

/** Which rows. */
export interface Which<S> {
  /** `"current"`, the default: the state that each key has. `"history"`: every revision that is kept, the current ones included. */
  readonly over?: Over | undefined
  /** Absent: all. */
  readonly where?: ((p: Fields<S>, row: Row) => Predicate) | undefined
}

/** How many. */
export interface Page {
  /** The most rows to answer, a whole number. Absent: all. */
  readonly limit?: number | undefined
  /** How many rows to leave out before the first, a whole number. Default: 0. */
  readonly offset?: number | undefined
}

/** A field, or an object of fields, objects of fields, and so on. */
export type Shape = Field<unknown> | { readonly [name: string]: Shape }

/** What a shape is answered as: each field's value in its place. */
export type Selected<X> = X extends Field<infer A> ? A : { readonly [K in keyof X]: Selected<X[K]> }

/** What a row is answered as when nothing is selected. */
export type Whole<S> = {
  readonly key: Field<string>
  readonly state: Field<S>
  readonly revision: Field<Revision>
  readonly savedAt: Field<number>
}

/** What each row is answered as. Absent: `{ key, state, revision, savedAt }`. */
export interface Select<S, X> {
  readonly select?: ((p: Fields<S>, row: Row) => X) | undefined
}

/** What `run` takes. */
export interface RunOptions<S, X> extends Which<S>, Page, Select<S, X> {
  /** By what to order, the most important first. Equal rows, and all rows without it, are in the order of key and revision. */
  readonly orderBy?: ((p: Fields<S>, row: Row) => Order | ReadonlyArray<Order>) | undefined
}

/** What `stream` takes. */
export interface StreamOptions<S, X> extends Which<S>, Select<S, X> {}

/** Aggregates by name. */
export interface Aggregates {
  readonly [name: string]: Aggregate<unknown>
}

/** The values of aggregates, by name. */
export type Aggregated<X> = { readonly [K in keyof X]: X[K] extends Aggregate<infer A> ? A : never }

/** What `aggregate` takes. */
export interface AggregateOptions<S, X extends Aggregates> extends Which<S> {
  readonly select: (p: Fields<S>, row: Row) => X
}

/** What rows are grouped by, by name: scalar fields. */
export interface Keys {
  readonly [name: string]: Field<unknown>
}

/** The values that a group has in common. Absent, null and undefined are one group, whose value is `undefined`. */
export type Grouped<K> = {
  readonly [N in keyof K]: K[N] extends Field<infer A>
    ? NonNullable<A> | (null extends A ? undefined : never) | (undefined extends A ? undefined : never)
    : never
}

type ColumnsOf<X> = { readonly [N in keyof X]: Field<X[N]> }

/** What `group` takes. */
export interface GroupOptions<S, K extends Keys, X extends Aggregates> extends Which<S>, Page {
  readonly by: (p: Fields<S>, row: Row) => K
  readonly select: (p: Fields<S>, row: Row) => X
  /** By what to order the groups: the names of `by` and `select`. Equal groups, and all without it, are in the order of `by`. */
  readonly orderBy?: ((group: ColumnsOf<Grouped<K> & Aggregated<X>>) => Order | ReadonlyArray<Order>) | undefined
}
