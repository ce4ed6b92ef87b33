/**
 * States as columns. `body` has the exact text of a state (or is NULL for bytes, which are in `raw`), so that what is read is
 * what was written; `state` has it once more as JSONB, for queries, as far as JSONB can hold it.
 */
import type { Payload } from "../../../schema/Codec.ts"

/** What is bound for one state. */
export interface Columns {
  readonly body: string | null
  readonly raw: Uint8Array | null
  /** What becomes the JSONB: NULL for `body` itself, an empty text for none. */
  readonly json: string | null
  /** Whether the JSONB is another value than the state: JSONB knows no NUL, no lone surrogate and no -0. */
  readonly approximate: boolean
}

// What may be changed or refused by JSONB. A string that only looks so costs a little time, and nothing else.
const suspect = /\\u(?:0000|[dD][89a-fA-F])|-0(?!\.?\d*[1-9])/

// Characters that no text column holds; JSON text has them escaped.
const isPlain = (text: string): boolean => !/\0/.test(text) && text.isWellFormed()

/**
 * The columns of a state. That text is JSON is taken for granted unless `isDoubtful`: whoever is told by the database that it
 * is not asks again.
 */
export const toColumns = (payload: Payload, isDoubtful = false): Columns => {
  if (typeof payload !== "string") return { body: null, raw: payload, json: "", approximate: false }
  if (!isPlain(payload)) return { body: "", raw: Buffer.from(payload, "utf16le"), json: "", approximate: false }
  if (isDoubtful) return { body: payload, raw: null, json: "", approximate: false }
  if (!suspect.test(payload)) return { body: payload, raw: null, json: null, approximate: false }
  const json = sanitize(payload)
  return { body: payload, raw: null, json, approximate: json !== "" }
}

/** Whether text is JSON by the judgement of this side. */
export const isJson = (text: string): boolean => {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** The closest text that JSONB takes; empty for what is no JSON. Escapes are told from escaped backslashes by reading both. */
const sanitize = (text: string): string => {
  if (!isJson(text)) return ""
  return text.replace(
    /\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|[^u])/g,
    (all, high, _low, unit) => {
      if (high !== undefined || unit === undefined) return all
      return unit === "0000" || /^[dD][89a-fA-F]/.test(unit) ? "\\ufffd" : all
    }
  )
}

/** The state in the columns `body` and `raw` of a row. */
export const fromColumns = (body: string | null, raw: Uint8Array | null): Payload | undefined => {
  if (raw === null) return body ?? undefined
  if (body === null) return raw
  return Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength).toString("utf16le")
}
