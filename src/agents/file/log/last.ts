import { Effect, Option, Scope } from "effect"
import { type Disk, isAbsent } from "../disk.ts"
import { IoError } from "../ioError.ts"
import * as Frame from "./frame.ts"
import { type Found, LogCorrupt, Pages } from "./scan.ts"

/**
 * The newest record of a log that is not open, searched from the end: as many bytes are read as its group has, and what a
 * torn tail has. It is not made durable, and damage before it is not looked for: for lists and views.
 */
export const lastRecord = (
  disk: Disk,
  path: string
): Effect.Effect<Option.Option<Frame.NewRecord>, IoError | LogCorrupt> => {
  const read = Effect.scopedWith((scope) =>
    Effect.gen(function* () {
      const file = yield* disk.io(path, Scope.provide(disk.fs.open(path, { flag: "r" }), scope))
      const { size } = yield* disk.io(path, file.stat)
      const found = yield* searchBack(new Pages(disk, path, file, Number(size)))
      return Option.fromUndefinedOr(found === undefined ? undefined : Frame.recordsOf(found.header, found.bytes).at(-1))
    })
  )
  return Effect.catchIf(
    read,
    (error): error is IoError => error instanceof IoError && isAbsent(error),
    () => Effect.succeed(Option.none())
  )
}

/** The last frame that is intact. */
const searchBack = (pages: Pages): Effect.Effect<Found | undefined, IoError | LogCorrupt> =>
  Effect.gen(function* () {
    const start = Frame.decodeStart(yield* pages.read(0, Frame.startRoom))
    if (typeof start === "string") return yield* new LogCorrupt({ path: pages.path, offset: 0, reason: start })
    const needle = Frame.frameStart(start.generation)
    for (let length = 4 * 1024, end = pages.size; end > start.length; length *= 4) {
      const from = Math.max(start.length, end - length)
      // A frame's beginning may lie across the end of this part. A copy, since looking closer reads other parts.
      const bytes = Buffer.from(yield* pages.read(from, Math.min(pages.size, end + needle.length) - from))
      for (let hit = bytes.lastIndexOf(needle, undefined, "latin1"); hit >= 0; ) {
        const found = yield* pages.frameAt(start.generation, from + hit)
        if (found !== undefined) return found
        hit = hit === 0 ? -1 : bytes.lastIndexOf(needle, hit - 1, "latin1")
      }
      end = from
    }
    return undefined
  })
