import { Effect, Exit, Schema, SchemaAST } from "effect"
import { type Codec, type CodecError, json } from "../../schema/Codec.ts"
import { isAmbiguous, some } from "../../schema/internal/ambiguity.ts"
import { mayEscapeKeys, parseEscapedKeys } from "../../schema/internal/parseJson.ts"
import type { Kind } from "./ir.ts"

/** A field of a schema, with how it is stored and how it is read. */
export interface SchemaField {
  readonly path: ReadonlyArray<string>
  readonly kind: Kind
  /** Whether a state that fits the schema may be without a value here. */
  readonly mayBeMissing: boolean
  /** Whether a property above it may be null, undefined or absent. */
  readonly isBelowOptional: boolean
  /** What stands in the way of selecting it. */
  readonly unreadable: string | undefined
  /** What stands in the way of asking whether it is missing. */
  readonly opaque: string | undefined
  /** Reads it inside a property `v` of an object, so that what an absent property means is the schema's business. */
  readonly codec: Codec<{ readonly v?: unknown }>
}

/** Why a path names no field. */
export interface NoField {
  readonly reason: string
}

/** The fields of one codec's schema. */
export class SchemaFields {
  readonly parse: (text: string) => unknown
  readonly #root: SchemaAST.AST
  readonly #known = new Map<string, SchemaField | NoField>()

  private constructor(codec: Codec<never>) {
    this.#root = codec.schema.ast
    this.parse = mayEscapeKeys(Schema.toCodecJson(codec.schema).ast) ? parseEscapedKeys : JSON.parse
  }

  /** Analysed once for a codec. */
  static of<S>(codec: Codec<S>): SchemaFields {
    const known = made.get(codec)
    if (known !== undefined) return known
    // Sound: nothing here encodes or decodes a state; the schema's structure is all that is used.
    const fields = new SchemaFields(codec as unknown as Codec<never>)
    made.set(codec, fields)
    return fields
  }

