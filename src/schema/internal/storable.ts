import { isPlain } from "./foreign.ts"

/**
 * How much of a value JSON text keeps: `"all"`, `"minusZero"` (all, if -0 is written as such) or `"less"`: there is a
 * function, an `undefined`, a symbol, a bigint, NaN, or an object with a class of its own in it. Throws a RangeError for a cycle.
 */
export const storable = (tree: unknown): "all" | "minusZero" | "less" => {
  let minusZero = false
  const visit = (value: unknown): boolean => {
    switch (typeof value) {
      case "string":
      case "boolean":
        return true
      case "number":
        if (Object.is(value, -0)) minusZero = true
        return Number.isFinite(value)
      case "object": {
        if (value === null) return true
        if (Array.isArray(value)) {
          // Not `every`, which skips holes.
          for (let i = 0; i < value.length; i++) if (!visit(value[i])) return false
          return true
        }
        return isPlain(value) && Object.getOwnPropertySymbols(value).length === 0 && Object.values(value).every(visit)
      }
      default:
        return false
    }
  }
  return visit(tree) ? (minusZero ? "minusZero" : "all") : "less"
}
