import { type Optic, Predicate, Schema, type SchemaAST } from "effect"
import type { Codec } from "../../schema/Codec.ts"
import { pathOf } from "./optic.ts"

/** Where a number is in the stored form of a state, and what a sum has to be to fit there. */
export interface NumberAt {
  readonly path: ReadonlyArray<string | number>
  readonly isInteger: boolean
  readonly mayBeMissing: boolean
}

/** Why the server cannot add to it. */
export interface NoNumber {
  readonly path: ReadonlyArray<string>
  readonly reason: string
}

/**
 * The number that an optic leads to. The server sees text and no schema, so what it is to change must be stored as it is, and
 * there must be no check that a sum could fail, on the number or on anything it is a part of.
 */
export const numberAt = <S>(codec: Codec<S>, optic: Optic.Optional<S, number>): NumberAt | NoNumber => {
  const found = pathOf(optic)
  if (found === undefined)
    return {
      path: [],
      reason: "the optic does more than to name a property; use key, optionalKey and at alone, or update the state"
    }
  if (codec.format !== "json")
    return { path: found.steps, reason: `states are stored as ${codec.format}, and the server can read JSON alone` }
  const path: Array<string | number> = []
  let node = part(codec.schema.ast)
  let mayBeMissing = false
  for (const [depth, name] of found.steps.entries()) {
    const step = node === undefined ? undefined : stepInto(node, name)
    if (step === undefined) return { path: found.steps.slice(0, depth + 1), reason: notPlain }
    path.push(step.name)
    mayBeMissing = step.mayBeMissing
    node = depth === found.steps.length - 1 ? present(step.type) : part(step.type)
  }
  if (node?._tag !== "Number" || node.encoding !== undefined) return { path: found.steps, reason: notPlain }
  const checks = (node.checks ?? []).map(idOf)
  if (!checks.every((id) => id === isInt || id === isFinite))
    return { path: found.steps, reason: "its schema has a check that the server cannot make; update the state instead" }
  return { path, isInteger: checks.includes(isInt), mayBeMissing: mayBeMissing && !found.mustExist }
}

const notPlain =
  "the server can add to a number that is stored as it is, in structs, records and arrays without checks; update the state instead"

interface Step {
  readonly name: string | number
  readonly type: SchemaAST.AST
  readonly mayBeMissing: boolean
}

/** The type of a property, and what the property is called in JSON; `undefined` where there is none. */
const stepInto = (node: SchemaAST.AST, name: string): Step | undefined => {
  if (node._tag === "Arrays") {
    const index = /^(0|[1-9]\d*)$/.test(name) ? Number(name) : undefined
    const type = index === undefined ? undefined : (node.elements[index] ?? node.rest[0])
    return type === undefined || index === undefined ? undefined : { name: index, type, mayBeMissing: false }
  }
  if (node._tag !== "Objects") return undefined
  const property = node.propertySignatures.find((property) => property.name === name)
  if (property !== undefined)
    return { name, type: property.type, mayBeMissing: property.type.context?.isOptional === true }
  const [record, ...more] = node.indexSignatures
  return record === undefined || more.length > 0 || !isAnyString(record.parameter)
    ? undefined
    : { name, type: record.type, mayBeMissing: true }
}

const isAnyString = (node: SchemaAST.AST): boolean =>
  node._tag === "String" && node.encoding === undefined && node.checks === undefined

/** What a struct, a record or an array is, if a sum inside it can break no rule of its own. */
const part = (node: SchemaAST.AST): SchemaAST.AST | undefined => {
  const inside = fieldsOf(present(node))
  return inside?.checks === undefined && inside?.encoding === undefined ? inside : undefined
}

/** The struct behind a Schema class, which is stored as its fields. */
const fieldsOf = (node: SchemaAST.AST | undefined): SchemaAST.AST | undefined => {
  const link = node?.encoding?.[0]
  return node?._tag === "Declaration" &&
    node.checks === undefined &&
    node.annotations?.["~constructor"] !== undefined &&
    node.encoding?.length === 1
    ? link?.to
    : node
}

/** Without the undefined or null that it may be instead. */
const present = (node: SchemaAST.AST): SchemaAST.AST | undefined => {
  if (node._tag === "Suspend") return present(node.thunk())
  if (node._tag !== "Union" || node.encoding !== undefined || node.checks !== undefined) return node
  const [only, ...more] = node.types.filter((type) => type._tag !== "Undefined" && type._tag !== "Null")
  return more.length > 0 || only === undefined ? undefined : present(only)
}

/** Which of Effect's own checks a check is. */
const idOf = (check: { readonly annotations: unknown }): unknown => {
  const { annotations } = check
  if (!Predicate.hasProperty(annotations, "representation")) return undefined
  return Predicate.hasProperty(annotations.representation, "id") ? annotations.representation.id : undefined
}

const isInt = idOf(Schema.isInt())
const isFinite = idOf(Schema.isFinite())
