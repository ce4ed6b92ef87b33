/**
 * The text of a segment: a line about it, then a line an event. Each is JSON, for `jq` as for people.
 *
 * ```json
 * {"dgents":"stream","format":1,"collection":"c","key":"k","first":1,"at":0,"chain":"0f1e2d3c","sum":"0a1b2c3d"}
 * {"position":1,"at":1762000000000,"link":"05050011","type":"Opened","data":{"owner":"Ada"},"sum":"4d5e6f70"}
 * {"position":2,"at":1762000000007,"link":"42405243","more":1,"type":"Paid","data":{"amount":5},"sum":"81920a3b"}
 * {"position":3,"at":1762000000007,"id":"x1","of":2,"type":"Paid","data":{"amount":7},"sum":"c4d5e6f7"}
 * ```
 *
 * `sum` is the CRC-32, as in zlib, of all of the file in front of it, so that many lines are checked at the price of one. The
 * first line of what was written in one go also has `link`, the sum of the line in front combined with `chain`, a random number of
 * the segment. So it can be checked alone, and says that what is in front of it was durable. Of what is written in one go all lines
 * but the last say how many `more` there are. `id` names an append, in its last line, and `of` says how many events that had.
 */
import { randomBytes } from "node:crypto"
import { crc32 } from "node:zlib"
import type { Id, Stored } from "../Log.ts"

/** What the first line of a segment says. */
export interface Header extends Id {
  /** The position of its first event. */
  readonly first: number
  /** When the event in front of that one was appended, in milliseconds since the epoch; 0 where there is none. */
  readonly at: number
  /** A random number of 32 bits. */
  readonly chain: number
}

/** An event on its way into a segment. */
export interface NewLine {
  readonly event: Stored
  /** The name of the append that ends with this event. */
  readonly id: string | undefined
  /** How many events that append has. */
  readonly of: number
}

/** What is in front of the type of an event. */
export interface Head {
  readonly position: number
  readonly at: number
  /** The sum of the line in front, if this line begins what was written in one go. */
  readonly link: number | undefined
  /** How many lines of what was written in one go follow. */
  readonly more: number
  readonly id: string | undefined
  readonly of: number
}

const bytesInHex = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"))

const hexOf = (byte: number): string => bytesInHex[byte & 0xff] ?? ""

const hex = (sum: number): string => hexOf(sum >>> 24) + hexOf(sum >>> 16) + hexOf(sum >>> 8) + hexOf(sum)

const endOf = (sum: number) => `,"sum":"${hex(sum)}"}\n`

/** How long the end of each line is, from the comma in front of its sum. */
export const endLength = endOf(0).length

const steps = Int32Array.from({ length: 256 }, (_, byte) => {
  let step = byte
  for (let bit = 0; bit < 8; bit++) step = step & 1 ? (step >>> 1) ^ 0xedb88320 : step >>> 1
  return step
})

/** The checksum of all of a file up to a line's sum, continued to the end of that line: by hand, since the end is so short. */
const past = (sum: number): number => {
  const end = endOf(sum)
  let rest = ~sum
  for (let i = 0; i < endLength; i++) rest = (steps[(rest ^ end.charCodeAt(i)) & 0xff] ?? 0) ^ (rest >>> 8)
  return ~rest >>> 0
}

/** A random number for a new segment. */
export const newChain = (): number => randomBytes(4).readUInt32LE()

/** Bytes, and the sum of their last line. */
export interface Encoded {
  readonly bytes: Buffer
  readonly sum: number
}

/** The first line of a segment. */
export const encodeHeader = ({ at, chain, collection, first, key }: Header): Encoded => {
  const about = { dgents: "stream", format: 1, collection, key, first, at, chain: hex(chain) }
  const line = JSON.stringify(about).slice(0, -1)
  const sum = crc32(line)
  return { bytes: Buffer.from(line + endOf(sum)), sum }
}

/** What is written in one go behind a line with the sum `before`. */
export const encodeLines = (chain: number, before: number, events: ReadonlyArray<NewLine>): Encoded => {
  let sum = before
  let text = ""
  let more = events.length
  for (const { event, id, of } of events) {
    const { at, data, position, type } = event
    const link = more === events.length ? `,"link":"${hex((before ^ chain) >>> 0)}"` : ""
    const rest = --more === 0 ? "" : `,"more":${more}`
    const name = id === undefined ? "" : `,"id":${JSON.stringify(id)}${of === 1 ? "" : `,"of":${of}`}`
    const line = `{"position":${position},"at":${at}${link}${rest}${name},"type":${JSON.stringify(type)},"data":${data}`
    sum = crc32(line, past(sum))
    text += line + endOf(sum)
  }
  return { bytes: Buffer.from(text), sum }
}

/** The sum of whole lines behind a line with the sum `before`; undefined when they are not as they were written. */
const sumOf = (lines: Buffer, before: number | undefined): number | undefined => {
  const body = lines.length - endLength
  if (body <= 0) return undefined
  const sum = crc32(lines.subarray(0, body), before === undefined ? 0 : past(before))
  return lines.toString("latin1", body) === endOf(sum) ? sum : undefined
}

/** How many bytes of whole lines are as they were written, and the sum of the last line among them. */
export const intact = (lines: Buffer, before: number): { readonly length: number; readonly sum: number } => {
  const all = sumOf(lines, before)
  if (all !== undefined) return { length: lines.length, sum: all }
  let length = 0
  let sum = before
  while (length < lines.length) {
    const end = lines.indexOf(newline, length) + 1
    const next = sumOf(lines.subarray(length, end), sum)
    if (next === undefined) break
    length = end
    sum = next
  }
  return { length, sum }
}

