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

/** How a `Buffer` makes its texts, at half the cost of `toString`. */
interface Slices {
  readonly latin1Slice: (from: number, to: number) => string
  readonly utf8Slice: (from: number, to: number) => string
}

/** How many bytes of a string hold its line for certain. */
export const lineBytes = 160

/** Which of the two a payload is. */
export const kindOf = (state: Payload): "t" | "b" => (typeof state === "string" ? "t" : "b")

/** What a string says; `undefined` for one that is no state of ours. */
export const parse = (buffer: Buffer): Stored | undefined => {
  // Sound: every `Buffer` has them, though its types do not say so.
  const bytes = buffer as Buffer & Slices
  const line = new Line(bytes)
  const revision = line.digits()
  const since = line.digits()
  const savedAt = line.number()
  const from = line.at
  const end = bytes.indexOf(newline, from)
  if (end < from + 3 || end > lineBytes || bytes[end - 2] !== space || !begins(bytes)) return undefined
  if (!isRevision(revision) || !isRevision(since) || !Number.isFinite(savedAt)) return undefined
  const kind = bytes[end - 1]
  // What is not UTF-8 would be read as something else.
  if (kind !== bytesMark && (kind !== textMark || !isUtf8(bytes))) return undefined
  const operation = bytes.latin1Slice(from, end - 2)
  // Of bytes a copy: what came from the network may be a view of a larger piece.
  const state = kind === bytesMark ? new Uint8Array(bytes.subarray(end + 1)) : bytes.utf8Slice(end + 1, bytes.length)
  return { state, revision: Revision.make(revision), savedAt, since, operation }
}

const begin = Buffer.from("dgents1 ")
const newline = 0x0a
const space = 0x20
const zero = 0x30
const bytesMark = 0x62
const textMark = 0x74

const begins = (bytes: Buffer): boolean => {
  for (let i = 0; i < begin.length; i++) if (bytes[i] !== begin[i]) return false
  return true
}

/** The numbers of a line, one after the other. By hand, at half the cost of a pattern: loads are what there is most of. */
class Line {
  readonly bytes: Buffer & Slices
  at = begin.length

  constructor(bytes: Buffer & Slices) {
    this.bytes = bytes
  }

  /** What digits say, and a space behind them; not a number where there is anything else. */
  digits(): number {
    const from = this.at
    let n = 0
    for (let i = from; i < lineBytes; i++) {
      const byte = this.bytes[i] ?? 0
      if (byte === space && i > from) {
        this.at = i + 1
        return n
      }
      const digit = byte - zero
      if (digit < 0 || digit > 9) break
      n = 10 * n + digit
    }
    return Number.NaN
  }

  /** The same of any number. */
  number(): number {
    const from = this.at
    const n = this.digits()
    if (!Number.isNaN(n)) return n
    this.at = this.bytes.indexOf(space, from) + 1
    return from < this.at - 1 ? Number(this.bytes.latin1Slice(from, this.at - 1)) : Number.NaN
  }
}

const isRevision = (n: number): boolean => Number.isSafeInteger(n) && n > 0
