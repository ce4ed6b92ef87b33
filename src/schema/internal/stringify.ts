// `JSON.stringify` writes -0 as 0, yet JSON text can say -0 and `JSON.parse` reads it. `JSON.rawJSON` (V8 11.4, part
// of ES2026) writes it. The tree is walked only when the text shows a number 0 somewhere.
declare global {
  interface JSON {
    rawJSON(text: string): unknown
  }
}

const hasZero = /(?:^|[[{:,\s])0(?:[\]},\s]|$)/

const minusZero: unknown = JSON.rawJSON("-0")

const holdsMinusZero = (tree: unknown): boolean => {
  if (typeof tree === "number") return Object.is(tree, -0)
  if (typeof tree !== "object" || tree === null) return false
  if (Array.isArray(tree)) return tree.some(holdsMinusZero)
  for (const value of Object.values(tree)) if (holdsMinusZero(value)) return true
  return false
}

/** JSON text of a JSON tree, with -0 kept. */
export const stringify = (tree: unknown, indent: number): string => {
  const text = JSON.stringify(tree, undefined, indent)
  if (!hasZero.test(text) || !holdsMinusZero(tree)) return text
  return JSON.stringify(tree, (_key, value: unknown) => (Object.is(value, -0) ? minusZero : value), indent)
}
