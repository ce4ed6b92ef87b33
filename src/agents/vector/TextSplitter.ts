/**
 * Documents in pieces that an embedder takes and that say one thing each: a vector of a whole book is near to everything and
 * to nothing. Cuts are made where a reader would make them: between paragraphs, else lines, else sentences, else words.
 *
 * ```ts
 * const pieces = TextSplitter.split(page.text, { size: 1500, overlap: 200 })
 * yield* memory.addMany(pieces.map(({ text, start }) => [`${page.url}#${start}`, { url: page.url, text }]))
 * ```
 */

/** A part of a text: `text` is what the whole has from `start` to `end`, in UTF-16 code units, as `slice` counts. */
export interface Piece {
  readonly text: string
  readonly start: number
  readonly end: number
}

/** What `split` takes. */
export interface Options {
  /** The most characters of a piece (UTF-16 code units), a whole number from 16. English has some four to a token. Default: 1000. */
  readonly size?: number | undefined
  /**
   * How many characters at the end of a piece the next one begins with, at most, so that what stands around a cut is found
   * together: a whole number below half of the size. Default: 0.
   */
  readonly overlap?: number | undefined
}

/**
 * The pieces of a text, in order. None is blank or longer than `size`, white space around them is left out, and all else is in at
 * least one of them. What a reader sees as one character is not cut, unless it is longer than `size`. Throws a `RangeError` for a
 * size or an overlap that is none.
 */
export const split = (text: string, { overlap = 0, size = 1000 }: Options = {}): ReadonlyArray<Piece> => {
  if (!Number.isSafeInteger(size) || size < 16) throw new RangeError(`size is ${size}; it is a whole number from 16`)
  if (!Number.isSafeInteger(overlap) || overlap < 0 || 2 * overlap >= size)
    throw new RangeError(`overlap is ${overlap}; it is a whole number from 0 and below half of the size`)
  const pieces: Array<Piece> = []
  let covered = 0
  let start = skipSpace(text, 0)
  while (start < text.length) {
    const end = text.length - start <= size ? text.length : cut(text, start, start + size)
    const piece = text.slice(start, end).trimEnd()
    if (start + piece.length > covered) {
      pieces.push({ text: piece, start, end: start + piece.length })
      covered = start + piece.length
    }
    if (end === text.length) break
    const next = skipSpace(text, end)
    start =
      overlap === 0 || next === text.length
        ? next
        : resume(text, start, Math.max(start + 1, start + piece.length - overlap), next)
  }
  return pieces
}

const skipSpace = (text: string, from: number): number => {
  let at = from
  while (at < text.length && /\s/.test(text.charAt(at))) at++
  return at
}

const sentences = new Intl.Segmenter(undefined, { granularity: "sentence" })
const words = new Intl.Segmenter(undefined, { granularity: "word" })
const characters = new Intl.Segmenter(undefined, { granularity: "grapheme" })

// Whether a place is one to cut at may depend on what follows it.
const ahead = 64

/** The best place up to `limit` to end a piece at. */
const cut = (text: string, start: number, limit: number): number => {
  // A piece of less than half the size says too little: then a worse place is better.
  const least = start + Math.ceil((limit - start) / 2)
  const places = (segmenter: Intl.Segmenter) => boundaries(segmenter, text.slice(start, limit + ahead), start)
  return (
    lastIn(matches(/\n[^\S\n]*\n/g, text.slice(least, limit + 2), least), least, limit) ??
    lastIn(matches(/\n/g, text.slice(least, limit + 1), least), least, limit) ??
    lastIn(places(sentences), least, limit) ??
    lastIn(places(words), least, limit) ??
    lastIn(places(characters), start + 1, limit) ??
    // A character of marks without end. A code point is left whole even so.
    (/[\ud800-\udbff]/.test(text.charAt(limit - 1)) ? limit - 1 : limit)
  )
}

/** The first place from `from` where a piece may begin that says again what the end of the one before said, or `end`. */
const resume = (text: string, start: number, from: number, end: number): number => {
  for (const segmenter of [sentences, words])
    for (const at of boundaries(segmenter, text.slice(start, end), start)) {
      const begin = skipSpace(text, at)
      if (at >= from && begin < end) return begin
    }
  return end
}

function* boundaries(segmenter: Intl.Segmenter, window: string, offset: number): Generator<number> {
  for (const { index } of segmenter.segment(window)) yield offset + index
}

function* matches(pattern: RegExp, window: string, offset: number): Generator<number> {
  for (const { index } of window.matchAll(pattern)) yield offset + index
}

const lastIn = (places: Iterable<number>, least: number, most: number): number | undefined => {
  let last: number | undefined
  for (const at of places) if (at >= least && at <= most) last = at
  return last
}
