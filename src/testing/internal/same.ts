import { isDeepStrictEqual } from "node:util"
import { Effect, Exit, Formatter, Schema } from "effect"
import { type Codec, json, type Payload } from "../../schema/Codec.ts"

/** Copies and comparisons of states, derived from the schema alone. */
export interface Same<in out S> {
  /** Whether the schema's JSON form can hold the state. */
  readonly storable: (state: S) => boolean
  /** A copy that shares nothing mutable with the state. */
  readonly copy: (state: S) => S
  /** Equal states have equal keys. */
  readonly key: (state: S) => string
  /** Why two states are not the same; `undefined` when they are. */
  readonly differ: (expected: S, actual: S) => string | undefined
}

const text = (payload: Payload): string =>
  typeof payload === "string" ? payload : Buffer.from(payload).toString("base64")

/** A value for people, cut to a readable length. */
export const show = (value: unknown): string => {
  let shown: string
  try {
    shown = Object.is(value, -0) ? "-0" : Formatter.format(value)
  } catch {
    shown = "(a value that cannot be printed)"
  }
  return shown.length <= 240 ? shown : `${shown.slice(0, 160)} ... (${shown.length} characters)`
}

/**
 * Two states are the same when the schema's equivalence says so, when they encode alike, and, for plain data, when
 * `util.isDeepStrictEqual` agrees: the equivalence alone takes 0 for -0.
 */
export const make = <S>(codec: Codec<S>): Same<S> => {
  const plain = json(codec.schema)
  const equals = Schema.toEquivalence(Schema.toType(codec.schema))
  const encode = (state: S) => Effect.runSyncExit(plain.encode(state))
  const key = (state: S): string => {
    const exit = encode(state)
    return Exit.isSuccess(exit) ? text(exit.value) : "(does not encode)"
  }
  return {
    storable: (state) => Exit.isSuccess(encode(state)),
    copy: (state) => Effect.runSync(Effect.flatMap(plain.encode(state), plain.decode)),
    key,
    differ: (expected, actual) => {
      const why = (reason: string) => `expected ${show(expected)}, got ${show(actual)} (${reason})`
      const [a, b] = [encode(expected), encode(actual)]
      // Too deep for whatever recurses, which depends on the stack left: then a comparison without recursion decides.
      if (Exit.isFailure(a) || Exit.isFailure(b)) return alike(expected, actual) ? undefined : why("they are not alike")
      if (text(a.value) !== text(b.value)) return why("they encode differently")
      try {
        if (!equals(expected, actual)) return why("the schema's equivalence tells them apart")
        if (isPlain(expected) && !deeplyEqual(expected, actual)) return why("they are not deeply equal")
      } catch (error) {
        if (!(error instanceof RangeError)) throw error
      }
      return undefined
    }
  }
}

/** Whether a value is made of primitives, arrays, plain objects, Date, Map, Set and bytes only. */
export const isPlain = (root: unknown): boolean => {
  const pending: Array<unknown> = [root]
  while (pending.length > 0) {
    const value = pending.pop()
    if (typeof value === "function") return false
    if (typeof value !== "object" || value === null) continue
    const prototype: unknown = Object.getPrototypeOf(value)
    if (Array.isArray(value)) pending.push(...value)
    else if (value instanceof Map) pending.push(...value.keys(), ...value.values())
    else if (value instanceof Set) pending.push(...value)
    else if (value instanceof Date || value instanceof Uint8Array) continue
    else if (prototype === Object.prototype || prototype === null) pending.push(...Object.values(value))
    else return false
  }
  return true
}

/** Structural equality of data of any depth, by an explicit stack. */
const alike = (a: unknown, b: unknown): boolean => {
  const pending: Array<readonly [unknown, unknown]> = [[a, b]]
  for (let pair = pending.pop(); pair !== undefined; pair = pending.pop()) {
    const [x, y] = pair
    if (Object.is(x, y)) continue
    if (typeof x !== "object" || typeof y !== "object" || x === null || y === null) return false
    const [xs, ys] = [entries(x), entries(y)]
    if (Array.isArray(x) !== Array.isArray(y) || xs.length !== ys.length) return false
    for (const [i, [key, item]] of xs.entries()) pending.push([key, ys[i]?.[0]], [item, ys[i]?.[1]])
    // A cycle never ends, and no storage gives one back.
    if (pending.length > 1_000_000) return false
  }
  return true
}

const entries = (value: object): ReadonlyArray<readonly [unknown, unknown]> =>
  value instanceof Date
    ? [["time", value.getTime()]]
    : value instanceof Map
      ? [...value]
      : value instanceof Set
        ? [...value].map((item) => [item, true] as const)
        : Object.entries(value)

const deeplyEqual = (a: unknown, b: unknown): boolean =>
  isDeepStrictEqual(a, b) || isDeepStrictEqual(normal(a), normal(b))

// Whether a record has a prototype is no part of the state: samples come in both kinds, JSON gives one of them.
const normal = (value: unknown): unknown => {
  if (typeof value !== "object" || value === null || value instanceof Date || value instanceof Uint8Array) return value
  if (Array.isArray(value)) return value.map(normal)
  if (value instanceof Map) return new Map([...value].map(([key, item]) => [normal(key), normal(item)]))
  if (value instanceof Set) return new Set([...value].map(normal))
  const copy = {}
  for (const [key, item] of Object.entries(value))
    Object.defineProperty(copy, key, { value: normal(item), enumerable: true })
  return copy
}
