import type { Predicate } from "./expressions.ts"
import { refOf } from "./Field.ts"
import type { Condition, Kind, Scalar } from "./ir.ts"
import { pathOf, type Resolver } from "./resolve.ts"

// What SQLite takes: an expression of 1000 levels, 32 766 parameters.
const maxLevels = 100
const maxConditions = 10_000

export const nothing: Condition = { _tag: "Or", of: [] }

/** A predicate with its fields resolved and its values as they are stored. Throws `QueryInvalid`. */
export const condition = (resolver: Resolver, predicate: Predicate): Condition => {
  let conditions = 0

  const visit = (predicate: Predicate, level: number): Condition => {
    if (level > maxLevels)
      return resolver.refuse(`its predicate is nested more than ${maxLevels} levels deep; write it flatter`)
    if (++conditions > maxConditions)
      return resolver.refuse(
        `its predicate has more than ${maxConditions} parts; use oneOf for many values of one field`
      )
    switch (predicate?._tag) {
      case "And":
      case "Or":
        return join(
          predicate._tag,
          predicate.of.map((part) => visit(part, level + 1))
        )
      case "Not":
        return negate(visit(predicate.of, level + 1))
      case "Missing":
        return { _tag: "Missing", operand: resolver.present(predicate.field) }
      case "Compare": {
        const { field, op } = predicate
        const { operand } = resolver.scalar(field, op === "eq" ? "equality" : "order")
        const value = scalar(resolver, field, operand.kind, predicate.value)
        return value === undefined ? nothing : { _tag: "Compare", op, operand, value }
      }
      case "OneOf": {
        const { field } = predicate
        const { operand } = resolver.scalar(field, "equality")
        const values = new Set<Scalar>()
        for (const value of predicate.values) {
          const one = scalar(resolver, field, operand.kind, value)
          if (one !== undefined) values.add(one)
        }
        return values.size === 0 ? nothing : { _tag: "OneOf", operand, values: [...values] }
      }
      case "StartsWith":
      case "Contains": {
        const { field, text } = predicate
        const { operand } = resolver.of(field, "string")
        if (typeof text !== "string")
          return resolver.refuse("the text to look for is not a string", pathOf(refOf(field)))
        return { _tag: predicate._tag, operand, text }
      }
      default:
        return resolver.refuse("a predicate was expected; make one by eq, lt, and, not and the like")
    }
  }

  return visit(predicate, 0)
}

const join = (tag: "And" | "Or", parts: ReadonlyArray<Condition>): Condition => {
  const of = parts.flatMap((part) => (part._tag === tag ? part.of : [part]))
  const [first] = of
  return of.length === 1 && first !== undefined ? first : { _tag: tag, of }
}

const negate = (of: Condition): Condition => (of._tag === "Not" ? of.of : { _tag: "Not", of })

/** A value as it is stored; `undefined` where it counts as missing, so that nothing compares with it. */
const scalar = (
  resolver: Resolver,
  field: Parameters<typeof refOf>[0],
  kind: Kind,
  value: unknown
): Scalar | undefined => {
  switch (kind) {
    case "string":
      if (typeof value === "string") return value
      break
    case "number":
      // -0 is 0, and NaN is missing.
      if (typeof value === "number") return Number.isNaN(value) ? undefined : value + 0
      break
    case "boolean":
      if (typeof value === "boolean") return value
      break
    case "bigint":
      if (typeof value === "bigint") return String(value)
      break
    case "date":
      if (value instanceof Date) return isoDate(value)
      break
  }
  const path = pathOf(refOf(field))
  if (value === null || value === undefined)
    return resolver.refuse("nothing compares with null or undefined; use isMissing", path)
  return resolver.refuse(`it is compared with a ${typeof value}, and it is a ${kind === "date" ? "Date" : kind}`, path)
}

/** A date as it is stored; `undefined` for one that has no order. */
export const isoDate = (date: Date): string | undefined => {
  const text = Number.isNaN(date.getTime()) ? undefined : date.toISOString()
  return text !== undefined && isOrderedDate(text) ? text : undefined
}

/** Whether a stored date is of the years 0000 to 9999, whose texts are in the order of time. */
export const isOrderedDate = (text: string): boolean => text >= "0" && text < ":"
