/**
 * Questions about the states of a family, typed by their schema: which ones, in what order, which of their fields, how many.
 *
 * ```ts
 * const adults = Query.run(people, {
 *   where: (p, row) => Query.and(Query.gte(p.age, 18), Query.eq(p.address.city, "Oslo"), Query.startsWith(row.key, "user-")),
 *   orderBy: (p) => [Query.desc(p.age), Query.asc(p.name)],
 *   limit: 10,
 *   select: (p, row) => ({ key: row.key, name: p.name })
 * })
 * ```
 *
 * - Promises: one meaning wherever the states live. A predicate is true or false: what compares with a missing value is false, and
 *   its `not` is true. Text compares by code points, numbers as doubles, and -0 is 0. Missing values come first, and last when
 *   descending. Equal rows are in the order of their keys.
 * - Costs: what the SQL is worth where the store runs queries (values are always parameters). Elsewhere every state is read, one
 *   after the other, so that what others write meanwhile may be seen in part.
 * - Fails: with `QueryInvalid` before anything is read (a field that the schema does not have, a comparison that its type does not
 *   allow, a limit below 0), and with what reading fails with.
 */
import { Effect, Stream } from "effect"
import type { Family } from "./Family.ts"
import * as Compile from "./query/compile.ts"
import type * as Options from "./query/options.ts"
import type { QueryInvalid } from "./query/QueryInvalid.ts"
import * as Run from "./query/run.ts"
import type { ReadError } from "./StateError.ts"

export {
  type Aggregate,
  and,
  asc,
  avg,
  contains,
  count,
  desc,
  eq,
  gt,
  gte,
  isMissing,
  lt,
  lte,
  max,
  min,
  neq,
  not,
  type Order,
  oneOf,
  or,
  type Predicate,
  startsWith,
  sum
} from "./query/expressions.ts"
export type { Equatable, Field, Fields, Orderable, Row } from "./query/Field.ts"
export type { Indexes } from "./query/indexes.ts"
export type * as Ir from "./query/ir.ts"
export type {
  Aggregated,
  AggregateOptions,
  Aggregates,
  Grouped,
  GroupOptions,
  Keys,
  RunOptions,
  Selected,
  Shape,
  StreamOptions,
  Whole
} from "./query/options.ts"
export { QueryInvalid } from "./query/QueryInvalid.ts"

/** The rows that a query asks for. */
export const run = <S, X extends Options.Shape = Options.Whole<S>>(
  family: Family<S>,
  options: Options.RunOptions<S, X> = {}
): Effect.Effect<ReadonlyArray<Options.Selected<X>>, QueryInvalid | ReadError> =>
  Effect.suspend(() =>
    // Sound: what a shape is read as is what `Selected` says of it.
    Effect.flatMap(Compile.rows(family, options), (compiled) => Run.run(family, compiled))
  ) as Effect.Effect<ReadonlyArray<Options.Selected<X>>, QueryInvalid | ReadError>

/**
 * The rows that a query asks for, in the order of their keys, read page by page: for more of them than fit in memory. Each page
 * shows the states as they are when it is read.
 */
export const stream = <S, X extends Options.Shape = Options.Whole<S>>(
  family: Family<S>,
  options: Options.StreamOptions<S, X> = {}
): Stream.Stream<Options.Selected<X>, QueryInvalid | ReadError> =>
  Stream.unwrap(
    // Sound: as in `run`.
    Effect.suspend(() =>
      Effect.map(Compile.rows(family, options), (compiled) => Run.stream(family, compiled))
    ) as Effect.Effect<Stream.Stream<Options.Selected<X>, ReadError>, QueryInvalid>
  )

/** Values over all rows that a query asks for: how many, their sum, average, smallest and largest. */
export const aggregate = <S, X extends Options.Aggregates>(
  family: Family<S>,
  options: Options.AggregateOptions<S, X>
): Effect.Effect<Options.Aggregated<X>, QueryInvalid | ReadError> =>
  Effect.suspend(() =>
    Effect.flatMap(Compile.groups(family, { ...options, by: () => ({}) }), (compiled) =>
      // Sound: without `by` there is exactly one group, with a value for each name.
      Effect.map(Run.run(family, compiled), ([row]) => row as Options.Aggregated<X>)
    )
  )

/** The same for each group of rows that have the fields of `by` in common. */
export const group = <S, K extends Options.Keys, X extends Options.Aggregates>(
  family: Family<S>,
  options: Options.GroupOptions<S, K, X>
): Effect.Effect<ReadonlyArray<Options.Grouped<K> & Options.Aggregated<X>>, QueryInvalid | ReadError> =>
  Effect.suspend(() =>
    // Sound: a group has a value for each name of `by` and `select`.
    Effect.flatMap(Compile.groups(family, options), (compiled) => Run.run(family, compiled))
  ) as Effect.Effect<ReadonlyArray<Options.Grouped<K> & Options.Aggregated<X>>, QueryInvalid | ReadError>
