// The one place that imports Effect's unstable property-testing module.
import { Schema } from "effect"
import * as Arbitrary from "effect/Arbitrary"

/** Generates and shrinks values of one type. */
export type Gen<A> = Arbitrary.Arbitrary<A>

export const { array, checkEffect, filter, map, sampleEffect } = Arbitrary

/** Values of a schema's type side. */
export const values = <S>(schema: Schema.Codec<S, unknown>): Gen<S> => Arbitrary.schema(schema)

/** A member of a list by number, beginning again past its end. */
export const nth = <A>(list: readonly [A, ...ReadonlyArray<A>], n: number): A =>
  // Sound: the index lies within the list. A default would take the place of members that are null or undefined.
  list[n % list.length] as A

/** A whole number, both ends included; shrinks towards the smaller end. */
export const int = (minimum: number, maximum: number): Gen<number> =>
  Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum, maximum })))

/** One of the given values; shrinks towards the first. */
export const pick = <const A>(choices: readonly [A, ...ReadonlyArray<A>]): Gen<A> =>
  Arbitrary.map(int(0, choices.length - 1), (i) => nth(choices, i))

/** A value of one of the generators; shrinks towards the first, then inside the chosen one. */
export const oneOf = <A>(choices: readonly [Gen<A>, ...ReadonlyArray<Gen<A>>]): Gen<A> =>
  Arbitrary.flatMap(int(0, choices.length - 1), (i) => nth(choices, i))

/** A record of independent values. */
export const record = <A extends object>(members: { readonly [K in keyof A]: Gen<A[K]> }): Gen<A> =>
  // Sound: `all` generates each member by the generator under its own key; its type cannot say so for a mapped type.
  Arbitrary.all(members as Record<string, Gen<unknown>>) as Gen<unknown> as Gen<A>

/** Up to four times as many as `array` gives at the same size: scripts want to be longer than states are large. */
export const script = <A>(item: Gen<A>): Gen<Array<A>> => {
  const part = Arbitrary.array(item)
  return Arbitrary.map(Arbitrary.all([part, part, part, part]), (parts) => parts.flat())
}

/** Always the same value. */
export const always = <A>(value: A): Gen<A> => Arbitrary.map(int(0, 0), () => value)
