import type { SchemaAST } from "effect"

/** Whether some place in the schema admits both `undefined` and something stored as `null`: JSON has only one of them. */
export const mayConfuseUndefinedWithNull = (ast: SchemaAST.AST): boolean => {
  const seen = new Set<SchemaAST.AST>()
  const visit = (node: SchemaAST.AST): boolean => {
    if (seen.has(node)) return false
    seen.add(node)
    if (node.encoding?.some((link) => visit(link.to))) return true
    switch (node._tag) {
      case "Suspend":
        return visit(node.thunk())
      case "Union":
        return (admits(node, isUndefined) && admits(node, isStoredAsNull)) || node.types.some(visit)
      case "Objects":
        return (
          node.propertySignatures.some((property) => visit(property.type)) ||
          node.indexSignatures.some((index) => visit(index.type))
        )
      case "Arrays":
        return node.elements.some(visit) || node.rest.some(visit)
      case "Declaration":
        return node.typeParameters.some(visit)
      default:
        return false
    }
  }
  return visit(ast)
}

const isUndefined = (node: SchemaAST.AST) => node._tag === "Undefined" || node._tag === "Void"

const isStoredAsNull = (node: SchemaAST.AST) =>
  node._tag === "Null" || node._tag === "Unknown" || node._tag === "Any" || node._tag === "ObjectKeyword"

const admits = (node: SchemaAST.AST, is: (node: SchemaAST.AST) => boolean, depth = 0): boolean => {
  if (is(node)) return true
  // A self-referring union is taken to admit everything: the check is then a round trip too many, not one too few.
  if (depth > 32) return true
  if (node.encoding?.some((link) => admits(link.to, is, depth + 1)) === true) return true
  if (node._tag === "Union") return node.types.some((type) => admits(type, is, depth + 1))
  if (node._tag === "Suspend") return admits(node.thunk(), is, depth + 1)
  return false
}
