// `JSON.stringify` writes -0 as 0, yet JSON text can say -0 and `JSON.parse` reads it. `JSON.rawJSON` (V8 11.4, part
// of ES2026) writes it.
declare global {
  interface JSON {
    rawJSON(text: string): unknown
  }
}

const minusZero: unknown = JSON.rawJSON("-0")

/** JSON text with -0 kept, for a tree that holds one. Slower than `JSON.stringify`. */
export const stringifyMinusZero = (tree: unknown, indent: number): string =>
  JSON.stringify(tree, (_key, value: unknown) => (Object.is(value, -0) ? minusZero : value), indent)
