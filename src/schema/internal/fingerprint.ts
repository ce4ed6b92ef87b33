import { createHash } from "node:crypto"
import { SchemaAST } from "effect"

/**
 * 16 hex digits over the shape of what is stored: the same in every process and for every version of Effect. Names,
 * descriptions, checks and the order of fields are no part of the shape.
 */
export const fingerprint = (codec: SchemaAST.AST): string =>
  createHash("sha256")
    .update(shape(SchemaAST.toEncoded(codec)))
    .digest("hex")
    .slice(0, 16)

// A schema may make new nodes without end; what is above these limits tells it apart.
const maxNodes = 10_000
const maxDepth = 200

const shape = (root: SchemaAST.AST): string => {
  let nodes = 0
  const above: Array<SchemaAST.AST> = []

  const visit = (node: SchemaAST.AST): string => {
    // A schema that refers to itself is written as the number of steps back.
    const back = above.lastIndexOf(node)
    if (back >= 0) return `^${above.length - back}`
    if (++nodes > maxNodes || above.length > maxDepth) return "..."
    above.push(node)
    const text = write(node)
    above.pop()
    return text
  }

  const element = (node: SchemaAST.AST) => `${node.context?.isOptional === true ? "?" : ""}${visit(node)}`

  const write = (node: SchemaAST.AST): string => {
    switch (node._tag) {
      case "Suspend":
        return visit(node.thunk())
      case "Literal":
        return `${typeof node.literal} ${JSON.stringify(String(node.literal))}`
      case "Enum":
        return JSON.stringify(node.enums.map(([, value]) => value))
      case "TemplateLiteral":
        return `\`${node.parts.map(visit).join()}\``
      case "Union":
        return `(${node.types.map(visit).join("|")})`
      case "Arrays":
        return `[${node.elements.map(element).join()};${node.rest.map(visit).join()}]`
      case "Objects": {
        const fields = node.propertySignatures.map(
          ({ name, type }) => `${JSON.stringify(String(name))}:${element(type)}`
        )
        const records = node.indexSignatures.map(({ parameter, type }) => `[${visit(parameter)}]:${visit(type)}`)
        return `{${[...fields.sort(), ...records].join()}}`
      }
      default:
        return node._tag
    }
  }

  return visit(root)
}
