import type { SchemaAST } from "effect"

/**
 * Whether nothing in a schema is stored as something else, so that a valid JSON tree is the state that it stands for. Not told of a
 * schema that refers to itself: it may have no end.
 */
export const isStoredAsIs = (ast: SchemaAST.AST): boolean => {
  const seen = new Set<SchemaAST.AST>()

  const visit = (node: SchemaAST.AST): boolean => {
    if (seen.has(node)) return true
    seen.add(node)
    if (node.encoding !== undefined) return false
    switch (node._tag) {
      case "Null":
      case "String":
      case "Number":
      case "Boolean":
      case "Literal":
        return true
      case "Union":
        return node.encodingChecks === undefined && node.types.every(visit)
      case "Arrays":
        return node.encodingChecks === undefined && node.elements.every(visit) && node.rest.every(visit)
      case "Objects":
        return (
          node.encodingChecks === undefined &&
          node.propertySignatures.every(({ type }) => visit(type)) &&
          node.indexSignatures.every(({ parameter, type }) => visit(parameter) && visit(type))
        )
      default:
        return false
    }
  }

  return visit(ast)
}
