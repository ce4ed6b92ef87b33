/**
 * How a segment is read: in pages, verified, from a position that is looked for by halving, since the lines are sorted. Nothing
 * about its lines is kept in memory.
 */
import { join } from "node:path"
import { Effect, Scope } from "effect"
import type { Disk } from "../../file/disk.ts"
import type { IoError } from "../../file/ioError.ts"
import { LogCorrupt, Pages } from "../../file/log/scan.ts"
import type { Id, Stored } from "../Log.ts"
import * as Line from "./line.ts"
import type { Segment } from "./names.ts"
import { scoped } from "./scoped.ts"

/** A place in a segment where a line begins. */
export interface Place {
  readonly offset: number
  /** The sum of the line in front. */
  readonly sum: number
}

/** How much is read at a time, where much is wanted. */
export const chunk = 1024 * 1024

// The least that is read at a time.
const near = 64 * 1024

// A search by halving ends where this is left.
const few = 1024

// How long lines are, more or less: for how much is read when only so many are wanted.
const usualLine = 192

/** A segment that is open to be read. */
export interface Opened {
  readonly segment: Segment
  readonly header: Line.Header
  readonly pages: Pages
  /** Where the first event is. */
  readonly begin: Place
}

/** The bytes of whole lines from an offset on: at least one line, unless none is whole. Valid until the next read. */
export const wholeLines = (pages: Pages, offset: number, room: number): Effect.Effect<Buffer, IoError> =>
  Effect.flatMap(pages.read(offset, room), (bytes) => {
    const end = bytes.lastIndexOf(Line.newline) + 1
    if (end > 0 || offset + bytes.length >= pages.size) return Effect.succeed(bytes.subarray(0, end))
    return wholeLines(pages, offset, room * 4)
  })

/** What is wrong with a segment. */
export const corrupt = (pages: Pages, offset: number, reason: string): LogCorrupt =>
  new LogCorrupt({ path: pages.path, offset, reason })

const edited = (pages: Pages, offset: number) => corrupt(pages, offset, "what is there is not as it was written")

/** Reads and verifies the first line of a segment. */
const readHeader = (pages: Pages) =>
  Effect.flatMap(wholeLines(pages, 0, near), (bytes) => {
    const line = bytes.subarray(0, bytes.indexOf(Line.newline) + 1)
    const decoded = Line.decodeHeader(line)
    return typeof decoded === "string"
      ? Effect.fail(corrupt(pages, 0, decoded))
      : Effect.succeed({ header: decoded.header, begin: { offset: line.length, sum: decoded.sum } })
  })

/** Reads the first line of a segment, which has to be that of a stream. */
export const begin = (segment: Segment, pages: Pages, id: Id): Effect.Effect<Opened, IoError | LogCorrupt> =>
  Effect.flatMap(readHeader(pages), ({ begin, header }) =>
    header.collection === id.collection && header.key === id.key && header.first === segment.first
      ? Effect.succeed({ segment, header, pages, begin })
      : Effect.fail(corrupt(pages, 0, "it is a segment of another stream, or from another place in it"))
  )

const openPages = (disk: Disk, path: string, end?: number): Effect.Effect<Pages, IoError, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Scope.Scope
    const file = yield* disk.io(path, Scope.provide(disk.fs.open(path, { flag: "r" }), scope))
    const size = end ?? Number((yield* disk.io(path, file.stat)).size)
    return new Pages(disk, path, file, size)
  })

/** Opens a segment to be read up to an offset, or all of it, until the scope closes. */
export const open = (
  disk: Disk,
  directory: string,
  segment: Segment,
  id: Id,
  end: number | undefined
): Effect.Effect<Opened, IoError | LogCorrupt, Scope.Scope> =>
  Effect.flatMap(openPages(disk, join(directory, segment.file), end), (pages) => begin(segment, pages, id))

/** What the first line of a segment says of its stream. */
export const headerOf = (disk: Disk, path: string): Effect.Effect<Line.Header, IoError | LogCorrupt> =>
  scoped(Effect.flatMap(openPages(disk, path), (pages) => Effect.map(readHeader(pages), ({ header }) => header)))

/** A line that was looked for; without a head it is the end of the segment. */
export interface Sought extends Place {
  readonly head: Line.Head | undefined
}

