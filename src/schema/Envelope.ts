/**
 * What stands before the bytes that a codec of this library made, so that every payload tells how to read it: the word `dgents`,
 * a letter for the layer, and `t` or `b` for whether the payload inside is text or bytes. Eight ASCII characters, legible in a dump.
 */
import type { Payload } from "./Codec.ts"

/** Which layer: `z` zstd, `g` gzip, `r` raw, `c` CBOR, `e` encrypted. */
export type Kind = "z" | "g" | "r" | "c" | "e"

/** Bytes with what their envelope says. */
export interface Envelope {
  readonly kind: Kind
  readonly isText: boolean
  readonly body: Buffer
}

const magic = Buffer.from("dgents")
const kinds: ReadonlyArray<Kind> = ["z", "g", "r", "c", "e"]
const length = magic.length + 2

/** The eight bytes of an envelope. */
export const head = (kind: Kind, isText: boolean): Buffer => Buffer.from(`dgents${kind}${isText ? "t" : "b"}`, "latin1")

/** Bytes in an envelope. */
export const write = (kind: Kind, isText: boolean, ...parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const all = [head(kind, isText), ...parts]
  // Of its own memory, and not of the pool that buffers come from: who hands it to another thread sends the whole of that.
  const bytes = new Uint8Array(all.reduce((sum, part) => sum + part.byteLength, 0))
  let at = 0
  for (const part of all) {
    bytes.set(part, at)
    at += part.byteLength
  }
  return bytes
}

/** What an envelope holds; `undefined` for a payload that is in none. */
export const read = (payload: Payload): Envelope | undefined => {
  if (typeof payload === "string" || payload.byteLength < length) return undefined
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength)
  const content = bytes.toString("latin1", magic.length + 1, length)
  const kind = kinds.find((kind) => kind === bytes.toString("latin1", magic.length, magic.length + 1))
  if (
    kind === undefined ||
    (content !== "t" && content !== "b") ||
    bytes.compare(magic, 0, magic.length, 0, magic.length) !== 0
  )
    return undefined
  return { kind, isText: content === "t", body: bytes.subarray(length) }
}

/** A payload as bytes, and whether it was text; `undefined` for text that UTF-8 cannot hold. */
export const toBytes = (payload: Payload): { readonly bytes: Buffer; readonly isText: boolean } | undefined => {
  if (typeof payload !== "string")
    return { bytes: Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength), isText: false }
  return payload.isWellFormed() ? { bytes: Buffer.from(payload, "utf8"), isText: true } : undefined
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** The payload of which these are the bytes. Throws for text that is none. */
export const fromBytes = (bytes: Uint8Array, isText: boolean): Payload =>
  isText ? utf8.decode(bytes) : new Uint8Array(bytes)
