import { SchemaAST } from "effect"

/**
 * Whether some state may come back changed, so that each one is to be checked by a round trip: two members of a union may
 * be stored alike (`undefined` and `null`, NaN and "NaN", a Date and its text), or a transformation may lose something.
 * A `true` too many costs time, a `false` too many would change a state without a word.
 */
export const mayChange = (schema: SchemaAST.AST, jsonCodec: SchemaAST.AST): boolean =>
  some(schema, isLossy) || some(jsonCodec, isAmbiguous)

const isIdentity = (codec: SchemaAST.AST): boolean => !some(codec, isTransformed)

// Past this many distinct nodes a schema is taken for one that makes new nodes without end.
const maxNodes = 4_000

/** Whether some node that a schema is made of is such a one. */
export const some = (root: SchemaAST.AST, is: (node: SchemaAST.AST) => boolean): boolean => {
  const seen = new Set([root])
  for (const node of seen) {
    if (seen.size > maxNodes || is(node)) return true
    for (const child of children(node)) seen.add(child)
  }
  return false
}

const children = (node: SchemaAST.AST): ReadonlyArray<SchemaAST.AST> => {
  const links = node.encoding?.map((link) => link.to) ?? []
  switch (node._tag) {
    case "Suspend":
      return [...links, node.thunk()]
    case "Union":
      return [...links, ...node.types]
    case "Objects":
      return [
        ...links,
        ...node.propertySignatures.map((property) => property.type),
        ...node.indexSignatures.flatMap((index) => [index.parameter, index.type])
      ]
    case "Arrays":
      return [...links, ...node.elements, ...node.rest]
    case "Declaration":
      return [...links, ...node.typeParameters]
    default:
      return links
  }
}

const isTransformed = (node: SchemaAST.AST) => node.encoding !== undefined

// A transformation that the user wrote may lose something; the one of a Schema class takes its fields and gives them
// back. Void takes any value at all, and ObjectKeyword takes a Date or a Map for an object without properties.
const isLossy = (node: SchemaAST.AST): boolean =>
  node._tag === "Void" ||
  node._tag === "ObjectKeyword" ||
  (isTransformed(node) && !(node.encoding?.length === 1 && node.annotations?.["~constructor"] !== undefined))

/** Whether a union in a JSON codec may store a value of one member as it stores another value of another member. */
export const isAmbiguous = (node: SchemaAST.AST): boolean => {
  if (node._tag !== "Union") return false
  const members = node.types.map((type) => ({ stored: storedAs(type), identity: isIdentity(type) }))
  return members.some((a, i) =>
    // Members that are stored as they are were told apart by the values, and are so again.
    members
      .slice(i + 1)
      .some((b) => !(a.identity && b.identity) && a.stored.some((x) => b.stored.some((y) => overlap(x, y))))
  )
}

const storedAs = (node: SchemaAST.AST, depth = 0): ReadonlyArray<SchemaAST.AST> => {
  const link = node.encoding?.at(-1)
  // A union that refers to itself may be stored as anything.
  if (depth > 32) return [SchemaAST.unknown]
  if (link !== undefined) return storedAs(link.to, depth + 1)
  if (node._tag === "Union") return node.types.flatMap((type) => storedAs(type, depth + 1))
  if (node._tag === "Suspend") return storedAs(node.thunk(), depth + 1)
  return [node]
}

const overlap = (a: SchemaAST.AST, b: SchemaAST.AST): boolean => {
  const kind = kindOf(a)
  const other = kindOf(b)
  if (kind === "any" || other === "any") return true
  if (kind !== other) return false
  if (a._tag === "Literal" && b._tag === "Literal") return a.literal === b.literal
  if (a._tag !== "Objects" || b._tag !== "Objects") return true
  return !a.propertySignatures.some(({ name }) => {
    const literal = literalOf(a, name)
    const another = literalOf(b, name)
    return literal !== undefined && another !== undefined && literal !== another
  })
}

const kindOf = (node: SchemaAST.AST): string => {
  switch (node._tag) {
    case "Null":
      return "null"
    case "Boolean":
      return "boolean"
    case "Number":
      return "number"
    case "String":
    case "TemplateLiteral":
      return "string"
    case "Literal":
      return typeof node.literal
    case "Arrays":
      return "array"
    case "Objects":
      // A struct without fields takes anything at all.
      return node.propertySignatures.length + node.indexSignatures.length === 0 ? "any" : "object"
    default:
      return "any"
  }
}

/** The literal that a required property holds. */
export const literalOf = (node: SchemaAST.Objects, name: PropertyKey): SchemaAST.LiteralValue | undefined => {
  const type = node.propertySignatures.find((property) => property.name === name)?.type
  return type?._tag === "Literal" && type.encoding === undefined && type.context?.isOptional !== true
    ? type.literal
    : undefined
}
