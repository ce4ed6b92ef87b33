import { Schema, type SchemaAST } from "effect"
import { literalOf } from "../../schema/internal/ambiguity.ts"

/** How the kinds of events of a schema are told apart. */
export interface Tags<in E> {
  /** The kind of an event. */
  readonly of: (event: E) => string
  /** All kinds there are; `undefined` where the schema does not tell. */
  readonly known: ReadonlySet<string> | undefined
}

/** The kind of events that are not told apart. */
const anyEvent = "Event"

/** Finds a property that holds a text known beforehand in each member of the schema, `_tag` first. */
export const tagsOf = <E>(schema: Schema.Codec<E, unknown>): Tags<E> => {
  const encoded = members(Schema.toEncoded(schema).ast)
  const names = encoded[0]?._tag === "Objects" ? encoded[0].propertySignatures.map(({ name }) => name) : []
  for (const name of names.includes("_tag") ? ["_tag", ...names] : names) {
    const literals = encoded.map((member) => (member._tag === "Objects" ? literalOf(member, name) : undefined))
    const texts = literals.filter((literal) => typeof literal === "string")
    if (texts.length === encoded.length)
      return { of: (event) => textIn(event, name) ?? anyEvent, known: new Set(texts) }
  }
  return { of: (event) => textIn(event, "_tag") ?? anyEvent, known: undefined }
}

const members = (ast: SchemaAST.AST): ReadonlyArray<SchemaAST.AST> =>
  ast._tag === "Union" ? ast.types.flatMap(members) : ast._tag === "Suspend" ? members(ast.thunk()) : [ast]

const textIn = (event: unknown, name: PropertyKey): string | undefined => {
  if (typeof event !== "object" || event === null) return undefined
  const value: unknown = Reflect.get(event, name)
  return typeof value === "string" ? value : undefined
}
