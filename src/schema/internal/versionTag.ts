/**
 * How JSON text tells its version: as a property of the state where that is a struct, `{"$version":2,"name":"Ada"}`, so that
 * people and SQL find the fields where they were; and beside it where it is anything else, `{"$version":2,"$state":[1,2]}`.
 */
import { SchemaAST } from "effect"
import { parseEscapedKeys } from "./parseJson.ts"
import { stringifyMinusZero } from "./stringify.ts"

/** What a payload says: a version, or that it has none; with the text of the state alone. */
export interface Tagged {
  readonly version: number | undefined
  /** Given which form its version has. */
  readonly state: (isFlat: boolean) => string
}

const stateName = "$state"

/** The text with its version. */
export const write = (tag: string, version: number, isFlat: boolean, text: string): string => {
  const head = `{${JSON.stringify(tag)}:${version}`
  if (!isFlat) return `${head},${JSON.stringify(stateName)}:${text}}`
  return text === "{}" ? `${head}}` : `${head},${text.slice(1)}`
}

/** What a text says. Throws a SyntaxError for one that is not JSON, or whose version is none. */
export const read = (tag: string, text: string): Tagged => {
  if (!text.includes(JSON.stringify(tag))) return { version: undefined, state: () => text }
  return asWritten(tag, text) ?? parsed(tag, text)
}

const versionAt = /(\d{1,15})([,}])/y

/** Read without parsing, where it is as `write` made it. */
const asWritten = (tag: string, text: string): Tagged | undefined => {
  const head = `{${JSON.stringify(tag)}:`
  if (!text.startsWith(head)) return undefined
  versionAt.lastIndex = head.length
  const [found, version, next] = versionAt.exec(text) ?? []
  if (found === undefined) return undefined
  const rest = head.length + found.length
  const wrapped = `${JSON.stringify(stateName)}:`
  return {
    version: Number(version),
    state: (isFlat) => {
      if (isFlat) return next === "}" && rest === text.length ? "{}" : `{${text.slice(rest)}`
      return text.startsWith(wrapped, rest) && text.endsWith("}")
        ? text.slice(rest + wrapped.length, -1)
        : parsed(tag, text).state(false)
    }
  }
}

/** Read as JSON: somebody may have laid it out anew. */
const parsed = (tag: string, text: string): Tagged => {
  const tree = parseEscapedKeys(text)
  if (typeof tree !== "object" || tree === null || !Object.hasOwn(tree, tag))
    return { version: undefined, state: () => text }
  const { [tag]: version, ...rest }: Record<string, unknown> = { ...tree }
  if (typeof version !== "number" || !Number.isSafeInteger(version) || version < 1)
    throw new SyntaxError("it says a version that is none")
  return {
    version,
    state: (isFlat) => {
      if (isFlat) return stringifyMinusZero(rest, 0)
      const names = Object.keys(rest)
      if (names.length !== 1 || names[0] !== stateName) throw new SyntaxError("its state is not beside its version")
      return stringifyMinusZero(rest[stateName], 0)
    }
  }
}

const members = (node: SchemaAST.AST, depth = 0): ReadonlyArray<SchemaAST.AST> => {
  if (depth > 32) return [SchemaAST.unknown]
  if (node._tag === "Union") return node.types.flatMap((type) => members(type, depth + 1))
  return node._tag === "Suspend" ? members(node.thunk(), depth + 1) : [node]
}

const closed: ReadonlySet<SchemaAST.AST["_tag"]> = new Set([
  "String",
  "Number",
  "Boolean",
  "Null",
  "Literal",
  "Enum",
  "TemplateLiteral",
  "Arrays"
])

const isStruct = (node: SchemaAST.AST): node is SchemaAST.Objects =>
  // A struct without fields takes anything at all.
  node._tag === "Objects" && node.indexSignatures.length === 0 && node.propertySignatures.length > 0

const lacks = (node: SchemaAST.AST, name: string): boolean =>
  isStruct(node) ? node.propertySignatures.every((property) => property.name !== name) : closed.has(node._tag)

/** Whether no state of a JSON codec is an object with such a property of its own. */
export const isFree = (codec: SchemaAST.AST, name: string): boolean =>
  members(SchemaAST.toEncoded(codec)).every((node) => lacks(node, name))

/** Whether all states of a JSON codec are objects that the version can be a property of. */
export const isFlat = (codec: SchemaAST.AST, tag: string): boolean =>
  members(SchemaAST.toEncoded(codec)).every((node) => isStruct(node) && lacks(node, tag))
