/** Queries of families that live in a database, against the same families in memory. */
import { expect, it } from "@effect/vitest"
import { type Family, Query, Sql, SqlAgent, SqlDriver, type SqlDriverService, VolatileAgent } from "dgents"
import { PostgresDriver } from "dgents/postgres"
import { SqliteDriver } from "dgents/sqlite"
import { Effect, Schema, type Scope, Stream } from "effect"
import { newDatabase } from "./sql/postgres/driver.ts"
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

/** An empty database that can be opened again and again, and the names of its indexes. */
const databases: ReadonlyArray<
  readonly [
    name: string,
    make: Effect.Effect<Effect.Effect<SqlDriverService, unknown, Scope.Scope>, never, Scope.Scope>,
    indexes: Sql.Fragment
  ]
> = [
  [
    "SQLite",
    Effect.map(tempFile, (filename) => SqliteDriver.make({ filename })),
    Sql.sql`SELECT name FROM sqlite_schema WHERE type = 'index' AND name LIKE 'dgents_query%' ORDER BY 1`
  ],
  [
    "PostgreSQL",
    Effect.map(newDatabase, (url) => PostgresDriver.make({ url })),
    Sql.sql`SELECT indexname AS name FROM pg_indexes WHERE indexname LIKE 'dgents_query%' ORDER BY 1`
  ]
]

const on =
  (open: Effect.Effect<SqlDriverService, unknown, Scope.Scope>) =>
  <A, E>(effect: Effect.Effect<A, E, SqlDriver | Scope.Scope>) =>
    Effect.scoped(Effect.flatMap(open, (driver) => Effect.provideService(effect, SqlDriver, driver)))

const inMemory = (history: "none" | "full" | { readonly bounded: number }) =>
  Effect.gen(function* () {
    const family = yield* VolatileAgent.family({ name: "people", schema: Person, history })
    yield* fill(family)
    return yield* ask(family)
  })

const filled = (family: Family.Family<Person>) => Effect.andThen(fill(family), ask(family))

for (const [database, make, indexes] of databases) {
  for (const history of ["none", "full", { bounded: 3 }] as const)
    it.effect(`${database} answers as memory does, with history ${JSON.stringify(history)}`, () =>
      Effect.gen(function* () {
        const run = on(yield* make)
        const family = SqlAgent.family({ name: "people", schema: Person, history })
        expect(yield* run(Effect.flatMap(family, filled))).toEqual(yield* inMemory(history))
      })
    )

  it.effect(`${database}: a history that is or was kept as differences is asked in full`, () =>
    Effect.gen(function* () {
      const run = on(yield* make)
      const expected = yield* inMemory("full")
      const opened = (deltas: number) => SqlAgent.family({ name: "people", schema: Person, history: "full", deltas })
      expect(yield* run(Effect.flatMap(opened(3), filled))).toEqual(expected)
      expect(yield* run(Effect.flatMap(opened(0), ask))).toEqual(expected)
    })
  )

  it.effect(`${database}: an earlier rule's history is not asked beyond the present one`, () =>
    Effect.gen(function* () {
      const run = on(yield* make)
      const opened = (history: SqlAgent.History) => SqlAgent.family({ name: "people", schema: Person, history })
      const count = (family: Family.Family<Person>) =>
        Query.aggregate(family, { over: "history", select: () => ({ n: Query.count }) })
      yield* run(Effect.flatMap(opened("full"), fill))
      expect(yield* run(Effect.flatMap(opened("full"), count))).toEqual({ n: 28 * 4 })
      expect(yield* run(Effect.flatMap(opened({ bounded: 2 }), count))).toEqual({ n: 28 * 2 })
      expect(yield* run(Effect.flatMap(opened({ maxAge: "1 hour" }), count))).toEqual({ n: 28 * 4 })
      expect(yield* run(Effect.flatMap(opened("none"), count))).toEqual({ n: 28 })
    })
  )

  it.effect(`${database}: an index that is declared is made once, used, and of that family alone`, () =>
    Effect.gen(function* () {
      const run = on(yield* make)
      const indexed = SqlAgent.family({
        name: "people",
        schema: Person,
        indexes: (p) => [p.age, [p.address.city, p.name]]
      })
      const names = Sql.query(Schema.Struct({ name: Schema.String }))`${indexes}`
      const first = yield* run(Effect.andThen(Effect.flatMap(indexed, fill), names))
      expect(first.length).toBe(2)
      const again = yield* run(
        Effect.gen(function* () {
          const family = yield* indexed
          // Text that is no JSON object, in another collection, is none of the index's business.
          const notes = yield* SqlAgent.make({ name: "notes", schema: Schema.String })
          yield* notes.save("text")
          expect((yield* Query.run(family, { where: (p) => Query.eq(p.age, 30) })).length).toBeGreaterThan(0)
          return yield* names
        })
      )
      expect(again).toEqual(first)
    })
  )

  it.effect(`${database}: a family is found by SQL of one's own whatever its name, and no other one is`, () =>
    Effect.gen(function* () {
      const run = on(yield* make)
      const names = ["costs $1 and $2", "costs ?", "it's \\ 'quoted'; --", "costs"]
      const found = yield* run(
        Effect.forEach(names, (name, i) =>
          Effect.gen(function* () {
            const family = yield* SqlAgent.family({ name, schema: Schema.Number, history: "full" })
            yield* family.at(`key ${i}`).save(i)
            const Key = Schema.Struct({ key: Schema.String })
            return [
              yield* Sql.query(Key)`SELECT s.key FROM ${Sql.states(family)} AS s WHERE s.key <> ${"none"}`,
              yield* Sql.query(Key)`SELECT h.key FROM ${Sql.history(family)} AS h WHERE h.key <> ${"none"}`,
              yield* Query.run(family, { select: (_, row) => ({ key: row.key }) })
            ]
          })
        )
      )
      expect(found).toEqual(names.map((_, i) => Array.from({ length: 3 }, () => [{ key: `key ${i}` }])))
    })
  )

  it.effect(`${database}: SQL of one's own reads states and histories, by parameters`, () =>
    Effect.gen(function* () {
      const run = on(yield* make)
      const counted = yield* run(
        Effect.gen(function* () {
          const family = yield* SqlAgent.family({ name: "people", schema: Person, history: "full" })
          yield* fill(family)
          const Count = Schema.Struct({ n: Schema.Number, first: Schema.String })
          return yield* Sql.query(Count)`
            SELECT count(*) AS n, min(h.key) AS first FROM ${Sql.history(family)} AS h
            WHERE h.key IN (SELECT key FROM ${Sql.states(family)} AS s WHERE s.state -> 'address' ->> 'city' = ${"Oslo"})
            AND h.key <> ${"key-0"}`
        })
      )
      // Of 0, 3, 6, ... 27 two are gone, each of the others has four states.
      expect(counted).toEqual([{ n: 8 * 4, first: "key-12" }])
    })
  )
}

it.effect("an index on a field that does not exist, or that has no order, is refused when the family is opened", () =>
  Effect.gen(function* () {
    const refused = (indexes: unknown) =>
      on(SqliteDriver.make({ filename: ":memory:" }))(
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
