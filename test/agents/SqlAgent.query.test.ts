/** Queries of families that live in a database, against the same families in memory. */
import { expect, it } from "@effect/vitest"
import { type Family, Query, SqlAgent, SqlDriver, VolatileAgent } from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import { Effect, Schema, Stream } from "effect"
import { tempFile } from "./sql/temp.ts"

const Person = Schema.Struct({
  name: Schema.String,
  age: Schema.optionalKey(Schema.Number),
  address: Schema.Struct({ city: Schema.String })
})
type Person = typeof Person.Type

const person = (i: number, version: number): Person => ({
  name: `name ${i}.${version} ${"x".repeat(200)}`,
  ...(i % 4 === 0 ? {} : { age: (i * 7 + version) % 50 }),
  address: { city: ["Oslo", "Rome", "Łódź"][i % 3] ?? "" }
})

const fill = (family: Family.Family<Person>) =>
  Effect.gen(function* () {
    for (let version = 0; version < 4; version++)
      yield* family.saveMany(Array.from({ length: 30 }, (_, i) => [`key-${i}`, person(i, version)] as const))
    yield* family.deleteMany(["key-3", "key-4"])
  })

const ask = (family: Family.Family<Person>) =>
  Effect.gen(function* () {
    const rows = yield* Query.run(family, {
      over: "history",
      where: (p) => Query.and(Query.gte(p.age, 20), Query.eq(p.address.city, "Łódź")),
      orderBy: (p) => [Query.desc(p.age)],
      select: (p, row) => ({ key: row.key, revision: row.revision, age: p.age })
    })
    const groups = yield* Query.group(family, {
      over: "history",
      by: (p) => ({ city: p.address.city }),
      select: (p) => ({ n: Query.count, sum: Query.sum(p.age), first: Query.min(p.name) })
    })
    const current = yield* Query.run(family, { orderBy: (p) => Query.asc(p.age), limit: 7, select: (p) => p.name })
    const keys = yield* Stream.runCollect(Query.stream(family, { over: "history", select: (_, row) => row.key }))
    return { rows, groups, current, keys }
  })

const inSqlite = <A, E, R>(filename: string, effect: Effect.Effect<A, E, R>) =>
  Effect.scoped(Effect.provide(effect, SqliteDriver.layer({ filename })))

for (const history of ["none", "full", { bounded: 3 }] as const)
  it.effect(`a database answers as memory does, with history ${JSON.stringify(history)}`, () =>
    Effect.gen(function* () {
      const memory = yield* VolatileAgent.family({ name: "people", schema: Person, history })
      yield* fill(memory)
      const expected = yield* ask(memory)
      const sqlite = SqlAgent.family({ name: "people", schema: Person, history })
      expect(
        yield* inSqlite(
          ":memory:",
          Effect.flatMap(sqlite, (family) => Effect.andThen(fill(family), ask(family)))
        )
      ).toEqual(expected)
    })
  )

it.effect("a history that is or was kept as differences is asked in full", () =>
  Effect.gen(function* () {
    const memory = yield* VolatileAgent.family({ name: "people", schema: Person, history: "full" })
    yield* fill(memory)
    const expected = yield* ask(memory)
    const file = yield* tempFile
    const opened = (deltas: number) => SqlAgent.family({ name: "people", schema: Person, history: "full", deltas })
    const answered = yield* inSqlite(
      file,
      Effect.flatMap(opened(3), (family) => Effect.andThen(fill(family), ask(family)))
    )
    expect(answered).toEqual(expected)
    expect(yield* inSqlite(file, Effect.flatMap(opened(0), ask))).toEqual(expected)
  })
)

it.effect("an earlier rule's history is not asked beyond the present one", () =>
  Effect.gen(function* () {
    const file = yield* tempFile
    const opened = (history: SqlAgent.History) => SqlAgent.family({ name: "people", schema: Person, history })
    const count = (family: Family.Family<Person>) =>
      Query.aggregate(family, { over: "history", select: () => ({ n: Query.count }) })
    yield* inSqlite(file, Effect.flatMap(opened("full"), fill))
    expect(yield* inSqlite(file, Effect.flatMap(opened("full"), count))).toEqual({ n: 28 * 4 })
    expect(yield* inSqlite(file, Effect.flatMap(opened({ bounded: 2 }), count))).toEqual({ n: 28 * 2 })
    expect(yield* inSqlite(file, Effect.flatMap(opened("none"), count))).toEqual({ n: 28 })
  })
)

it.effect("an index that is declared is made once, used, and of that family alone", () =>
  Effect.gen(function* () {
    const file = yield* tempFile
    const indexed = SqlAgent.family({
      name: "people",
      schema: Person,
      indexes: (p) => [p.age, [p.address.city, p.name]]
    })
    const names = Effect.gen(function* () {
      const { engine } = yield* SqlDriver
      return yield* engine.query({
        sql: "SELECT name FROM sqlite_schema WHERE type = 'index' AND name LIKE 'dgents_query%' ORDER BY 1",
        params: []
      })
    })
    const first = yield* inSqlite(file, Effect.andThen(Effect.flatMap(indexed, fill), names))
    expect(first.length).toBe(2)
    const again = yield* inSqlite(
      file,
      Effect.gen(function* () {
        const family = yield* indexed
        // Text that is no JSON, in another collection, is none of the index's business.
        const notes = yield* SqlAgent.make({ name: "notes", schema: Schema.String })
        yield* notes.save("text")
        expect((yield* Query.run(family, { where: (p) => Query.eq(p.age, 30) })).length).toBeGreaterThan(0)
        return yield* names
      })
    )
    expect(again).toEqual(first)
  })
)

it.effect("an index on a field that does not exist, or that has no order, is refused when the family is opened", () =>
  Effect.gen(function* () {
    const refused = (indexes: unknown) =>
      inSqlite(
        ":memory:",
        // From plain JavaScript: the types do not allow it.
        Effect.flip(SqlAgent.family({ name: "people", schema: Person, indexes: indexes as never }))
      )
    const missing = yield* refused((p: { readonly phone: never }) => [p.phone])
    expect(missing).toMatchObject({ _tag: "StorageUnavailable", operation: "open", retryable: false })
    expect(missing.message).toContain('"phone"')
    expect((yield* refused((p: { readonly address: never }) => [p.address])).message).toContain("the option indexes")
    expect((yield* refused("age")).message).toContain("a function from the fields")
  })
)
