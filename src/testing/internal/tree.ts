import { Schema } from "effect"

/** The way from a value to a part of it: property names, indices, or the position in a Map. */
export type Path = ReadonlyArray<string | number>

const children = (value: unknown): ReadonlyArray<readonly [string | number, unknown]> => {
  if (typeof value !== "object" || value === null) return []
  if (Array.isArray(value)) return value.map((item, i) => [i, item] as const)
  if (value instanceof Map) return [...value.values()].map((item, i) => [i, item] as const)
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null || isSchemaClass(value) ? Object.entries(value) : []
}

const isSchemaClass = (value: object): boolean => Schema.isSchema(value.constructor)

/** The places in a value, the whole first; at most a few hundred. */
export const places = (root: unknown): ReadonlyArray<readonly [Path, part: unknown]> => {
  const found: Array<readonly [Path, unknown]> = [[[], root]]
  for (let i = 0; i < found.length && found.length < 300; i++) {
    const entry = found[i]
    if (entry === undefined) break
    const [path, value] = entry
    // Past the end of an array is a place as well: that is where an empty list of children takes its first one.
    if (Array.isArray(value) && value.length === 0) found.push([[...path, 0], undefined])
    for (const [key, child] of children(value)) found.push([[...path, key], child])
  }
  return found
}

/** What kind of thing a value is, as far as a schema may care. */
export const kind = (value: unknown): string => {
  if (typeof value !== "object") return typeof value
  return value === null ? "null" : (value.constructor?.name ?? "Object")
}

/** The value with one part replaced; what lies on the way is copied. */
export const replaceAt = (value: unknown, path: Path, part: unknown): unknown => {
  const [key, ...rest] = path
  if (key === undefined) return part
  if (Array.isArray(value)) {
    const copy = [...value]
    copy[Number(key)] = replaceAt(copy[Number(key)], rest, part)
    return copy
  }
  if (value instanceof Map) return new Map([...value].map(([k, v], i) => [k, i === key ? replaceAt(v, rest, part) : v]))
  if (typeof value !== "object" || value === null) return part
  const copy: object = Object.create(Object.getPrototypeOf(value) as object | null)
  for (const [k, v] of Object.entries(value)) {
    const next: unknown = k === key ? replaceAt(v, rest, part) : v
    // A plain assignment to `__proto__` would set the prototype.
    Object.defineProperty(copy, k, { value: next, enumerable: true, writable: true, configurable: true })
  }
  return copy
}

/** The value with itself put at a place, again and again. */
export const deepen = (value: unknown, path: Path, times: number): unknown => {
  if (path.length === 0) return value
  let deep = value
  for (let i = 0; i < times; i++) deep = replaceAt(value, path, deep)
  return deep
}
