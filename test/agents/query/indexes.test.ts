import { expect, it } from "@effect/vitest"
import { Codec, Query as Q } from "dgents"
import { Effect, Exit, Schema } from "effect"
import * as Compile from "../../../src/agents/query/compile.ts"
import { type Indexes, indexes, indexStatement } from "../../../src/agents/query/indexes.ts"
import type { RunOptions } from "../../../src/agents/query/options.ts"
import { compile, type Statement } from "../../../src/agents/query/sql.ts"
import { dialect as postgres } from "../../../src/agents/sql/postgres/dialect.ts"
import { dialect as sqlite } from "../../../src/agents/sql/sqlite/dialect.ts"
import { collection, openPostgres, openSqlite, postgresSource, sqliteSource } from "./families.ts"

const Person = Schema.Struct({
  name: Schema.String,
  age: Schema.optionalKey(Schema.Number),
  address: Schema.Struct({ 'it\'s a "city"': Schema.String }),
  born: Schema.Date
})
type Person = typeof Person.Type
const city = 'it\'s a "city"'
const subject = { name: "people", codec: Codec.json(Person) }
const declared: Indexes<Person> = (p) => [p.age, [p.address[city], p.age], p.name, p.born]

const statements = (dialect: typeof sqlite) =>
  Exit.match(indexes(subject, declared), {
    onFailure: () => [],
    onSuccess: (all) => all.flatMap((index) => indexStatement(dialect, "dgents_state", collection, index) ?? [])
  })

const statement = (
  dialect: typeof sqlite,
  source: typeof sqliteSource,
  options: RunOptions<Person, unknown>
): Statement => {
  const compiled = Compile.rows<Person>(subject, options)
  if (Exit.isFailure(compiled)) throw new Error(String(compiled.cause))
  return compile(dialect, source("current"), compiled.value.plan)
}

const asked: ReadonlyArray<readonly [name: string, options: RunOptions<Person, unknown>]> = [
  ["a value", { where: (p) => Q.eq(p.age, 30) }],
  ["a range", { where: (p) => Q.and(Q.gte(p.age, 30), Q.lt(p.age, 31)) }],
  ["some values", { where: (p) => Q.oneOf(p.age, [30, 31, Number.POSITIVE_INFINITY]) }],
  ["two fields", { where: (p) => Q.and(Q.eq(p.address[city], "Oslo"), Q.gt(p.age, 490)) }],
  ["a prefix", { where: (p) => Q.startsWith(p.name, "name-123") }],
  ["a time", { where: (p) => Q.gte(p.born, new Date(4_990_000)) }],
  ["an order", { orderBy: (p) => Q.asc(p.age), limit: 10 }],
  ["a descending order", { orderBy: (p) => Q.desc(p.name), limit: 10 }]
]

const people = Array.from({ length: 5_000 }, (_, i) =>
  JSON.stringify({
    name: `name-${i}`,
    age: i % 500,
    address: { [city]: i % 7 === 0 ? "Oslo" : "Rome" },
    born: new Date(i * 1_000)
  })
)

it.effect("SQLite uses an index for the fields that it is declared on", () =>
  Effect.gen(function* () {
    const db = yield* openSqlite
    const insert = db.prepare("INSERT INTO dgents_state VALUES (?, ?, 1, 0, ?)")
    people.forEach((state, i) => {
      insert.run(collection, `key-${i}`, state)
    })
    const all = statements(sqlite)
    expect(all.length).toBe(4)
    // What others store is none of its business: it need not even be JSON.
    for (const { sql } of all) db.exec(sql)
    insert.run("family:others", "a", "no JSON")
    insert.run("family:others", "b", Buffer.from([1, 2]))
    const plans = asked.map(([name, options]) => {
      const { params, sql } = statement(sqlite, sqliteSource, options)
      const prepared = db.prepare<Array<unknown>, { detail: string }>(`EXPLAIN QUERY PLAN ${sql}`)
      return [
        name,
        () =>
          prepared
            .all(...params)
            .map(({ detail }) => detail)
            .join("; ")
      ] as const
    })
    // Without statistics, several values are taken for more rows than a whole collection has.
    for (const [name, plan] of plans)
      if (name !== "some values") expect([name, plan()]).toEqual([name, expect.stringMatching(/dgents_query_/)])
    db.exec("ANALYZE")
    for (const [name, plan] of plans) expect([name, plan()]).toEqual([name, expect.stringMatching(/dgents_query_/)])
  })
)

it.effect("Postgres uses an index for the fields that it is declared on", () =>
  Effect.gen(function* () {
    const client = yield* openPostgres
    yield* Effect.promise(async () => {
      await client.query(
        `INSERT INTO dgents_state SELECT $1, 'key-' || i, 1, 0, s::jsonb, false, s FROM unnest($2::text[]) WITH ORDINALITY AS t(s, i)`,
        [collection, people]
      )
      const all = statements(postgres)
      expect(all.length).toBe(4)
      for (const { sql, statistics } of all) await client.query([sql, ...statistics].join(";"))
      await client.query("ANALYZE")
      for (const [name, options] of asked) {
        const { params, sql } = statement(postgres, postgresSource, options)
        const { rows } = await client.query<{ "QUERY PLAN": string }>(`EXPLAIN ${sql}`, [...params])
        const plan = rows.map((row) => row["QUERY PLAN"]).join("; ")
        expect([name, plan]).toEqual([name, expect.stringMatching(/Index Scan (Backward )?(using|on) dgents_query_/)])
      }
    })
  })
)

it("an index has a name for what is in it, and is refused where the schema has no such field", () => {
  const names = [...statements(sqlite), ...statements(postgres)].map(({ name }) => name)
  expect(new Set(names).size).toBe(8)
  expect(statements(sqlite)).toEqual(statements(sqlite))
  const missing: Indexes<Person> = (p) => [Reflect.get(p, "nope")]
  expect(String(Exit.getCause(indexes(subject, missing)))).toContain("the schema has no such field")
})

it("equal shapes give equal SQL, whatever the values are", () => {
  for (const [dialect, source] of [
    [sqlite, sqliteSource],
    [postgres, postgresSource]
  ] as const) {
    const text = (age: number, names: ReadonlyArray<string>, prefix: string) =>
      statement(dialect, source, {
        where: (p) => Q.and(Q.eq(p.age, age), Q.oneOf(p.name, names), Q.startsWith(p.name, prefix)),
        limit: age
      }).sql
    expect(text(1, ["a", "b", "c"], "'; DROP TABLE dgents_state; --")).toBe(text(2, ["b", "c", "'", '"'], "x"))
  }
})
