import { join } from "node:path"
import { Effect, type FileSystem } from "effect"
import { type Disk, writeFully } from "../../file/disk.ts"
import type { IoError, Unsettled } from "../../file/ioError.ts"
import * as Names from "../../file/names.ts"
import type { Segment } from "./names.ts"
import type { Current } from "./recover.ts"
import { scoped } from "./scoped.ts"

/** Makes a segment with its first lines: it is there whole and durably, or not at all. */
export const writeSegment = (
  disk: Disk,
  directory: string,
  { file }: Segment,
  parts: ReadonlyArray<Buffer>
): Effect.Effect<void, IoError | Unsettled> =>
  disk.replace({
    directory,
    target: join(directory, file),
    temp: join(directory, Names.tempOf(file)),
    bytes: Buffer.concat(parts),
    mode: undefined
  })

/** Writes lines behind the tail, durably. */
export const appendLines = (
  disk: Disk,
  { active, file, tail }: Current,
  lines: Buffer
): Effect.Effect<void, IoError> => {
  const write = Effect.andThen(file.seek(BigInt(tail.offset), "start"), writeFully(file, lines))
  return disk.io(active.pages.path, Effect.andThen(write, file.sync))
}

/** Takes back what a failed append may have left, on a handle of its own: one whose fsync has failed is not used again. */
export const takeBack = (disk: Disk, { active, tail }: Current): Effect.Effect<void, IoError> => {
  const cut = (file: FileSystem.File) => Effect.andThen(file.truncate(tail.offset), file.sync)
  const { path } = active.pages
  return disk.io(path, scoped(Effect.flatMap(disk.fs.open(path, { flag: "r+" }), cut)))
}
