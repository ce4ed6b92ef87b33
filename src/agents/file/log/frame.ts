/**
 * The text of an append log: a first line about the file, then frames. A frame is a line, the records of one append as
 * they are, and a newline after each, so that records that are JSON are lines of their own (`grep -v ^=`).
 *
 * ```
 * =dgents-log 1 <generation> <lowest position of what is appended> <checksum>
 * =<generation> <offset> <bytes that follow> <position>:<length> <position>:<length> <checksum>
 * {"n":1}
 * {"n":2}
 * ```
 *
 * The checksum (CRC-32, as in zlib) is over all of the frame but its own eight digits and the newline behind them. The
 * generation is random and the offset that of the frame, so that neither a record that quotes a log nor an old block that
 * comes to light after a crash is taken for a frame.
 */
import { randomBytes } from "node:crypto"
import { crc32 } from "node:zlib"

/** What a frame's line says. */
export interface FrameHeader {
  readonly positions: ReadonlyArray<number>
  readonly lengths: ReadonlyArray<number>
  /** The length of the line, and of what follows. */
  readonly headerLength: number
  readonly bodyLength: number
  readonly checksum: string
}

/** One record on its way into a log. */
export interface NewRecord {
  readonly position: number
  readonly payload: Uint8Array
}

const newline = 10

const hex = (checksum: number) => checksum.toString(16).padStart(8, "0")

/** A name for a new generation of a log. */
export const newGeneration = (): string => randomBytes(8).toString("hex")

/** The first line of a log. */
export const encodeStart = (generation: string, next: number): Buffer => {
  const line = `=dgents-log 1 ${generation} ${next} `
  return Buffer.from(`${line}${hex(crc32(line))}\n`, "latin1")
}

const start = /^(=dgents-log ([0-9]+) ([0-9a-f]{16}) ([0-9]{1,16}) )([0-9a-f]{8})\n/

/** More than the first line of any log. */
export const startRoom = 80

/** What the first line of a log says, or why it cannot be trusted. */
export const decodeStart = (bytes: Buffer) => {
  if (bytes.length === 0) return "the file is empty"
  const text = bytes.toString("latin1", 0, startRoom)
  if (!text.startsWith("=dgents-log ")) return "it is not a log of dgents"
  const version = /^=dgents-log ([0-9]+) /.exec(text)?.[1]
  const [line, checked = "", , generation = "", next, checksum] = start.exec(text) ?? []
  if (line === undefined || hex(crc32(checked)) !== checksum) return "its first line was edited or damaged"
  if (version !== "1") return `it has format ${version}, and this version of dgents reads format 1`
  return { generation, next: Number(next), length: line.length }
}

/** What every frame of a generation begins with. */
export const frameStart = (generation: string): string => `=${generation} `

/** The bytes of a frame. */
export const encodeFrame = (generation: string, offset: number, records: ReadonlyArray<NewRecord>): Buffer => {
  const bodyLength = records.reduce((sum, { payload }) => sum + payload.length + 1, 0)
  const list = records.map(({ payload, position }) => `${position}:${payload.length}`).join(" ")
  const line = `${frameStart(generation)}${offset} ${bodyLength} ${list} `
  const bytes = Buffer.allocUnsafe(line.length + 9 + bodyLength)
  bytes.write(line, "latin1")
  const bodyStart = line.length + 9
  let at = bodyStart
  for (const { payload } of records) {
    bytes.set(payload, at)
    at += payload.length
    bytes[at++] = newline
  }
  bytes.write(`${hex(checksumOf(bytes.subarray(0, line.length), bytes.subarray(bodyStart)))}\n`, line.length, "latin1")
  return bytes
}

const checksumOf = (line: Buffer, body: Buffer): number => crc32(body, crc32(line))

/** What may be in a frame's line. */
export const isHeaderText = (text: string): boolean => /^[0-9a-f:= ]*$/.test(text)

/** What the line of the frame at an offset says, its newline included; undefined when it is no such line. */
export const decodeHeader = (generation: string, offset: number, line: string): FrameHeader | undefined => {
  const words = line.slice(0, -1).split(" ")
  const [start, at, body] = words
  const checksum = words.at(-1)
  if (start !== `=${generation}` || at !== String(offset) || checksum?.length !== 8) return undefined
  const positions: Array<number> = []
  const lengths: Array<number> = []
  let total = 0
  for (const word of words.slice(3, -1)) {
    const [position, length, more] = word.split(":").map(Number)
    if (position === undefined || length === undefined || more !== undefined) return undefined
    if (!Number.isSafeInteger(position) || !Number.isSafeInteger(length)) return undefined
    if (position <= (positions.at(-1) ?? -1)) return undefined
    positions.push(position)
    lengths.push(length)
    total += length + 1
  }
  if (body !== String(total)) return undefined
  return { positions, lengths, headerLength: line.length, bodyLength: total, checksum }
}

/** Whether the bytes of a frame have its checksum. */
export const isIntact = (header: FrameHeader, frame: Buffer): boolean => {
  const checked = frame.subarray(0, header.headerLength - 9)
  const body = frame.subarray(header.headerLength, header.headerLength + header.bodyLength)
  return body.length === header.bodyLength && hex(checksumOf(checked, body)) === header.checksum
}

/** The records of a frame, as copies. */
export const recordsOf = (header: FrameHeader, frame: Buffer): ReadonlyArray<NewRecord> => {
  let at = header.headerLength
  return header.positions.map((position, i) => {
    const end = at + (header.lengths[i] ?? 0)
    const payload = new Uint8Array(frame.subarray(at, end))
    at = end + 1
    return { position, payload }
  })
}
