import type { SchemaAST } from "effect"
import { literalOf } from "./ambiguity.ts"
import { isPlain } from "./foreign.ts"
import { structCheck } from "./generated.ts"
import { storable } from "./storable.ts"

/** Which way a value was parsed: a state to a JSON tree, a tree to a state, or a state checked as it is. */
export type Direction = "encode" | "decode" | "validate"

/**
 * Whether parsing `input` to `output` left no property out, no object was of a class of its own, and all numbers are ones that JSON writes as they are. A
 * `false` decides nothing: the exact parser has to say what is wrong, if something is.
 */
export type KeepsAll = (input: unknown, output: unknown) => boolean

/**
 * Compiles, for a schema whose objects have the same keys on both sides, what the parse option `onExcessProperty`
 * checks at twenty times the cost. `undefined` where the schema alone cannot tell which keys an object may have.
 */
export const keepsAll = (ast: SchemaAST.AST, direction: Direction): KeepsAll | undefined => {
  try {
    return new Compiler(direction).compile(ast)
  } catch (thrown) {
    if (thrown === undecided) return undefined
    throw thrown
  }
}

const undecided = Symbol("undecided")

// Past this many distinct nodes a schema is taken for one that makes new nodes without end.
const maxNodes = 4_000

const always: KeepsAll = () => true

const noSymbols = (value: object) => Object.getOwnPropertySymbols(value).length === 0

const isPlainNumber = (value: unknown) => typeof value !== "number" || (Number.isFinite(value) && !Object.is(value, -0))

const plainNumber: KeepsAll = (_input, output) => isPlainNumber(output)

const plainTree: KeepsAll = (_input, output) => storable(output) === "all"

type Properties = Readonly<Record<string, unknown>>

const isObject = (value: unknown): value is Properties => typeof value === "object" && value !== null

class Compiler {
  readonly #direction: Direction
  readonly #checks = new Map<SchemaAST.AST, KeepsAll>()
  readonly #suspended: Array<SchemaAST.AST> = []
  readonly #number: KeepsAll
  readonly #tree: KeepsAll
  readonly #isOurs: (value: object) => boolean

  constructor(direction: Direction) {
    this.#direction = direction
    this.#number = direction === "validate" ? always : plainNumber
    this.#tree = direction === "validate" ? always : plainTree
    // What comes out of JSON.parse has neither symbols nor a class.
    this.#isOurs = direction === "decode" ? () => true : (value) => isPlain(value) && noSymbols(value)
  }

  compile(root: SchemaAST.AST): KeepsAll {
    const check = this.#visit(root)
    for (let next = this.#suspended.pop(); next !== undefined; next = this.#suspended.pop()) this.#visit(next)
    return check
  }

  #visit(node: SchemaAST.AST): KeepsAll {
    const known = this.#checks.get(node)
    if (known !== undefined) return known
    if (this.#checks.size > maxNodes) throw undecided
    const check = this.#leaf(node) ?? this.#composite(node)
    this.#checks.set(node, check)
    return check
  }

  // A leaf has no properties of its own on either side. Only leaves may be transformed.
  #leaf(node: SchemaAST.AST): KeepsAll | undefined {
    const own = this.#untransformed(node)
    if (node.encoding === undefined) return own
    const links = node.encoding.map((link) =>
      link.transformation._tag === "Transformation" ? this.#leaf(link.to) : undefined
    )
    if (own === undefined || links.includes(undefined)) return undefined
    return this.#direction === "encode" ? links.at(-1) : own
  }

