import { createHash } from "node:crypto"
import type { Exit } from "effect"
import { attempt, isPlain, type Subject } from "./compile.ts"
import type { Dialect } from "./Dialect.ts"
import { type Field, type Fields, fields, type Orderable } from "./Field.ts"
import type { Operand } from "./ir.ts"
import type { QueryInvalid } from "./QueryInvalid.ts"

/** Which fields a database should have indexes on: one each, or one over several that are asked for together. */
export type Indexes<S> = (p: Fields<S>) => ReadonlyArray<Indexed | ReadonlyArray<Indexed>>

type Indexed = Field<Orderable | null | undefined>

/** One index: its fields, the first of them being the one that is searched. */
export type Index = ReadonlyArray<Operand & { readonly _tag: "Path" }>

/** The indexes that are declared, checked against the schema. */
export const indexes = <S>(subject: Subject<S>, declared: Indexes<S>): Exit.Exit<ReadonlyArray<Index>, QueryInvalid> =>
  attempt(subject, (resolver) => {
    if (!isPlain(subject))
      resolver.refuse(
        `its states are stored in the format ${JSON.stringify(subject.codec.format)}, which a database cannot look into; leave indexes out`
      )
    return declared(fields<S>(resolver.root)).map((index) =>
      (isList(index) ? index : [index]).map((field) => {
        const { operand } = resolver.scalar(field, "equality")
        return operand._tag === "Path" ? operand : resolver.refuse("an index is on fields of the state")
      })
    )
  })

const isList = (index: Indexed | ReadonlyArray<Indexed>): index is ReadonlyArray<Indexed> => Array.isArray(index)

/** The statement that makes an index, and its name, which is another one for every other index. */
export interface IndexStatement {
  readonly name: string
  readonly sql: string
  /** Statements to run after it, for databases that would not estimate well without. */
  readonly statistics: ReadonlyArray<string>
}

/**
 * The statement for an index on one collection of a table; `undefined` if the collection's name cannot stand in SQL. The index
 * holds the rows of that collection alone, so that others, whatever is in them, neither pay for it nor break on it. The source
 * of a query has to name the collection by the same literal for the index to be used, and the table wants an ANALYZE afterwards.
 */
export const indexStatement = (
  dialect: Dialect,
  table: string,
  collection: string,
  index: Index
): IndexStatement | undefined => {
  const literal = dialect.literal(collection)
  if (literal === undefined) return undefined
  const expressions = index.map(({ kind, path }) => dialect.scalar("state", path, kind))
  // The collection comes first although all rows have the same: planners without statistics would else take the primary key for
  // the better index.
  const statistics = expressions.map((expression) => dialect.statistics(table, expression))
  return {
    ...on(table, ["collection", ...expressions.map(dialect.indexed), "key"], literal),
    statistics: statistics.filter((statement) => statement !== undefined)
  }
}

/** The same for an index that holds all there is of a row but its state: what is listed by it reads no states, however large they are. */
export const listingStatement = (dialect: Dialect, table: string, collection: string): IndexStatement | undefined => {
  const literal = dialect.literal(collection)
  if (literal === undefined) return undefined
  return { ...on(table, ["collection", "key", "revision", "saved_at"], literal), statistics: [] }
}

const on = (table: string, columns: ReadonlyArray<string>, collection: string) => {
  const rows = `${table} (${columns.join(", ")}) WHERE collection = ${collection}`
  const name = `dgents_query_${createHash("sha256").update(rows).digest("hex").slice(0, 16)}`
  return { name, sql: `CREATE INDEX IF NOT EXISTS ${name} ON ${rows}` }
}
