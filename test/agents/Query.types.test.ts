import { type Family, Query, type Revision, type StateError } from "dgents"
import type { Effect, Option, Stream } from "effect"
import { expectTypeOf, it } from "vitest"
import { fields, row } from "../../src/agents/query/Field.ts"

interface Person {
  readonly name: string
  readonly nick: string & { readonly Nick: unique symbol }
  readonly age?: number
  readonly kind: "adult" | "child"
  readonly id: bigint
  readonly born: Date
  readonly address: { readonly city: string; readonly zip?: string | undefined } | null
  readonly tags: ReadonlyArray<string>
  readonly scores: { readonly [name: string]: number }
  readonly shape: { readonly _tag: "Circle"; readonly r: number } | { readonly _tag: "Box"; readonly w: number }
  readonly maybe: Option.Option<string>
  readonly parent?: Person
}

// What is checked are types; nothing is asked of it.
const people = undefined as unknown as Family.Family<Person>
const p = fields<Person>({})

type ReadError = Query.QueryInvalid | StateError.ReadError

it("fields have the types of the state, and `undefined` below what is optional", () => {
  expectTypeOf(p.name).toExtend<Query.Field<string>>()
  expectTypeOf<typeof p.name>().toEqualTypeOf<Query.Fields<string>>()
  expectTypeOf(p.age).toExtend<Query.Field<number | undefined>>()
  expectTypeOf(p.address.city).toExtend<Query.Field<string | undefined>>()
  expectTypeOf(p.address.city).not.toExtend<Query.Field<string>>()
  expectTypeOf(p.parent.parent.name).toExtend<Query.Field<string | undefined>>()
  expectTypeOf(p.shape._tag).toExtend<Query.Field<"Circle" | "Box">>()
})

it("a field that does not exist does not type-check", () => {
  // @ts-expect-error: no such field
  p.nope
  // @ts-expect-error: no such field
  p.address.street
  // @ts-expect-error: a field of one member of a union alone
  p.shape.r
  // @ts-expect-error: a string has no fields
  p.name.length
  // @ts-expect-error: an array is selected whole
  p.tags.length
  // @ts-expect-error: a record is selected whole
  p.scores.maths
  // @ts-expect-error: an Option is selected whole
  p.maybe.value
  // @ts-expect-error: no such field, in a query
  Query.run(people, { where: (p) => Query.eq(p.nope, 1) })
})

it("a comparison takes values of the field's type", () => {
  Query.eq(p.name, "a")
  Query.gte(p.age, 18)
  Query.eq(p.kind, "adult")
  Query.eq(p.id, 1n)
  Query.lt(p.born, new Date())
  Query.oneOf(p.kind, ["adult"])
  Query.eq(p.address.city, "Oslo")
  Query.gt(row.savedAt, 0)
  // @ts-expect-error: a number is not a string
  Query.eq(p.name, 1)
  // @ts-expect-error: no member of the literals
  Query.eq(p.kind, "dog")
  // @ts-expect-error: nothing compares with undefined
  Query.eq(p.age, undefined)
  // @ts-expect-error: an array does not compare
  Query.eq(p.tags, ["a"])
  // @ts-expect-error: a bigint has no order here
  Query.lt(p.id, 1n)
  // @ts-expect-error: a bigint has no order here
  Query.asc(p.id)
  // @ts-expect-error: a number has no prefix
  Query.startsWith(p.age, "1")
  // @ts-expect-error: a text has no sum
  Query.sum(p.name)
})

it("rows are what is selected", () => {
  expectTypeOf(Query.run(people)).toEqualTypeOf<
    Effect.Effect<
      ReadonlyArray<{
        readonly key: string
        readonly state: Person
        readonly revision: Revision.Revision
        readonly savedAt: number
      }>,
      ReadError
    >
  >()
  const selected = Query.run(people, {
    where: (p, row) => Query.and(Query.gte(p.age, 18), Query.startsWith(row.key, "user-")),
    orderBy: (p) => [Query.desc(p.age), Query.asc(p.name)],
    limit: 10,
    select: (p, row) => ({
      key: row.key,
      address: p.address,
      deep: { city: p.address.city, tags: p.tags, maybe: p.maybe }
    })
  })
  expectTypeOf(selected).toEqualTypeOf<
    Effect.Effect<
      ReadonlyArray<{
        readonly key: string
        readonly address: Person["address"]
        readonly deep: {
          readonly city: string | undefined
          readonly tags: ReadonlyArray<string>
          readonly maybe: Option.Option<string>
        }
      }>,
      ReadError
    >
  >()
  expectTypeOf(Query.stream(people, { select: (p) => p.born })).toEqualTypeOf<Stream.Stream<Date, ReadError>>()
})

it("aggregates and groups have the types of their fields", () => {
  expectTypeOf(
    Query.aggregate(people, { select: (p) => ({ n: Query.count, mean: Query.avg(p.age), last: Query.max(p.born) }) })
  ).toEqualTypeOf<
    Effect.Effect<{ readonly n: number; readonly mean: number | undefined; readonly last: Date | undefined }, ReadError>
  >()
  const perCity = Query.group(people, {
    by: (p) => ({ city: p.address.city, kind: p.kind }),
    select: (p) => ({ n: Query.count, oldest: Query.max(p.age) }),
    orderBy: (group) => [Query.desc(group.n), Query.asc(group.city)]
  })
  type Row = Effect.Success<typeof perCity>[number]
  expectTypeOf<Row["city"]>().toEqualTypeOf<string | undefined>()
  expectTypeOf<Row["kind"]>().toEqualTypeOf<"adult" | "child">()
  expectTypeOf<Row["oldest"]>().toEqualTypeOf<number | undefined>()
  expectTypeOf<Row["n"]>().toEqualTypeOf<number>()
  Query.group(people, {
    by: (p) => ({ kind: p.kind }),
    select: () => ({ n: Query.count }),
    // @ts-expect-error: no such column
    orderBy: (group) => Query.asc(group.nope)
  })
})
