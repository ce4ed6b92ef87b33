/**
 * One state as one file: a line about it, then the payload, verbatim, so that saving encodes once and loading parses
 * once. The whole is one JSON value that a person can open.
 *
 * ```json
 * {"dgents":{"format":1,"revision":7,"since":1,...,"length":23,"checksum":"crc32:0123abcd"},
 * "state":{
 *   "name": "Ada"
 * }}
 * ```
 *
 * The checksum (CRC-32, as in zlib) is taken over every byte of the file, its own eight digits counted as zeros.
 */
import { crc32 } from "node:zlib"
import { Option, Result, Schema } from "effect"
import type { Payload } from "../../schema/Codec.ts"

/** What a frame says about its payload. */
export interface Header {
  readonly revision: number
  /** The revision of the first save since there was no state: a history reaches no further back. */
  readonly since: number
  /** Milliseconds since the epoch. */
  readonly savedAt: number
  /** The name of the codec, and the fingerprint of its schema: for people and tools, not checked. */
  readonly codec: string
  readonly schema: string
  /** The key, in families: a file that was copied over another key's is noticed. */
  readonly key: string | undefined
}

/** A header with its payload. */
export interface Frame extends Header {
  readonly payload: Payload
}

const format = 1
const magic = '{"dgents":{'
const noDigits = "00000000"
const headerEnd = '"},\n'
const frameEnd = "}\n"

// JSON text stands as it is; other text as a JSON string, and bytes as base64.
type Member = "state" | "stateText" | "state64"

const toMember = (codec: string, payload: Payload): readonly [Member, string] => {
  if (typeof payload !== "string") {
    const { buffer, byteLength, byteOffset } = payload
    return ["state64", `"${Buffer.from(buffer, byteOffset, byteLength).toString("base64")}"`]
  }
  // A lone surrogate has no UTF-8 form; JSON.stringify escapes it.
  return /^json(?:\+|$)/.test(codec) && payload.isWellFormed()
    ? ["state", payload]
    : ["stateText", JSON.stringify(payload)]
}

const fromMember = (member: Member, value: Buffer): Payload => {
  if (member === "state") return value.toString("utf8")
  // Sound: `toMember` wrote a JSON string here, and the checksum says that these are its bytes.
  if (member === "stateText") return JSON.parse(value.toString("utf8")) as string
  return new Uint8Array(Buffer.from(value.toString("latin1", 1, value.length - 1), "base64"))
}

const members: ReadonlyArray<Member> = ["state", "stateText", "state64"]

/** The bytes of a file. */
export const encode = (frame: Frame): Uint8Array => {
  const { codec, key, payload, revision, schema, since } = frame
  const [member, value] = toMember(codec, payload)
  const length = Buffer.byteLength(value)
  const savedAt = new Date(frame.savedAt).toISOString()
  const about = JSON.stringify({ format, revision, since, savedAt, codec, schema, key, length })
  const header = `{"dgents":${about.slice(0, -1)},"checksum":"crc32:${noDigits}${headerEnd}`
  const headerLength = Buffer.byteLength(header)
  const start = headerLength + member.length + 3
  const bytes = Buffer.allocUnsafe(start + length + frameEnd.length)
  bytes.write(`${header}"${member}":`)
  // Text of as many bytes as characters is ASCII, which can be written several times faster.
  bytes.write(value, start, length === value.length ? "latin1" : "utf8")
  bytes.write(frameEnd, start + length)
  bytes.write(hex(crc32(bytes)), headerLength - headerEnd.length - noDigits.length)
  return bytes
}

const hex = (checksum: number) => checksum.toString(16).padStart(8, "0")

const Format = Schema.Struct({ format: Schema.Number })

const StoredHeader = Schema.Struct({
  revision: Schema.Int.check(Schema.isGreaterThan(0)),
  since: Schema.Int.check(Schema.isGreaterThan(0)),
  savedAt: Schema.String,
  codec: Schema.String,
  schema: Schema.String,
  key: Schema.optionalKey(Schema.String),
  length: Schema.Int
})

const decodeFormat = Schema.decodeUnknownOption(Format)
const decodeHeader = Schema.decodeUnknownOption(StoredHeader)

/** Why the bytes of a file cannot be trusted. */
export interface Unreadable {
  /**
   * `edited`: JSON with a header of ours that it does not fit. `foreign`: JSON of somebody else. `damaged`: no JSON.
   * `newer`: a format that this version does not know.
   */
  readonly kind: "edited" | "foreign" | "damaged" | "newer"
  readonly reason: string
}

