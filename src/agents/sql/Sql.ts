/**
 * SQL of your own on the database of `SqlAgent`, for what `Query` does not say: rows that are checked by a schema.
 *
 * ```ts
 * const perCity = Sql.query(Schema.Struct({ city: Schema.String, people: Schema.Number }))`
 *   SELECT state ->> 'city' AS city, count(*) AS people FROM ${Sql.states(people)} AS p GROUP BY 1 HAVING count(*) >= ${5}`
 * ```
 *
 * - Promises: what stands in `${}` travels as a parameter, never as text; names are checked. Statements read: one that would
 *   write is refused.
 * - Costs: what the statement is worth. SQLite runs it in this thread.
 * - Fails: with `QueryInvalid` for a name that is none and for rows that do not fit the schema, and with what reading fails with.
 */
import { Effect, Exit, Schema } from "effect"
import { explain } from "../../schema/internal/explain.ts"
import { readError } from "../internal/failure.ts"
import { QueryInvalid } from "../query/QueryInvalid.ts"
import type { ReadError } from "../StateError.ts"
import type { Engine, Statement } from "./Engine.ts"
import { SqlDriver } from "./SqlDriver.ts"

/** What a parameter may be. */
export type Value = string | number | bigint | null | Uint8Array

type Part = { readonly sql: string } | { readonly value: Value } | { readonly source: Source }

/** The rows of a family or an agent. */
interface Source {
  readonly collection: string
  readonly over: "current" | "history"
}

const TypeId: unique symbol = Symbol.for("dgents/Sql")

/** A piece of SQL with its parameters, to be put into another one. */
export interface Fragment {
  readonly [TypeId]: ReadonlyArray<Part>
}

const fragment = (parts: ReadonlyArray<Part>): Fragment => ({ [TypeId]: parts })

const isFragment = (value: Value | Fragment): value is Fragment =>
  typeof value === "object" && value !== null && TypeId in value

/** A piece of SQL: fragments are put in as they are, everything else as parameters. */
export const sql = (strings: ReadonlyArray<string>, ...values: ReadonlyArray<Value | Fragment>): Fragment =>
  fragment(
    strings.flatMap((text, i): ReadonlyArray<Part> => {
      const value = values[i]
      const own: Part = { sql: text }
      if (value === undefined) return [own]
      return isFragment(value) ? [own, ...value[TypeId]] : [own, { value }]
    })
  )

/**
 * The name of a table or a column: letters of ASCII, digits and `_`, not beginning with a digit. Throws a `QueryInvalid` for
 * any other, since names are not data.
 */
export const identifier = (name: string): Fragment => {
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
    throw new QueryInvalid({
      agent: "Sql",
      field: [],
      reason: `an identifier has letters of ASCII, digits and _, and ${JSON.stringify(name.slice(0, 40))} has others`
    })
  return fragment([{ sql: `"${name}"` }])
}

/** A family of `SqlAgent`, or an agent that is none of a family's. */
export interface Named {
  readonly name: string
  readonly key?: string | undefined
  readonly at: unknown
}

const source = (of: Named, over: Source["over"]): Fragment =>
  // An agent has a key, be it undefined; a family has none.
  fragment([{ source: { collection: `${"key" in of ? "agent" : "family"}:${of.name}`, over } }])

/**
 * The current states as a table with the columns `key`, `revision`, `saved_at` (milliseconds) and `state`: JSON text on SQLite,
 * `jsonb` on Postgres. Give it a name: `FROM ${Sql.states(people)} AS p`.
 */
export const states = (of: Named): Fragment => source(of, "current")

/** The same with the earlier states that the database holds; those that are kept as differences are no states, and left out. */
export const history = (of: Named): Fragment => source(of, "history")

/** Runs a statement; each row, an object with its columns, has to fit the schema. */
export const query =
  <A, I>(row: Schema.Codec<A, I>) =>
  (
    strings: ReadonlyArray<string>,
    ...values: ReadonlyArray<Value | Fragment>
  ): Effect.Effect<ReadonlyArray<A>, QueryInvalid | ReadError, SqlDriver> => {
    const decode = Schema.decodeUnknownExit(row)
    return Effect.gen(function* () {
      const { engine } = yield* SqlDriver
      const statement = yield* render(engine, sql(strings, ...values)[TypeId])
      const rows = yield* Effect.mapError(engine.query(statement), readError({ agent: engine.name }, "query"))
      const decoded: Array<A> = []
      for (const [i, found] of rows.entries()) {
        decoded.push(
          yield* Effect.mapError(decode(found), ({ issue }) => {
            const { path, reason } = explain(issue)
            return new QueryInvalid({
              agent: engine.name,
              field: path.map(String),
              reason: `row ${i + 1} of the answer does not fit the schema: ${reason}; select what it says, or say what is selected`
            })
          })
        )
      }
      return decoded
    })
  }

const everything = { count: Number.POSITIVE_INFINITY, from: Number.NEGATIVE_INFINITY }

const render = (engine: Engine, parts: ReadonlyArray<Part>): Exit.Exit<Statement, QueryInvalid> => {
  const { dialect } = engine
  const params: Array<Value> = []
  let text = ""
  for (const part of parts) {
    if ("sql" in part) {
      text += part.sql
      continue
    }
    const rows =
      "source" in part
        ? engine.source?.(part.source.collection, part.source.over === "current" ? undefined : everything)
        : undefined
    if (dialect === undefined || ("source" in part && rows === undefined))
      return Exit.fail(new QueryInvalid({ agent: engine.name, field: [], reason: "this database takes no SQL" }))
    if ("value" in part) {
      params.push(part.value)
      text += dialect.placeholder(params.length)
    } else if (rows !== undefined) {
      const before = params.length
      // Its own placeholders are counted from the first of the statement. Without them a `$1` is part of the agent's name.
      const own =
        rows.params.length > 0
          ? rows.sql.replace(/\$(\d+)/g, (_, n) => dialect.placeholder(before + Number(n)))
          : rows.sql
      text += `(${own})`
      params.push(...rows.params)
    }
  }
  return Exit.succeed({ sql: text, params })
}
