/**
 * A state as Redis has it: one string, so that one GET reads it and no part of it can be without the others.
 *
 *     dgents1 <revision> <since> <saved at> <operation> <t|b>\n<state>
 *
 * A line that a person can read, then the payload: `t` for text, `b` for bytes.
 */
import { isUtf8 } from "node:buffer"
import type { Payload } from "../../schema/Codec.ts"
import type { Current } from "../internal/backend.ts"
import * as Revision from "../Revision.ts"

/** What is in a string, and which write put it there. */
export interface Stored extends Current {
  readonly operation: string
}

/** How many bytes of a string hold its line for certain. */
export const lineBytes = 160

const format = "dgents1"

/** Which of the two a payload is. */
export const kindOf = (state: Payload): "t" | "b" => (typeof state === "string" ? "t" : "b")

/** What a string says; `undefined` for one that is no state of ours. */
export const parse = (bytes: Buffer): Stored | undefined => {
  const end = bytes.indexOf(0x0a)
  if (end < 0 || end > lineBytes) return undefined
  const [name, revision, since, savedAt, operation, kind, more] = bytes.toString("latin1", 0, end).split(" ")
  if (name !== format || operation === undefined || more !== undefined || (kind !== "t" && kind !== "b"))
    return undefined
  const state = payload(bytes.subarray(end + 1), kind)
  const [n, at, first] = [Number(revision), Number(savedAt), Number(since)]
  if (state === undefined || !isRevision(n) || !Number.isFinite(at) || !isRevision(first)) return undefined
  return { state, revision: Revision.make(n), savedAt: at, since: first, operation }
}

const isRevision = (n: number): boolean => Number.isSafeInteger(n) && n > 0

const payload = (bytes: Buffer, kind: "t" | "b"): Payload | undefined => {
  // A copy: what came from the network may be a view of a larger piece.
  if (kind === "b") return new Uint8Array(bytes)
  return isUtf8(bytes) ? bytes.toString("utf8") : undefined
}