  #untransformed(node: SchemaAST.AST): KeepsAll | undefined {
    switch (node._tag) {
      case "Null":
      case "Undefined":
      case "Void":
      case "Never":
      case "String":
      case "Boolean":
      case "BigInt":
      case "Symbol":
      case "UniqueSymbol":
      case "TemplateLiteral":
        return always
      case "Number":
      case "Literal":
      case "Enum":
        return this.#number
      case "Unknown":
      case "Any":
      case "ObjectKeyword":
        return this.#tree
      case "Declaration":
        if (node.typeParameters.length > 0) return undefined
        return this.#direction === "encode" ? plainTree : always
      case "Union":
        return this.#strictest(node.types.map((type) => this.#leaf(type)))
      default:
        return undefined
    }
  }

  #strictest(checks: ReadonlyArray<KeepsAll | undefined>): KeepsAll | undefined {
    if (checks.includes(undefined)) return undefined
    return [plainTree, plainNumber].find((check) => checks.includes(check)) ?? always
  }

  #composite(node: SchemaAST.AST): KeepsAll {
    if (node.encoding !== undefined) throw undecided
    switch (node._tag) {
      case "Suspend":
        return this.#later(node.thunk())
      case "Arrays":
        return this.#array(node)
      case "Objects":
        return node.indexSignatures.length === 0 ? this.#struct(node) : this.#record(node)
      case "Union":
        return this.#union(members(node))
      default:
        throw undecided
    }
  }

  // Compiled when all around it is, so that a schema may refer to itself.
  #later(node: SchemaAST.AST): KeepsAll {
    this.#suspended.push(node)
    let check: KeepsAll | undefined
    return (input, output) => {
      check ??= this.#checks.get(node)
      return check?.(input, output) ?? false
    }
  }

  #array(node: SchemaAST.Arrays): KeepsAll {
    if (node.rest.length > 1) throw undecided
    const elements = node.elements.map((element) => this.#visit(element))
    const rest = node.rest[0] === undefined ? always : this.#visit(node.rest[0])
    if (rest === always && elements.every((check) => check === always)) return always
    return (input, output) => {
      if (!Array.isArray(input) || !Array.isArray(output)) return true
      for (let i = 0; i < output.length; i++) if (!(elements[i] ?? rest)(input[i], output[i])) return false
      return true
    }
  }

  #record(node: SchemaAST.Objects): KeepsAll {
    const [signature, ...more] = node.indexSignatures
    if (signature === undefined || more.length > 0 || node.propertySignatures.length > 0) throw undecided
    const { parameter, type } = signature
    if (parameter._tag !== "String" || parameter.checks !== undefined || parameter.encoding !== undefined)
      throw undecided
    const check = this.#visit(type)
    const isOurs = this.#isOurs
    return (input, output) => {
      if (!isObject(input) || !isObject(output)) return true
      if (!isOurs(input)) return false
      if (check === always) return true
      for (const key of Object.keys(output)) if (!check(input[key], output[key])) return false
      return true
    }
  }

  #struct(node: SchemaAST.Objects): KeepsAll {
    const fields = node.propertySignatures.map(({ name, type }) => ({
      name: String(name),
      check: this.#visit(type),
      isSame: isUntransformed(type)
    }))
    // A struct without fields takes anything at all.
    if (fields.length === 0 || node.propertySignatures.some(({ name }) => typeof name === "symbol")) throw undecided
    // A number that is not transformed is the same on both sides, and is looked at on the way.
    const isOwnNumber = ({ check, isSame }: (typeof fields)[number]) => check === plainNumber && isSame
    const nested = fields.filter((field) => field.check !== always && !isOwnNumber(field))
    const isOurs = this.#isOurs
    const generated = structCheck(
      fields.map((field) => ({
        name: field.name,
        isNumber: isOwnNumber(field),
        check: nested.includes(field) ? field.check : undefined
      })),
      { isPlainNumber, mayBeForeign: this.#direction !== "decode" }
    )
    if (generated !== undefined) return generated
    const names = fields.map((field) => field.name)
    const known = new Set(names)
    const numbers = fields.filter(isOwnNumber)
    return (input, output) => {
      if (!isObject(input) || !isObject(output)) return true
      let next = 0
      // Mostly the keys come in the order of the schema, and then nothing is looked up.
      for (const key in input) if (key !== names[next++] && !known.has(key)) return false
      // By name, since a number that is hidden is stored as well.
      for (const { name } of numbers) if (!isPlainNumber(input[name])) return false
      if (!isOurs(input)) return false
      for (const { check, name } of nested)
        if (Object.hasOwn(output, name) && !check(input[name], output[name])) return false
      return true
    }
  }

  #union(types: ReadonlyArray<SchemaAST.AST>): KeepsAll {
    const composites = types.filter((type) => this.#leaf(type) === undefined)
    const leaf = this.#strictest(types.filter((type) => !composites.includes(type)).map((type) => this.#leaf(type)))
    if (leaf === plainTree) throw undecided
    const [array, ...moreArrays] = composites.filter((type) => type._tag === "Arrays")
    if (moreArrays.length > 0) throw undecided
    const checkArray = array === undefined ? always : this.#visit(array)
    const checkObject = this.#objects(composites.filter((type) => type !== array))
    return (input, output) => {
      if (!isObject(input) || !isObject(output)) return plainNumber(input, output)
      return Array.isArray(output) ? checkArray(input, output) : checkObject(input, output)
    }
  }

  // Several objects are told apart by a property that holds another literal in each of them.
  #objects(types: ReadonlyArray<SchemaAST.AST>): KeepsAll {
    const objects = types.map(target)
    const [first, ...more] = objects
    if (first === undefined) return always
    if (more.length === 0) return this.#later(first)
    for (const { name } of first.propertySignatures) {
      const literals = objects.map((object) => literalOf(object, name))
      if (literals.includes(undefined) || new Set(literals).size < literals.length) continue
      const byTag = new Map<unknown, KeepsAll>(objects.map((object, i) => [literals[i], this.#later(object)]))
      return (input, output) => (isObject(output) && byTag.get(output[String(name)])?.(input, output)) ?? false
    }
    throw undecided
  }
}

const isUntransformed = (node: SchemaAST.AST): boolean =>
  node.encoding === undefined && (node._tag !== "Union" || node.types.every(isUntransformed))

const members = (node: SchemaAST.Union): ReadonlyArray<SchemaAST.AST> =>
  node.types.flatMap((type) => (type._tag === "Union" && type.encoding === undefined ? members(type) : [type]))

const target = (node: SchemaAST.AST, depth = 0): SchemaAST.Objects => {
  if (node.encoding === undefined && node._tag === "Objects") return node
  if (node.encoding === undefined && node._tag === "Suspend" && depth < 32) return target(node.thunk(), depth + 1)
  throw undecided
}
