/**
 * Text in the order of its code points, which is the order of its UTF-8 bytes, and so that of SQLite's BINARY and of
 * Postgres's "C". JavaScript's own order is by UTF-16 code units, which puts U+1F600 before U+E000. A lone surrogate counts as
 * the code point that it is.
 */

const isHigh = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdbff
const isLow = (unit: number): boolean => unit >= 0xdc00 && unit <= 0xdfff

/** Below, at or above 0, as `Array.sort` takes it. */
export const compare = (a: string, b: string): number => {
  const length = Math.min(a.length, b.length)
  let i = 0
  while (i < length && a.charCodeAt(i) === b.charCodeAt(i)) i++
  // After a high surrogate the difference may lie inside a pair.
  const start = i > 0 && isHigh(a.charCodeAt(i - 1)) ? i - 1 : i
  for (let at = start; at <= i; at++) {
    const difference = (a.codePointAt(at) ?? -1) - (b.codePointAt(at) ?? -1)
    if (difference !== 0) return difference
  }
  return 0
}

const splitsPair = (text: string, at: number): boolean =>
  at > 0 && at < text.length && isHigh(text.charCodeAt(at - 1)) && isLow(text.charCodeAt(at))

/** Whether the first code points of a text are those of the prefix. */
export const startsWith = (text: string, prefix: string): boolean =>
  text.startsWith(prefix) && !splitsPair(text, prefix.length)

/** Whether the code points of `part` stand side by side in a text. */
export const contains = (text: string, part: string): boolean => {
  for (let at = text.indexOf(part); at >= 0; at = at === text.length ? -1 : text.indexOf(part, at + 1))
    if (!splitsPair(text, at) && !splitsPair(text, at + part.length)) return true
  return false
}

/**
 * The least text above all those that begin with a prefix, or `undefined` where there is none. Without `surrogates` it is
 * one that holds no lone surrogate.
 */
export const above = (prefix: string, surrogates: boolean): string | undefined => {
  const points = Array.from(prefix, (character) => character.codePointAt(0) ?? 0)
  for (let last = points.pop(); last !== undefined; last = points.pop()) {
    if (last === 0x10ffff) continue
    // No string has a high surrogate before a low one: those two are one code point.
    const isPair = last === 0xdbff && isHigh(points.at(-1) ?? 0)
    return String.fromCodePoint(...points, isPair || (!surrogates && last === 0xd7ff) ? 0xe000 : last + 1)
  }
  return undefined
}

/** The bytes of a text in WTF-8: UTF-8 in which a lone surrogate is written as the code point that it is. */
export const toBytes = (text: string): Uint8Array => {
  const parts = Array.from(text, (character) => {
    const point = character.codePointAt(0) ?? 0
    return point < 0xd800 || point > 0xdfff
      ? Buffer.from(character, "utf8")
      : Buffer.from([0xe0 | (point >> 12), 0x80 | ((point >> 6) & 0x3f), 0x80 | (point & 0x3f)])
  })
  return Buffer.concat(parts)
}

/** A text from its bytes in WTF-8. */
export const fromBytes = (bytes: Uint8Array): string => {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8")
  return text.includes("\ufffd") ? fromWtf8(bytes) : text
}

const fromWtf8 = (bytes: Uint8Array): string => {
  let text = ""
  for (let i = 0; i < bytes.length; ) {
    const lead = bytes[i] ?? 0
    const length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4
    let point = length === 1 ? lead : lead & (0x7f >> length)
    for (let k = 1; k < length; k++) point = (point << 6) | ((bytes[i + k] ?? 0) & 0x3f)
    text += String.fromCodePoint(point)
    i += length
  }
  return text
}
