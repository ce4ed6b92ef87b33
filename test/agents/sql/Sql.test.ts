import { expect, it } from "@effect/vitest"
import { Sql, SqlAgent } from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import { Effect, Schema } from "effect"

const Person = Schema.Struct({ name: Schema.String, age: Schema.Number })

const inMemory = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.scoped(Effect.provide(effect, SqliteDriver.layer({ filename: ":memory:" })))

const people = Effect.gen(function* () {
  const family = yield* SqlAgent.family({ name: "people", schema: Person, history: "full" })
  yield* family.saveMany([
    ["a", { name: "Ada", age: 36 }],
    ["b", { name: "Bob'; DROP TABLE dgents_state; --", age: 20 }],
    ["c", { name: "Cyd", age: 36 }]
  ])
  const others = yield* SqlAgent.family({ name: "other people", schema: Person })
  yield* others.saveMany([["a", { name: "Ada", age: 99 }]])
  return family
})

it.effect("a statement reads the states of one family, and its rows are what the schema says", () =>
  Effect.gen(function* () {
    const family = yield* people
    const rows = yield* Sql.query(Schema.Struct({ age: Schema.Number, n: Schema.Number }))`
      SELECT state ->> 'age' AS age, count(*) AS n FROM ${Sql.states(family)} AS p
      WHERE state ->> 'age' >= ${10} GROUP BY 1 ORDER BY 1`
    expect(rows).toEqual([
      { age: 20, n: 1 },
      { age: 36, n: 2 }
    ])
  }).pipe(inMemory)
)

it.effect("values are parameters, whatever they hold, and fragments keep theirs in order", () =>
  Effect.gen(function* () {
    const family = yield* people
    const name = "Bob'; DROP TABLE dgents_state; --"
    const older = Sql.sql`state ->> 'age' > ${30}`
    const rows = yield* Sql.query(Schema.Struct({ key: Schema.String, given: Schema.String }))`
      SELECT ${Sql.identifier("key")}, ${"?"} AS given FROM ${Sql.states(family)} AS p
      WHERE (state ->> 'name' = ${name} OR ${older}) AND key <> ${"c"} ORDER BY key`
    expect(rows).toEqual([
      { key: "a", given: "?" },
      { key: "b", given: "?" }
    ])
    expect(() => Sql.identifier('"; DROP TABLE x')).toThrow(/an identifier has letters/)
  }).pipe(inMemory)
)

it.effect("a history has the states of every revision", () =>
  Effect.gen(function* () {
    const family = yield* people
    yield* family.at("a").save({ name: "Ada", age: 37 })
    const rows = yield* Sql.query(Schema.Struct({ revision: Schema.Number, age: Schema.Number }))`
      SELECT revision, state ->> 'age' AS age FROM ${Sql.history(family)} AS h WHERE key = ${"a"} ORDER BY revision`
    expect(rows).toEqual([
      { revision: 1, age: 36 },
      { revision: 2, age: 37 }
    ])
  }).pipe(inMemory)
)

it.effect("what cannot be run, would write, or answers something else fails typed, and changes nothing", () =>
  Effect.gen(function* () {
    const family = yield* people
    const Row = Schema.Struct({ key: Schema.String })
    const misspelt = yield* Effect.flip(Sql.query(Row)`SELEC key FROM ${Sql.states(family)} AS p`)
    expect(misspelt).toMatchObject({ _tag: "StorageUnavailable", operation: "query", retryable: false })
    for (const writes of [
      Sql.sql`DELETE FROM dgents_state`,
      Sql.sql`DELETE FROM dgents_state RETURNING key`,
      Sql.sql`PRAGMA user_version = 9`,
      Sql.sql`BEGIN`
    ])
      expect(yield* Effect.flip(Sql.query(Row)`${writes}`)).toMatchObject({
        _tag: "StorageUnavailable",
        retryable: false
      })
    const other = yield* Effect.flip(Sql.query(Row)`SELECT revision AS key FROM ${Sql.states(family)} AS p`)
    expect(other).toMatchObject({
      _tag: "QueryInvalid",
      field: ["key"],
      reason: expect.stringContaining("row 1 of the answer")
    })
    expect(yield* family.has("a")).toBe(true)
  }).pipe(inMemory)
)