const newer = (found: number): Unreadable => ({
  kind: "newer",
  reason: `it says format ${found}, and this version of dgents reads format ${format}; was it written by a newer one?`
})

/** A file without a valid frame, told apart by what it is as JSON. That is looked at only when something is wrong. */
const unreadable = (bytes: Buffer, where: string): Unreadable => {
  if (bytes.length === 0) return { kind: "damaged", reason: "the file is empty" }
  const value = parseJson(bytes)
  if (value === undefined) {
    return bytes.toString("latin1", 0, magic.length) === magic
      ? { kind: "damaged", reason: `it was damaged, or edited into something that is not JSON: ${where}` }
      : { kind: "damaged", reason: "it is not a file of dgents, and not JSON" }
  }
  const found = isOurs(value) ? decodeFormat(value.dgents) : Option.none()
  if (Option.isSome(found) && found.value.format !== format) return newer(found.value.format)
  return isOurs(value)
    ? {
        kind: "edited",
        reason: `its text does not match its checksum: it was edited by hand or damaged (${where}); restore it, or open it with edits: "adopt" to take the edited state over`
      }
    : {
        kind: "foreign",
        reason: 'it is not a file of dgents; to take its content over as the state, open it with edits: "adopt"'
      }
}

/** The value of bytes that are JSON. */
export const parseJson = (bytes: Uint8Array): unknown => {
  try {
    return JSON.parse(utf8.decode(bytes))
  } catch {
    return undefined
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true })

/** Whether a JSON value has the header of a frame. */
export const isOurs = (value: unknown): value is { readonly dgents: object } =>
  typeof value === "object" &&
  value !== null &&
  "dgents" in value &&
  typeof value.dgents === "object" &&
  value.dgents !== null

/** The first line of a frame: it holds the revision and the checksum, so it says which frame this is. */
export const lineOf = (bytes: Uint8Array): string => {
  const buffer = asBuffer(bytes)
  return buffer.toString("latin1", 0, buffer.indexOf("\n") + 1)
}

/** Whether the bytes are those of the frame that has this first line. */
export const isIntact = (bytes: Uint8Array, line: string): boolean => {
  const buffer = asBuffer(bytes)
  return (
    buffer.toString("latin1", 0, line.length) === line &&
    hasItsChecksum(buffer, line.length - headerEnd.length - noDigits.length)
  )
}

const asBuffer = ({ buffer, byteLength, byteOffset }: Uint8Array): Buffer => Buffer.from(buffer, byteOffset, byteLength)

/** What the bytes of a file say, or why they cannot be trusted. */
export const decode = (data: Uint8Array): Result.Result<Frame, Unreadable> => {
  const bytes = asBuffer(data)
  const wrong = (where: string) => Result.fail(unreadable(bytes, where))
  if (bytes.toString("latin1", 0, magic.length) !== magic) return wrong("its first line does not read")
  const bodyStart = bytes.indexOf("\n") + 1
  const about = parseHeader(bytes.toString("utf8", 0, bodyStart))
  if (about === undefined) return wrong("its first line does not read")
  const found = decodeFormat(about)
  if (Option.isSome(found) && found.value.format !== format) return Result.fail(newer(found.value.format))
  if (!hasItsChecksum(bytes, bodyStart - headerEnd.length - noDigits.length))
    return wrong("its checksum does not match")
  const header = decodeHeader(about)
  const member = members.find(
    (member) => bytes.toString("latin1", bodyStart, bodyStart + member.length + 3) === `"${member}":`
  )
  if (Option.isNone(header) || member === undefined) return wrong("its first line does not fit")
  const { codec, key, length, revision, schema, since } = header.value
  const start = bodyStart + member.length + 3
  const savedAt = Date.parse(header.value.savedAt)
  if (start + length + frameEnd.length !== bytes.length || Number.isNaN(savedAt))
    return wrong("its length does not match")
  const payload = fromMember(member, bytes.subarray(start, start + length))
  return Result.succeed({ revision, since, savedAt, codec, schema, key, payload })
}

const parseHeader = (line: string): unknown => {
  if (!line.endsWith(headerEnd)) return undefined
  try {
    return JSON.parse(line.slice('{"dgents":'.length, -2))
  } catch {
    return undefined
  }
}

// The digits are compared as text: the checksum does not cover them, so another spelling of the number is a change too.
const hasItsChecksum = (bytes: Buffer, at: number): boolean => {
  const before = crc32(noDigits, crc32(bytes.subarray(0, at)))
  const sum = crc32(bytes.subarray(at + noDigits.length), before)
  return bytes.toString("latin1", at, at + noDigits.length) === hex(sum)
}
