import type { SchemaAST } from "effect"
import { some } from "./ambiguity.ts"

/**
 * The most levels of objects and arrays in what is stored. A parser takes a few stack frames a level, and how many there
 * are left differs from call to call: what is accepted has to be readable again on any of them.
 */
export const maxLevels = 512

/** Whether states of a JSON codec can be nested without a bound: the others need no check. */
export const isUnbounded = (codec: SchemaAST.AST): boolean =>
  some(codec, (node) => node._tag === "Suspend" || node._tag === "Unknown" || node._tag === "Any")

/** Whether a JSON tree has more levels than `maxLevels`. A cycle has. */
export const isTooDeep = (tree: unknown): boolean => {
  const visit = (value: unknown, left: number): boolean => {
    if (typeof value !== "object" || value === null) return false
    if (left === 0) return true
    for (const child of Array.isArray(value) ? value : Object.values(value)) if (visit(child, left - 1)) return true
    return false
  }
  return visit(tree, maxLevels)
}
