import { Schema, SchemaAST } from "effect"
import { isAmbiguous } from "./ambiguity.ts"

// `toCodecJson` encodes a Number as a finite number or one of three names ("NaN", ...), and an Unknown as checked JSON.
const ofNumber = Schema.toCodecJson(Schema.Number).ast.encoding?.[0]
const ofUnknown = Schema.toCodecJson(Schema.Unknown).ast.encoding?.[0]

/** The encoding of a Number or an Unknown that `toCodecJson` made, and no other one. */
const isJsonLink = (node: SchemaAST.AST): boolean => {
  const [link, ...more] = node.encoding ?? []
  if (link === undefined || more.length > 0) return false
  if (node._tag === "Number") return link.transformation === ofNumber?.transformation
  return (
    node._tag === "Unknown" &&
    link.transformation === ofUnknown?.transformation &&
    link.to._tag === "Declaration" &&
    ofUnknown.to._tag === "Declaration" &&
    link.to.run === ofUnknown.to.run
  )
}

// Where one member, made narrower, refuses a value, no other member may take it in its stead.
const isTellingApart = (node: SchemaAST.Union): boolean =>
  !isAmbiguous(node) &&
  node.types.every((type) => type.encoding === undefined || type._tag === "Undefined" || isJsonLink(type))

/**
 * A JSON codec's AST for the usual values alone, which compiles to much faster code: a Number is itself and not also the
 * names of NaN and the infinities, an Unknown is not searched for what is no JSON, and an optional field is there or
 * not, but no explicit `undefined`. What it parses, the codec parses alike, as long as each number in it is finite and
 * each Unknown is JSON, which `keepsAll` tells.
 */
export const plainCodec = (ast: SchemaAST.AST): SchemaAST.AST => {
  const done = new Map<SchemaAST.AST, SchemaAST.AST>()

  const visit = (node: SchemaAST.AST): SchemaAST.AST => {
    const known = done.get(node)
    if (known !== undefined) return known
    const made = rewrite(node)
    done.set(node, made)
    return made
  }

  const rewrite = (node: SchemaAST.AST): SchemaAST.AST => {
    const { annotations, checks, context } = node
    if (node.encoding !== undefined && !isJsonLink(node)) return node
    switch (node._tag) {
      case "Number":
        return new SchemaAST.Number(annotations, checks, undefined, context)
      case "Unknown":
        return new SchemaAST.Unknown(annotations, checks, undefined, context)
      case "Suspend":
        return new SchemaAST.Suspend(() => visit(node.thunk()), annotations, checks, undefined, context)
      case "Union": {
        if (!isTellingApart(node)) return node
        // The members before the last one win over it, so that nothing else changes when it goes.
        const last = node.types.at(-1)
        const kept = last?._tag === "Undefined" && node.options?.mode !== "oneOf" ? node.types.slice(0, -1) : node.types
        const types = kept.map(visit)
        return new SchemaAST.Union(types, node.options, annotations, checks, undefined, context, node.encodingChecks)
      }
      case "Arrays":
        return new SchemaAST.Arrays(
          node.isMutable,
          node.elements.map(visit),
          node.rest.map(visit),
          annotations,
          checks,
          undefined,
          context,
          node.encodingChecks
        )
      case "Objects":
        return new SchemaAST.Objects(
          node.propertySignatures.map(({ name, type }) => new SchemaAST.PropertySignature(name, visit(type))),
          node.indexSignatures.map(({ parameter, type }) => new SchemaAST.IndexSignature(parameter, visit(type))),
          annotations,
          checks,
          undefined,
          context,
          node.encodingChecks
        )
      default:
        return node
    }
  }

  return visit(ast)
}
