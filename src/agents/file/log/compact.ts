import { Effect, PlatformError } from "effect"
import { type Disk, writeFully } from "../disk.ts"
import { IoError } from "../ioError.ts"
import * as Frame from "./frame.ts"
import type { Generation } from "./recover.ts"
import { LogCorrupt, Pages } from "./scan.ts"

// A frame is written once it has as much as this.
const frameBytes = 1024 * 1024
const frameRecords = 4096

/** Writes the records of a log that stay to another file, durably. A frame of each is in memory at a time. */
export const compact = (
  disk: Disk,
  path: string,
  { end, file, generation, mode, next }: Generation,
  temp: string,
  keeps: (position: number, bytes: number) => boolean
): Effect.Effect<void, IoError | LogCorrupt> => {
  const copy = Effect.scoped(
    Effect.gen(function* () {
      const target = yield* disk.fs.open(temp, { flag: "wx", mode })
      const id = Frame.newGeneration()
      const start = Frame.encodeStart(id, next)
      yield* writeFully(target, start)
      let written = start.length
      let records: Array<Frame.NewRecord> = []
      let size = 0
      const flush = Effect.suspend(() => {
        if (records.length === 0) return Effect.void
        const frame = Frame.encodeFrame(id, written, records)
        written += frame.length
        records = []
        size = 0
        return writeFully(target, frame)
      })
      const pages = new Pages(disk, path, file, end)
      for (let offset = (yield* pages.findFrame(generation, 0))?.offset ?? end; offset < end; ) {
        const found = yield* pages.frameAt(generation, offset)
        if (found === undefined) return yield* changed(path, offset)
        for (const record of Frame.recordsOf(found.header, found.bytes)) {
          if (!keeps(record.position, record.payload.length)) continue
          records.push(record)
          size += record.payload.length
        }
        if (size >= frameBytes || records.length >= frameRecords) yield* flush
        offset = found.end
      }
      yield* flush
      yield* target.sync
    })
  )
  return asIoError(temp, copy)
}

/** A frame that was intact when the log was opened. */
export const changed = (path: string, offset: number): LogCorrupt =>
  new LogCorrupt({ path, offset, reason: "what is there is no longer what it was when opened" })

/** What a file system says, and its closing of a file, as an error that names the path. */
const asIoError = <A, E>(path: string, effect: Effect.Effect<A, E | PlatformError.PlatformError>) =>
  Effect.catchDefect(
    Effect.mapError(effect, (error) =>
      // Sound: the other branch has taken PlatformError out.
      PlatformError.isPlatformError(error)
        ? new IoError({ path, cause: error })
        : (error as Exclude<E, PlatformError.PlatformError>)
    ),
    (defect) =>
      PlatformError.isPlatformError(defect) ? Effect.fail(new IoError({ path, cause: defect })) : Effect.die(defect)
  )
