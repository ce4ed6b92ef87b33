import { isDeepStrictEqual } from "node:util"
import { largest } from "./cases.ts"

/**
 * Whether two answers are the same; numbers that are sums may differ by what the order of adding rounds
 * away, and the properties of objects have no order. */
export const sameAnswer = (a: unknown, b: unknown): boolean => {
  if (typeof a === "number" && typeof b === "number")
    return (
      Object.is(a, b) ||
      Math.abs(a - b) <=
        1e-12 * largest * Number(Math.abs(a) > 1e280 || Math.abs(b) > 1e280) + 1e-9 * Math.max(Math.abs(a), Math.abs(b))
    )
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((item, i) => sameAnswer(item, b[i]))
  if (isRecord(a) && isRecord(b)) {
    const names = Object.keys(a).sort()
    return isDeepStrictEqual(names, Object.keys(b).sort()) && names.every((name) => sameAnswer(a[name], b[name]))
  }
  return isDeepStrictEqual(a, b)
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && [Object.prototype, null].includes(Object.getPrototypeOf(value))
