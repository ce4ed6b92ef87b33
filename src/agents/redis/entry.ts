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

/** Which of the two a payload is. */
export const kindOf = (state: Payload): "t" | "b" => (typeof state === "string" ? "t" : "b")

/** What a string says; `undefined` for one that is no state of ours. */
export const parse = (bytes: Buffer): Stored | undefined => {
  const end = bytes.indexOf(0x0a)
  if (end < 0 || end > lineBytes) return undefined
  const isBytes = bytes[end - 1] === bytesMark
  // What is not UTF-8 would be read as something else.
  if (!isBytes && !isUtf8(bytes)) return undefined
  const text = isBytes ? bytes.toString("latin1", 0, end + 1) : bytes.toString()
  line.lastIndex = 0
  const found = line.exec(text)
  if (found === null) return undefined
  const [, revision, since, savedAt, operation = ""] = found
  const [n, first, at] = [Number(revision), Number(since), Number(savedAt)]
  if (!isRevision(n) || !Number.isFinite(at) || !isRevision(first)) return undefined
  // Of bytes a copy: what came from the network may be a view of a larger piece.
  const state = isBytes ? new Uint8Array(bytes.subarray(end + 1)) : text.slice(end + 1)
  return { state, revision: Revision.make(n), savedAt: at, since: first, operation }
}

const bytesMark = 0x62

const line = /dgents1 (\d+) (\d+) (\S+) (\S+) [tb]\n/y

const isRevision = (n: number): boolean => Number.isSafeInteger(n) && n > 0
