import { Option, Schema, type SchemaAST, SchemaParser } from "effect"

/** Whether an object is one that a literal makes, and not an instance of a class of its own, whose class nothing would keep. */
export const isPlain = (value: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype || Object.getPrototypeOf(prototype) === null
}

/** Where a value has an object of another class than its schema asks for; undefined where all are of the right one. */
export type FindForeign = (value: unknown) => ReadonlyArray<PropertyKey> | undefined

const none: FindForeign = () => undefined

/**
 * Compiles the search for objects that a struct or a record takes by their properties alone: a Date, a Map or an instance of
 * somebody's class would be stored without what makes it one. It is asked about values that fit the schema otherwise.
 */
export const findForeign = (type: SchemaAST.AST): FindForeign => {
  const finds = new Map<SchemaAST.AST, FindForeign>()

  const visit = (node: SchemaAST.AST): FindForeign => {
    const known = finds.get(node)
    if (known !== undefined) return known
    // A schema may refer to itself.
    finds.set(node, (value) => find(value))
    const find = compile(node)
    finds.set(node, find)
    return find
  }

  const compile = (node: SchemaAST.AST): FindForeign => {
    switch (node._tag) {
      case "Suspend": {
        let find: FindForeign | undefined
        return (value) => {
          find ??= visit(node.thunk())
          return find(value)
        }
      }
      case "Arrays":
        return elements(node)
      case "Objects": {
        const find = properties(node)
        return (value) => (isObject(value) && !Array.isArray(value) && !isPlain(value) ? [] : find(value))
      }
      case "Union":
        return union(node)
      case "Declaration":
        return declaration(node)
      default:
        return none
    }
  }

  const elements = ({ elements, rest }: SchemaAST.Arrays): FindForeign => {
    const first = elements.map(visit)
    const [others = none, ...last] = rest.map(visit)
    if ([...first, others, ...last].every((find) => find === none)) return none
    return (value) => {
      if (!Array.isArray(value)) return undefined
      const from = value.length - last.length
      return firstOf(value.entries(), (i) => first[i] ?? (i < from ? others : (last[i - from] ?? none)))
    }
  }

  const properties = ({ indexSignatures, propertySignatures }: SchemaAST.Objects): FindForeign => {
    const named = new Map(propertySignatures.map(({ name, type }) => [name, visit(type)]))
    const [others = none, ...more] = indexSignatures.map(({ type }) => visit(type))
    const finds = [...named.values(), others]
    if (finds.every((find) => find === none)) return none
    // Which of several index signatures a property falls under, the parser knows alone.
    const rest: FindForeign = more.length === 0 ? others : none
    return (value) => (isObject(value) ? firstOf(Object.entries(value), (key) => named.get(key) ?? rest) : undefined)
  }

  // A value is stored as the first member says that takes it.
  const union = ({ types }: SchemaAST.Union): FindForeign => {
    const members = types.map((type) => ({ find: visit(type), is: SchemaParser.is(Schema.make(type)) }))
    if (members.every(({ find }) => find === none)) return none
    return (value) => (isObject(value) ? members.find(({ is }) => is(value))?.find(value) : undefined)
  }

  // What containers hold, and the fields of instances of a class that the schema has.
  const declaration = ({ typeParameters }: SchemaAST.Declaration): FindForeign => {
    const [first, second] = typeParameters
    if (first === undefined) return none
    const [item, value] = [visit(first), second === undefined ? none : visit(second)]
    const fields = first._tag === "Objects" ? properties(first) : none
    const isForeign = (content: unknown): boolean =>
      second !== undefined && Array.isArray(content)
        ? item(content[0]) !== undefined || value(content[1]) !== undefined
        : item(content) !== undefined
    return (whole) => {
      if (Option.isOption(whole)) return Option.isSome(whole) ? item(whole.value) : undefined
      if (isIterable(whole)) return Array.from(whole).some(isForeign) ? [] : undefined
      return fields(whole)
    }
  }

  return visit(type)
}

type Objects = Readonly<Record<PropertyKey, unknown>>

const isObject = (value: unknown): value is Objects => typeof value === "object" && value !== null

const isIterable = (value: unknown): value is Iterable<unknown> => isObject(value) && Symbol.iterator in value

const firstOf = <K extends PropertyKey>(
  entries: Iterable<readonly [K, unknown]>,
  find: (key: K) => FindForeign
): ReadonlyArray<PropertyKey> | undefined => {
  for (const [key, value] of entries) {
    const path = find(key)(value)
    if (path !== undefined) return [key, ...path]
  }
  return undefined
}
