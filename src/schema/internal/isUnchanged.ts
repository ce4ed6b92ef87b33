import { isDeepStrictEqual } from "node:util"
import type { Equivalence } from "effect"

/**
 * Whether a state came back as it was. The schema's equivalence knows what may differ inside a value of a class (a cached
 * part of a DateTime), but takes 0 for -0 and an object for the instance of a class with the same fields.
 */
export const isUnchanged = <S>(back: S, state: S, equals: Equivalence.Equivalence<S>): boolean =>
  isDeepStrictEqual(back, state) || (equals(back, state) && isAlike(back, state))

const isAlike = (a: unknown, b: unknown): boolean => {
  if (typeof a !== "object" || a === null || typeof b !== "object" || b === null)
    return typeof a === typeof b && (typeof a !== "number" || Object.is(a, b))
  const prototype = prototypeOf(a)
  if (prototype !== prototypeOf(b)) return false
  if (prototype !== Object.prototype && prototype !== Array.prototype) return true
  const others = new Map<string, unknown>(Object.entries(b))
  return Object.entries(a).every(([key, value]) => isAlike(value, others.get(key)))
}

// An object without a prototype is as plain as any.
const prototypeOf = (value: object): unknown => Object.getPrototypeOf(value) ?? Object.prototype
