/** Conditions on the fields of an item, in the language of `Query`: looked up in memory, or where the items are stored. */
import { Effect, type Exit } from "effect"
import type { Codec } from "../../schema/Codec.ts"
import type { Family } from "../Family.ts"
import * as Compile from "../query/compile.ts"
import * as Condition from "../query/condition.ts"
import type { Predicate } from "../query/expressions.ts"
import { type Fields, fields } from "../query/Field.ts"
import * as Ir from "../query/ir.ts"
import { matches } from "../query/memory.ts"
import * as Run from "../query/run.ts"
import type { ReadError } from "../StateError.ts"
import type { Stored } from "./Stored.ts"
import { QueryInvalid } from "./VectorError.ts"

/** A condition whose fields are those of the item's schema. */
export const compile = <A>(
  agent: string,
  codec: Codec<A>,
  where: (item: Fields<A>) => Predicate
): Effect.Effect<Ir.Condition, QueryInvalid> => {
  const compiled: Exit.Exit<Ir.Condition, { readonly field: ReadonlyArray<string>; readonly reason: string }> =
    Compile.attempt({ name: agent, codec }, (resolver) =>
      Condition.condition(resolver, where(fields<A>(resolver.root)))
    )
  return Effect.mapError(compiled, ({ field, reason }) => {
    const at = field.length === 0 ? "" : ` at the field ${JSON.stringify(field.join("."))}`
    return new QueryInvalid({ agent, reason: `its where is wrong${at}: ${reason}` })
  })
}

const rows = (where: Ir.Condition, columns: ReadonlyArray<Ir.Column>): Ir.RowsPlan => ({
  _tag: "Rows",
  over: "current",
  where,
  offset: 0,
  orderBy: [],
  columns
})

/** Whether an item in memory fits. A field that can be compared is in an item what it is in storage, by name and by value. */
export const test = <A>(condition: Ir.Condition): ((item: A) => boolean) => {
  const plan = rows(condition, [])
  return (item) => matches(plan, { key: "", revision: 0, savedAt: 0, payload: "", tree: item })
}

/**
 * The keys of the entries whose items fit: one query where the store runs queries, and else one read of everything. An entry that is
 * no item fits as an item without any field would.
 */
export const keys = <A>(
  family: Family<Stored<A>>,
  condition: Ir.Condition
): Effect.Effect<ReadonlyArray<string>, ReadError> =>
  Effect.map(Run.cells(family, rows(inItem(condition), [Ir.key])), (found) => found.map(([key]) => String(key)))

/** The same condition on an entry that holds the item. */
const inItem = (condition: Ir.Condition): Ir.Condition => {
  switch (condition._tag) {
    case "And":
    case "Or":
      return { ...condition, of: condition.of.map(inItem) }
    case "Not":
      return { ...condition, of: inItem(condition.of) }
    default: {
      const { operand } = condition
      return operand._tag === "Path"
        ? { ...condition, operand: { ...operand, path: ["item", ...operand.path] } }
        : condition
    }
  }
}
