import { Effect } from "effect"
import type { Disk } from "../../file/disk.ts"
import type { IoError, Unsettled } from "../../file/ioError.ts"
import type { LogCorrupt } from "../../file/log/scan.ts"
import type { Id } from "../Log.ts"
import * as Line from "./line.ts"
import { segmentAt } from "./names.ts"
import type { Current } from "./recover.ts"
import { scoped } from "./scoped.ts"
import { chunk, corrupt, find, type Opened, open, wholeLines } from "./segment.ts"
import { writeSegment } from "./write.ts"

/**
 * Removes the events up to a position: what is left of the segment that holds it becomes a new one, which takes the place of all in
 * front of it by its name. The files that it replaces are removed when the stream is next recovered.
 */
export const compact = (
  disk: Disk,
  directory: string,
  id: Id,
  { active, segments, tail }: Current,
  position: number
): Effect.Effect<void, IoError | Unsettled | LogCorrupt> =>
  Effect.gen(function* () {
    const source = segments.findLast(({ first }) => first <= position + 1) ?? active.segment
    const end = source === active.segment ? tail.offset : undefined
    const copied = yield* scoped(
      Effect.flatMap(open(disk, directory, source, id, end), (opened) => copy(opened, position))
    )
    yield* writeSegment(disk, directory, segmentAt(position + 1, true), copied)
  })

/** The bytes of a segment with what is behind a position. */
const copy = (opened: Opened, position: number): Effect.Effect<ReadonlyArray<Buffer>, IoError | LogCorrupt> =>
  Effect.gen(function* () {
    const { header, pages } = opened
    let { offset, sum: before } = yield* find(opened, (head) => head.position < position)
    const chain = Line.newChain()
    let at = header.at
    let parts: Array<Buffer> = []
    let sum = 0
    const begin = () => {
      const first = Line.encodeHeader({ ...header, first: position + 1, at, chain })
      parts = [first.bytes]
      sum = first.sum
    }
    begin()
    for (;;) {
      const bytes = yield* wholeLines(pages, offset, chunk)
      if (bytes.length === 0) return parts
      const good = Line.intact(bytes, before)
      if (good.length < bytes.length)
        return yield* corrupt(pages, offset + good.length, "what is there is not as it was written")
      const text = bytes.toString("utf8")
      for (let start = 0; start < text.length; ) {
        const end = text.indexOf("\n", start)
        const head = Line.headAt(text, start, header.chain)
        if (head === undefined) return yield* corrupt(pages, offset, "what is there is not an event")
        if (head.position <= position) {
          at = head.at
          begin()
        } else {
          // Each is a line of its own, as if written alone: all of them are acknowledged.
          const event = Line.eventAt(text, start, end, head.position)
          const line = Line.encodeLines(chain, sum, [{ event, id: head.id, of: head.of }])
          parts.push(line.bytes)
          sum = line.sum
        }
        start = end + 1
      }
      offset += bytes.length
      before = good.sum
    }
  })
