import type { SchemaAST } from "effect"
import { some } from "./ambiguity.ts"

/*
 * `JSON.parse` of V8 13.6 (Node 24) may give an object key that is written with an escape the name of another key: it
 * compares the text of the key, escapes unread, with the key that came next in an object it has seen before.
 *
 *     JSON.parse('{"":0,"\\\\":0}')
 *     JSON.parse('{"":0,"\\n":0}') // => { "": 0, "\\": 0 }
 *
 * So no key that has an escape reaches it: such keys are replaced by names without one, and put back afterwards.
 */

const isEscaped = (text: string): boolean => JSON.stringify(text).length !== text.length + 2

/** Whether states of a JSON codec may have keys that are written with an escape. */
export const mayEscapeKeys = (codec: SchemaAST.AST): boolean =>
  some(
    codec,
    (node) =>
      node._tag === "Unknown" ||
      node._tag === "Any" ||
      (node._tag === "Objects" &&
        (node.indexSignatures.length > 0 ||
          node.propertySignatures.length === 0 ||
          node.propertySignatures.some(({ name }) => typeof name === "string" && isEscaped(name))))
  )

const strings = /"((?:[^"\\]|\\.)*)"(\s*:)?/g
const mark = "="

/** `JSON.parse`, also of texts whose keys have escapes. Throws a SyntaxError as that does. */
export const parseEscapedKeys = (text: string): unknown => {
  const tree: unknown = JSON.parse(text)
  if (!text.includes("\\")) return tree
  const names: Array<string> = []
  let hasEscape = false
  const marked = text.replace(strings, (string, inner: string, colon: string | undefined) => {
    if (colon === undefined) return string
    const escaped = inner.includes("\\")
    if (!escaped && !inner.startsWith(mark)) return string
    hasEscape ||= escaped
    // As a value, not as a key, it is read right.
    return `"${mark}${names.push(JSON.parse(`"${inner}"`)) - 1}"${colon}`
  })
  return hasEscape ? unmark(JSON.parse(marked), names) : tree
}

const unmark = (tree: unknown, names: ReadonlyArray<string>): unknown => {
  if (typeof tree !== "object" || tree === null) return tree
  if (Array.isArray(tree)) return tree.map((item) => unmark(item, names))
  const name = (key: string) => (key.startsWith(mark) ? (names[Number(key.slice(mark.length))] ?? key) : key)
  return Object.fromEntries(Object.entries(tree).map(([key, value]) => [name(key), unmark(value, names)]))
}