/** The sum of the line that ends at an offset. Not verified: what follows is verified by it. */
export const sumIn = (bytes: Buffer, end: number): number =>
  Number.parseInt(bytes.toString("latin1", end - endLength + sumStart, end - endLength + sumStart + 8), 16) >>> 0

const sumStart = ',"sum":"'.length

export const newline = 10

/** What every event begins with. */
export const lineStart = '{"position":'

const headerPattern = /^\{"dgents":"stream","format":([0-9]+),/

/** What the first line of a segment says, and its sum; or why it cannot be trusted. */
export const decodeHeader = (line: Buffer): { readonly header: Header; readonly sum: number } | string => {
  const text = line.toString("utf8")
  const format = headerPattern.exec(text)?.[1]
  if (format === undefined) return "it does not begin like a stream of dgents"
  if (format !== "1") return `it has format ${format}, and this version of dgents reads format 1`
  const sum = sumOf(line, undefined)
  if (sum === undefined) return "its first line was edited or damaged"
  const { at, chain, collection, first, key } = JSON.parse(text)
  return { header: { collection, key, first, at, chain: Number.parseInt(chain, 16) >>> 0 }, sum }
}

const headPattern =
  /\{"position":([0-9]+),"at":([^,"]+)(?:,"link":"([0-9a-f]{8})")?(?:,"more":([0-9]+))?(?:,"id":("(?:[^"\\]|\\.)*")(?:,"of":([0-9]+))?)?,"type":"/y

/** The head of the line that begins at an index of a text; undefined when it is none. */
export const headAt = (text: string, index: number, chain: number): Head | undefined => {
  headPattern.lastIndex = index
  const found = headPattern.exec(text)
  if (found === null) return undefined
  const [, position, at, link, more = "0", id, of = "1"] = found
  return {
    position: Number(position),
    at: Number(at),
    link: link === undefined ? undefined : (Number.parseInt(link, 16) ^ chain) >>> 0,
    more: Number(more),
    id: id === undefined ? undefined : textOf(id),
    of: Number(of)
  }
}

const linkMark = ',"link":"'
const linkLength = `${linkMark}00000000"`.length
const moreMark = ',"more":'
const typeMark = ',"type":"'

/** What a scan wants of most lines. */
export type Skimmed = Pick<Head, "at" | "more"> & { readonly hasLink: boolean }

/** The same for the event of a position that is not the last of an append with an id, in a fraction of the time; else undefined. */
export const skimAt = (text: string, index: number, position: number): Skimmed | undefined => {
  const start = `{"position":${position},"at":`
  if (!text.startsWith(start, index)) return undefined
  const at = index + start.length
  const behindAt = text.indexOf(",", at)
  const hasLink = text.startsWith(linkMark, behindAt)
  const behindLink = hasLink ? behindAt + linkLength : behindAt
  const hasMore = text.startsWith(moreMark, behindLink)
  const behindMore = hasMore ? text.indexOf(",", behindLink + moreMark.length) : behindLink
  if (!text.startsWith(typeMark, behindMore)) return undefined
  const more = hasMore ? Number(text.slice(behindLink + moreMark.length, behindMore)) : 0
  return { at: Number(text.slice(at, behindAt)), more, hasLink }
}

/** What every append with an id has in its last line; in data as well where they have such a property. */
export const idMark = ',"id":"'

/** The position that the head of a line says. */
export const positionIn = (head: string): number => Number.parseInt(head.slice(lineStart.length), 10)

/** What JSON text says; none when it is not as it was written, which its line's sum tells. */
const textOf = (json: string): string | undefined => {
  try {
    return JSON.parse(json)
  } catch {
    return undefined
  }
}

const linkPattern = /^\{"position":[0-9]+,"at":[^,"]+,"link":"[0-9a-f]{8}"/

const linkRoom = 96

/** The head of a line that begins what was written in one go, if it is as it was written, whatever is in front of it. */
export const intactAlone = (bytes: Buffer, start: number, end: number, chain: number): Head | undefined => {
  if (!linkPattern.test(bytes.toString("latin1", start, start + linkRoom))) return undefined
  const line = bytes.subarray(start, end)
  const head = headAt(line.toString("utf8"), 0, chain)
  return head?.link !== undefined && sumOf(line, head.link) !== undefined ? head : undefined
}

const dataMark = '","data":'

const types = new Map<string, string>()

/** Types are few, and most have nothing to unescape. */
const typeOf = (raw: string): string => {
  const known = types.get(raw)
  if (known !== undefined) return known
  const type: string = JSON.parse(`"${raw}"`)
  if (types.size >= 1_000) types.clear()
  types.set(raw, type)
  return type
}

const atStart = ',"at":'.length

/**
 * The event of a verified line of a text, whose position is known. In JSON a quote inside a string has a backslash before it, so that
 * neither mark can be part of a name.
 */
export const eventAt = (text: string, start: number, end: number, position: number): Stored => {
  const at = text.indexOf(",", start) + atStart
  const type = text.indexOf(typeMark, at) + typeMark.length
  const data = text.indexOf(dataMark, type)
  return {
    position,
    at: Number(text.slice(at, text.indexOf(",", at))),
    type: typeOf(text.slice(type, data)),
    data: text.slice(data + dataMark.length, end + 1 - endLength)
  }
}