/** The first line that a function does not call early; all early ones are in front of it. */
export const find = (
  { begin, header, pages }: Opened,
  isEarly: (head: Line.Head) => boolean
): Effect.Effect<Sought, IoError | LogCorrupt> =>
  Effect.gen(function* () {
    let low = begin.offset
    let high = pages.size
    while (high - low > few) {
      // From here on all that is looked at is in memory.
      if (high - low <= near) yield* pages.read(low, high - low)
      const middle = Math.floor((low + high) / 2)
      const start = yield* nextLine(pages, middle, high)
      if (start === undefined) high = middle
      else if (isEarly(yield* headOf(pages, header, start))) low = start
      else high = middle
    }
    for (;;) {
      const bytes = yield* wholeLines(pages, low, 2 * few)
      for (let at = 0; at < bytes.length; ) {
        const end = bytes.indexOf(Line.newline, at) + 1
        const head = Line.headAt(bytes.toString("utf8", at, end), 0, header.chain)
        if (head === undefined) return yield* edited(pages, low + at)
        if (!isEarly(head)) return { ...(yield* placeAt(pages, low + at)), head }
        at = end
      }
      low += bytes.length
      if (bytes.length === 0) return { ...(yield* placeAt(pages, low)), head: undefined }
    }
  })

/** Where the first line begins behind an offset. */
const nextLine = (pages: Pages, from: number, to: number): Effect.Effect<number | undefined, IoError> =>
  Effect.flatMap(pages.read(from, Math.min(near, to - from)), (bytes) => {
    const end = bytes.indexOf(Line.newline)
    if (end >= 0) return Effect.succeed(from + end + 1 < to ? from + end + 1 : undefined)
    return from + bytes.length >= to || bytes.length === 0
      ? Effect.succeed(undefined)
      : nextLine(pages, from + bytes.length, to)
  })

const headOf = (pages: Pages, { chain }: Line.Header, offset: number): Effect.Effect<Line.Head, IoError | LogCorrupt> =>
  Effect.flatMap(wholeLines(pages, offset, few), (bytes) => {
    const head = Line.headAt(bytes.toString("utf8", 0, bytes.indexOf(Line.newline) + 1), 0, chain)
    return head === undefined ? Effect.fail(edited(pages, offset)) : Effect.succeed(head)
  })

const placeAt = (pages: Pages, offset: number): Effect.Effect<Place, IoError> =>
  Effect.map(pages.read(offset - Line.endLength, Line.endLength), (end) => ({
    offset,
    sum: Line.sumIn(end, Line.endLength)
  }))

/** Some events, and where those behind them are. */
export interface Found {
  readonly events: ReadonlyArray<Stored>
  readonly next: Place
}

/** The events from a place on: at most so many, and no more once their data has so many bytes. */
export const readFrom = (
  { header, pages }: Opened,
  from: Place,
  position: number,
  limit: number,
  mostBytes: number
): Effect.Effect<Found, IoError | LogCorrupt> =>
  Effect.gen(function* () {
    const events: Array<Stored> = []
    let { offset, sum } = from
    let data = 0
    while (events.length < limit && data < mostBytes) {
      const room = Math.min(chunk, Math.max(near, (limit - events.length) * usualLine))
      const bytes = yield* wholeLines(pages, offset, room)
      if (bytes.length === 0) break
      const good = Line.intact(bytes, sum)
      const text = bytes.toString("utf8", 0, good.length)
      let start = 0
      if (events.length === 0 && Line.headAt(text, 0, header.chain)?.position !== position) {
        return yield* edited(pages, offset)
      }
      while (start < text.length && events.length < limit && data < mostBytes) {
        const end = text.indexOf("\n", start)
        const event = Line.eventAt(text, start, end, position + events.length)
        events.push(event)
        data += event.data.length
        start = end + 1
      }
      if (start < text.length) {
        const read = text.length === good.length ? start : Buffer.byteLength(text.slice(0, start))
        return { events, next: yield* placeAt(pages, offset + read) }
      }
      // A page without what is behind the damage would look like the last one.
      if (good.length < bytes.length) return yield* edited(pages, offset + good.length)
      offset += bytes.length
      sum = good.sum
    }
    return { events, next: { offset, sum } }
  })
