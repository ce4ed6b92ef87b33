/**
 * What a file that somebody edited says. Editors lay JSON out anew, so it is read as JSON and not as a frame: the state is
 * a member of it, or the whole where there is no header.
 */
import { Data } from "effect"
import type { Payload } from "../../schema/Codec.ts"
import { stringifyMinusZero } from "../../schema/internal/stringify.ts"
import * as Frame from "./frame.ts"

/** A file that holds no valid frame, with what it holds. */
export class Unverified extends Data.TaggedError("Unverified")<{
  readonly path: string
  readonly bytes: Uint8Array
  readonly unreadable: Frame.Unreadable
}> {}

/** The content of an edited file. */
export interface Edited {
  readonly payload: Payload
  /** The key that its header names. */
  readonly key: string | undefined
  /** What its header says, which is a claim and no more: 0 where it says nothing. */
  readonly revision: number
  readonly since: number
}

/** What an edited file says, if it can be told. */
export const read = ({ bytes, unreadable }: Unverified): Edited | undefined => {
  const value = Frame.parseJson(bytes)
  if (unreadable.kind === "foreign") return { payload: textOf(value), key: undefined, revision: 0, since: 0 }
  if (unreadable.kind !== "edited" || !Frame.isOurs(value)) return undefined
  const payload = payloadOf(value)
  const { dgents } = value
  const key = "key" in dgents && typeof dgents.key === "string" ? dgents.key : undefined
  return payload === undefined
    ? undefined
    : { payload, key, revision: numberIn(dgents, "revision"), since: numberIn(dgents, "since") }
}

const textOf = (value: unknown): string => stringifyMinusZero(value, 0)

const payloadOf = (value: object): Payload | undefined => {
  if ("state" in value) return textOf(value.state)
  if ("stateText" in value && typeof value.stateText === "string") return value.stateText
  if ("state64" in value && typeof value.state64 === "string")
    return new Uint8Array(Buffer.from(value.state64, "base64"))
  return undefined
}

// A number that would use all others up cannot be ours.
const largest = 2 ** 50

const numberIn = (header: object, name: string): number => {
  const value: unknown = Reflect.get(header, name)
  return typeof value === "number" && Number.isInteger(value) && value > 0 && value < largest ? value : 0
}
