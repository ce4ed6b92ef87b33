import { Effect } from "effect"
import type { IoError } from "../../file/ioError.ts"
import type { LogCorrupt, Pages } from "../../file/log/scan.ts"
import * as Line from "./line.ts"
import { chunk, corrupt, type Opened, type Place, wholeLines } from "./segment.ts"

/** How far a segment is whole: the end of what was last written in one go, and what was there. */
export interface Tail extends Place {
  /** The position of the last event. */
  readonly last: number
  /** When it was appended. */
  readonly at: number
}

/** The positions of an append. */
export interface Positions {
  readonly first: number
  readonly last: number
}

/** An append that has a name. */
export type Named = readonly [id: string, positions: Positions]

/** The tail of a segment without events. */
export const tailOf = ({ begin, header }: Opened): Tail => ({ ...begin, last: header.first - 1, at: header.at })

/**
 * Reads a segment from a tail on to its end. What is bad there is a torn tail if nothing behind it was written later, and corruption
 * otherwise; of what was written in one go all is whole or nothing counts.
 */
export const scan = (
  { header, pages }: Opened,
  from: Tail,
  each: (named: Named) => void
): Effect.Effect<Tail, IoError | LogCorrupt> =>
  Effect.gen(function* () {
    let tail = from
    let { last, offset, sum } = from
    let more = 0
    let named: Array<Named> = []
    for (;;) {
      const bytes = yield* wholeLines(pages, offset, chunk)
      const good = Line.intact(bytes, sum)
      const skimmed = good.length < bytes.length ? undefined : skim(bytes, last + 1, more)
      if (skimmed !== undefined) {
        const { whole } = skimmed
        if (whole !== undefined) {
          for (const one of named) each(one)
          named = []
          tail = { offset: offset + whole.end, sum: Line.sumIn(bytes, whole.end), last: whole.last, at: whole.at }
        }
        last = skimmed.last
        more = skimmed.more
        offset += bytes.length
        sum = good.sum
        continue
      }
      const text = bytes.toString("utf8", 0, good.length)
      // Then an index of the text is an offset too.
      const isAscii = text.length === good.length
      let index = 0
      for (let start = 0; start < good.length; ) {
        const end = (isAscii ? text.indexOf("\n", start) : bytes.indexOf(Line.newline, start)) + 1
        const usual = Line.skimAt(text, index, last + 1)
        const head = usual === undefined ? Line.headAt(text, index, header.chain) : undefined
        const line = usual ?? (head && { ...head, hasLink: head.link !== undefined })
        if (line === undefined || (head && head.position !== last + 1) || line.hasLink !== (more === 0))
          return yield* corrupt(pages, offset + start, `it is not the event of position ${last + 1}`)
        last++
        more = line.more
        if (head?.id !== undefined) named.push([head.id, { first: last + 1 - head.of, last }])
        if (more === 0) {
          for (const one of named) each(one)
          named = []
          tail = { offset: offset + end, sum: Line.sumIn(bytes, end), last, at: line.at }
        }
        start = end
        index = isAscii ? end : text.indexOf("\n", index) + 1
      }
      offset += good.length
      sum = good.sum
      if (good.length < bytes.length || bytes.length === 0) break
    }
    const behind = yield* findBehind(pages, header, offset, last + 1)
    if (behind !== undefined) {
      const reason = `what is there is not as it was written, and good events follow at ${behind}`
      return yield* corrupt(pages, offset, reason)
    }
    return tail
  })

/** What a scan learns from lines that are as they were written. */
interface Skimmed {
  /** The position of the last of them. */
  readonly last: number
  /** How many lines follow of what was written in one go. */
  readonly more: number
  /** The last line among them that ends what was written in one go. */
  readonly whole: { readonly end: number; readonly last: number; readonly at: number } | undefined
}

/**
 * What lines say that are as they were written, from the first of them and those at the end; undefined where the others have to be
 * looked at, since an append may have a name, or since something is wrong.
 */
const skim = (bytes: Buffer, position: number, expected: number): Skimmed | undefined => {
  if (bytes.length === 0 || bytes.includes(Line.idMark)) return undefined
  const first = Line.skimAt(headIn(bytes, 0), 0, position)
  if (first?.hasLink !== (expected === 0)) return undefined
  let end = bytes.length
  let start = lineBefore(bytes, end)
  const lastHead = headIn(bytes, start)
  const last = Line.positionIn(lastHead)
  let line = Line.skimAt(lastHead, 0, last)
  if (line === undefined) return undefined
  const { more } = line
  for (let at = last; line !== undefined; line = Line.skimAt(headIn(bytes, start), 0, --at)) {
    if (line.more === 0) return { last, more, whole: { end, last: at, at: line.at } }
    if (start === 0) return { last, more, whole: undefined }
    end = start
    start = lineBefore(bytes, end)
  }
  return undefined
}

/** Where the line begins that ends at an offset. */
const lineBefore = (bytes: Buffer, end: number): number => bytes.lastIndexOf(Line.newline, end - 2) + 1

// More than what is in front of a type, where there is no id.
const headRoom = 160

/** What is in front of the type of an event is ASCII. */
const headIn = (bytes: Buffer, start: number): string => bytes.toString("latin1", start, start + headRoom)

/** Where the next line is that was written when all in front of it was durable. */
const findBehind = (
  pages: Pages,
  { chain }: Line.Header,
  from: number,
  position: number
): Effect.Effect<number | undefined, IoError> =>
  Effect.gen(function* () {
    for (let offset = from; ; ) {
      const bytes = yield* wholeLines(pages, offset, chunk)
      if (bytes.length === 0) return undefined
      for (let start = bytes.indexOf(Line.lineStart); start >= 0; start = bytes.indexOf(Line.lineStart, start + 1)) {
        const head = Line.intactAlone(bytes, start, bytes.indexOf(Line.newline, start) + 1, chain)
        if (head !== undefined && head.position >= position) return offset + start
      }
      offset += bytes.length
    }
  })