  /** The field at a path of at least one property. */
  at(path: ReadonlyArray<string>): SchemaField | NoField {
    const name = JSON.stringify(path)
    const known = this.#known.get(name)
    if (known !== undefined) return known
    const found = resolve(this.#root, path)
    this.#known.set(name, found)
    return found
  }
}

const made = new WeakMap<object, SchemaFields>()

const resolve = (root: SchemaAST.AST, path: ReadonlyArray<string>): SchemaField | NoField => {
  let nodes: ReadonlyArray<SchemaAST.AST> = [root]
  let isBelowOptional = false
  for (const [depth, name] of path.entries()) {
    const members = nodes.flatMap((node) => flatten(node))
    if (depth > 0) isBelowOptional ||= nodes.some(isOptional) || members.some(isNothing)
    const above = path.slice(0, depth).join(".")
    const step = properties(
      members.filter((member) => !isNothing(member)),
      name,
      above === "" ? "the state" : JSON.stringify(above)
    )
    if ("reason" in step) return step
    nodes = step.types
  }
  return field(path, nodes, isBelowOptional)
}

const isOptional = (node: SchemaAST.AST): boolean => node.context?.isOptional === true

const isNothing = (node: SchemaAST.AST): boolean =>
  node.encoding === undefined && (node._tag === "Null" || node._tag === "Undefined" || node._tag === "Void")

/** The members of a union, of those in it, and of what refers to one; anything else is its own member. */
const flatten = (node: SchemaAST.AST, depth = 0): ReadonlyArray<SchemaAST.AST> => {
  if (node.encoding !== undefined || depth > 32) return [node]
  if (node._tag === "Union") return node.types.flatMap((type) => flatten(type, depth + 1))
  return node._tag === "Suspend" ? flatten(node.thunk(), depth + 1) : [node]
}

/** The struct behind a Schema class, which is stored as its fields. */
const struct = (node: SchemaAST.AST): SchemaAST.AST => {
  const link = node.encoding?.[0]
  return node._tag === "Declaration" &&
    node.annotations?.["~constructor"] !== undefined &&
    node.encoding?.length === 1 &&
    link !== undefined
    ? struct(link.to)
    : node
}

const properties = (
  members: ReadonlyArray<SchemaAST.AST>,
  name: string,
  above: string
): { readonly types: ReadonlyArray<SchemaAST.AST> } | NoField => {
  const types = new Set<SchemaAST.AST>()
  for (const member of members) {
    const node = struct(member)
    if (node.encoding !== undefined)
      return {
        reason: `${above} is stored in another form than it has (a transformation), so its fields cannot be queried; select it whole`
      }
    if (node._tag !== "Objects") return { reason: `${above} is not a struct, so it has no fields; select it whole` }
    if (node.indexSignatures.length > 0)
      return { reason: `${above} is a record, so its keys are no fields; select it whole` }
    const found = node.propertySignatures.find((property) => property.name === name)
    if (found === undefined) {
      const names = node.propertySignatures.map((property) => JSON.stringify(String(property.name))).join(", ")
      return { reason: `the schema has no such field; ${above} has ${names === "" ? "none" : names}` }
    }
    // SQLite takes the name up to its NUL for the whole, so that it could not tell such a field from its neighbour.
    if (node.propertySignatures.some((property) => String(property.name).includes("\0")))
      return { reason: `${above} has a property with a NUL in its name; select it whole` }
    types.add(found.type)
  }
  return types.size === 0 ? { reason: `${above} is never there` } : { types: [...types] }
}

const field = (
  path: ReadonlyArray<string>,
  nodes: ReadonlyArray<SchemaAST.AST>,
  isBelowOptional: boolean
): SchemaField => {
  const members = nodes.flatMap((node) => flatten(node))
  const kinds = new Set(members.filter((member) => !isNothing(member)).map(kindOf))
  const [only] = kinds
  const kind = kinds.size === 1 && only !== undefined ? only : "json"
  const isTransformed = members.some((member) => member.encoding !== undefined && struct(member) === member)
  const schema = Schema.make<Schema.Codec<{ readonly v?: unknown }>>(
    new SchemaAST.Objects([new SchemaAST.PropertySignature("v", union(nodes))], [])
  )
  const stored = Schema.toCodecJson(schema).ast
  return {
    path,
    kind,
    mayBeMissing: isBelowOptional || nodes.some(isOptional) || members.some(isNothing) || isTransformed,
    isBelowOptional,
    unreadable:
      isTransformed && isBelowOptional
        ? "it has a transformation and lies below something optional, so what its absence means is not known; select what is above it"
        : nodes.length > 1 && some(stored, isAmbiguous)
          ? "the members of the union store it in forms that cannot be told apart; select the whole union"
          : undefined,
    opaque: isTransformed
      ? "it is stored in another form than it has (a transformation); filter what you select"
      : undefined,
    codec: json(schema)
  }
}

const union = (nodes: ReadonlyArray<SchemaAST.AST>): SchemaAST.AST => {
  const [first] = nodes
  if (nodes.length === 1 && first !== undefined) return first
  const whole = Schema.Union(nodes.map((node) => Schema.make(node)))
  return nodes.some(isOptional) ? Schema.optionalKey(whole).ast : whole.ast
}

const dateLink = Schema.toCodecJson(Schema.Date).ast.encoding?.[0]?.transformation

const kindOf = (node: SchemaAST.AST): Kind => {
  if (node.encoding !== undefined) return "json"
  switch (node._tag) {
    case "String":
    case "TemplateLiteral":
      return "string"
    case "Number":
      return "number"
    case "Boolean":
      return "boolean"
    case "BigInt":
      return "bigint"
    case "Literal": {
      const type = typeof node.literal
      return type === "string" || type === "number" || type === "boolean" || type === "bigint" ? type : "json"
    }
    case "Enum":
      return node.enums.every(([, value]) => typeof value === "string")
        ? "string"
        : node.enums.every(([, value]) => typeof value === "number")
          ? "number"
          : "json"
    case "Declaration": {
      const [link, ...more] = Schema.toCodecJson(Schema.make(node)).ast.encoding ?? []
      return dateLink !== undefined && link?.transformation === dateLink && more.length === 0 ? "date" : "json"
    }
    default:
      return "json"
  }
}

/** The value of a field from its JSON text, or from its absence. */
export const read = (field: SchemaField, text: string | undefined): Exit.Exit<unknown, CodecError> => {
  if (text === undefined && field.isBelowOptional) return Exit.succeed(undefined)
  const decoded = field.codec.decode(text === undefined ? "{}" : `{"v":${text}}`)
  // A JSON codec runs at once.
  return Exit.map(Effect.runSyncExit(decoded), ({ v }) => v)
}
