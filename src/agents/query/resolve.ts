import type { Field } from "./Field.ts"
import { type Ref, refOf } from "./Field.ts"
import * as Ir from "./ir.ts"
import { QueryInvalid } from "./QueryInvalid.ts"
import type { SchemaField, SchemaFields } from "./schemaFields.ts"

/** What a field of a row turned out to be. */
export type Resolved =
  | { readonly _tag: "State" }
  | { readonly _tag: "Own"; readonly operand: Ir.Operand }
  | { readonly _tag: "Field"; readonly operand: Ir.Operand; readonly field: SchemaField }

const own = { Key: Ir.key, Revision: Ir.revision, SavedAt: Ir.savedAt } as const

/** Finds out what the fields of one query are. Its methods throw `QueryInvalid`, for `compile` to catch. */
export class Resolver {
  /** What the fields of this query begin at. */
  readonly root: object = {}
  readonly agent: string
  readonly #fields: SchemaFields

  constructor(agent: string, fields: SchemaFields) {
    this.agent = agent
    this.#fields = fields
  }

  refuse(reason: string, field: ReadonlyArray<string> = []): never {
    throw new QueryInvalid({ agent: this.agent, field, reason })
  }

  field(field: Field<unknown>): Resolved {
    const ref = refOf(field)
    if (ref === undefined)
      return this.refuse("a field was expected; take it from the arguments of the function, as in (p) => p.name")
    if (ref._tag === "Column") return this.refuse("names of a group are for its orderBy alone", [ref.name])
    if (ref._tag !== "Property") return { _tag: "Own", operand: own[ref._tag] }
    if (ref.root !== this.root)
      return this.refuse("it belongs to another query; take it from the arguments of the function", ref.path)
    if (ref.path.length === 0) return { _tag: "State" }
    const found = this.#fields.at(ref.path)
    if (!("kind" in found)) return this.refuse(found.reason, ref.path)
    return { _tag: "Field", operand: { _tag: "Path", path: found.path, kind: found.kind }, field: found }
  }

  /** A field that can be looked for. */
  present(field: Field<unknown>): Ir.Operand {
    const resolved = this.field(field)
    if (resolved._tag === "State") return this.refuse("the whole state is never missing; name one of its fields")
    if (resolved._tag === "Field" && resolved.field.opaque !== undefined)
      return this.refuse(resolved.field.opaque, resolved.field.path)
    return resolved.operand
  }

  /** A field that has an order, or at least equality. */
  scalar(field: Field<unknown>, needs: "equality" | "order"): Resolved & { readonly operand: Ir.Operand } {
    const resolved = this.field(field)
    if (resolved._tag === "State") return this.refuse("the whole state cannot be compared; name one of its fields")
    const { kind } = resolved.operand
    const path = pathOf(refOf(field))
    if (kind === "json")
      return this.refuse(
        resolved._tag === "Field" && resolved.field.opaque !== undefined
          ? resolved.field.opaque
          : "it is not a string, number, boolean or Date in every member of its type, so it cannot be compared; select it, or ask whether it is missing",
        path
      )
    if (kind === "bigint" && needs === "order")
      return this.refuse("a bigint is stored as text, so it has no order here; it can be compared for equality", path)
    return resolved
  }

  /** A field of one kind. */
  of(field: Field<unknown>, kind: Ir.Kind): Resolved & { readonly operand: Ir.Operand } {
    const resolved = this.scalar(field, "equality")
    if (resolved.operand.kind !== kind)
      return this.refuse(`a ${kind} was expected, and it is a ${resolved.operand.kind}`, pathOf(refOf(field)))
    return resolved
  }
}

/** What a field is called in errors. */
export const pathOf = (ref: Ref | undefined): ReadonlyArray<string> =>
  ref === undefined
    ? []
    : ref._tag === "Property"
      ? ref.path
      : ref._tag === "Column"
        ? [ref.name]
        : [{ Key: "key", Revision: "revision", SavedAt: "savedAt" }[ref._tag]]
