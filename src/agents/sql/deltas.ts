/**
 * Superseded states as differences: a history row holds the JSON Patch (RFC 6902) that makes its state from the one after
 * it, so that the current state is whole, a load reads one row, and the oldest rows may be pruned. Every so many revisions
 * a state stays in full, which bounds how many patches are applied.
 */
import { JsonPatch, type Schema } from "effect"
import type { Payload } from "../../schema/Codec.ts"
import { parseEscapedKeys } from "../../schema/internal/parseJson.ts"
import { stringifyMinusZero } from "../../schema/internal/stringify.ts"

type Json = Schema.Json

const parse = (text: string): Json => parseEscapedKeys(text) as Json

const stringify = (tree: Json): string => stringifyMinusZero(tree, 0)

/**
 * The patch that makes `older` from `newer`, if it gives back exactly that text and is shorter; else the older state is to
 * be stored in full. Bytes are.
 */
export const diff = (older: Payload, newer: Payload): string | undefined => {
  if (typeof older !== "string" || typeof newer !== "string") return undefined
  try {
    const tree = parse(newer)
    const patch = JsonPatch.get(tree, parse(older))
    const text = stringify(patch as unknown as Json)
    if (text.length >= older.length) return undefined
    return stringify(JsonPatch.apply(patch, tree)) === older ? text : undefined
  } catch {
    // A codec of the user's may write text that is not JSON.
    return undefined
  }
}

/** Makes a state from the one after it. Throws where the patch does not fit. */
export const patch = (newer: Payload, text: Payload): string => {
  if (typeof newer !== "string" || typeof text !== "string") throw new Error("a patch holds and changes text")
  return stringify(JsonPatch.apply(parse(text) as unknown as JsonPatch.JsonPatch, parse(newer)))
}

/** Whether the state of a revision stays in full. */
export const isWhole = (revision: number, every: number): boolean => revision % every === 0
