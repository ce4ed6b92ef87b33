import { basename, dirname, join } from "node:path"
import { Effect, Exit, type FileSystem, Option, Scope } from "effect"
import { type Disk, isAbsent, isBeingWritten } from "../disk.ts"
import type { IoError } from "../ioError.ts"
import * as Names from "../names.ts"
import * as Owner from "../owner.ts"
import * as Frame from "./frame.ts"
import { Positions } from "./positions.ts"
import { type LogCorrupt, Pages, type Scan, scan } from "./scan.ts"

/** An open file and what is known of it. */
export interface Generation extends Scan {
  readonly file: FileSystem.File
  readonly scope: Scope.Closeable
  readonly inode: bigint | undefined
  readonly mode: number
  readonly positions: Positions
}

/** How a log is opened. */
export interface RecoverOptions {
  /** The position of the first record, if the file is made. */
  readonly first: number
  /** Whether nobody else writes: then a torn tail is cut off. */
  readonly exclusive: boolean
  /** Whether a file that is missing is made. Where there was one, and nobody said so, that would hide a loss. */
  readonly makes?: boolean | undefined
  /** Where the file is cut before it is read. */
  readonly cutAt?: number | undefined
}

/** Opens the file, verifies it, and makes it and its name durable. */
export const recover = (
  disk: Disk,
  path: string,
  options: RecoverOptions
): Effect.Effect<Generation, IoError | LogCorrupt> =>
  Effect.uninterruptible(
    Effect.suspend(() => {
      const scope = Scope.makeUnsafe()
      return Effect.onExit(recoverIn(scope, disk, path, options), (exit) =>
        Exit.isSuccess(exit) ? Effect.void : Effect.ignoreCause(Scope.close(scope, Exit.void))
      )
    })
  )

const recoverIn = (
  scope: Scope.Closeable,
  disk: Disk,
  path: string,
  { cutAt, exclusive, first, makes = false }: RecoverOptions
) =>
  Effect.gen(function* () {
    const open = disk.io(path, Scope.provide(disk.fs.open(path, { flag: "r+" }), scope))
    const file = yield* Effect.catchIf(
      open,
      (error) => makes && isAbsent(error),
      () => Effect.andThen(create(disk, path, first), open)
    )
    if (cutAt !== undefined) yield* disk.io(path, file.truncate(cutAt))
    const info = yield* disk.io(path, file.stat)
    const size = sizeOf(info)
    const positions = new Positions()
    const look = (from?: Scan) => scan(new Pages(disk, path, file, size), from, positions.addFound)
    let scanned = yield* look()
    if (scanned.end < size && exclusive) {
      // A second look, so that nothing is cut off for what was only read wrong.
      scanned = yield* look(scanned)
      if (scanned.end < size) yield* disk.io(path, file.truncate(scanned.end))
    }
    yield* disk.io(path, file.sync)
    yield* disk.syncDirectory(dirname(path))
    return { ...scanned, file, scope, positions, inode: Option.getOrUndefined(info.ino), mode: info.mode & 0o777 }
  })

/** Makes an empty log: a whole first line or no file. */
const create = (disk: Disk, path: string, first: number): Effect.Effect<void, IoError> => {
  const directory = dirname(path)
  const temp = join(directory, Names.tempOf(basename(path)))
  const bytes = Frame.encodeStart(Frame.newGeneration(), first)
  // Nobody has been promised anything yet, so a file that may be there is as good as none.
  return Effect.catchTag(
    disk.replace({ directory, target: path, temp, bytes, mode: undefined }),
    "Unsettled",
    (unsettled) => Effect.fail(unsettled.error)
  )
}

/** Removes the temp files that nobody writes any more. One that cannot be removed takes room, and does no other harm. */
export const sweepTemps = (disk: Disk, path: string): Effect.Effect<void, IoError> => {
  const isStale = (name: string): boolean => {
    const owner = Names.tempOwner(basename(path), name)
    if (owner === undefined) return false
    return Owner.isHere(owner) ? !isBeingWritten(join(dirname(path), name)) : Owner.lifeOf(owner) === "dead"
  }
  return Effect.flatMap(disk.list(dirname(path)), (names) =>
    Effect.forEach(names.filter(isStale), (name) => Effect.ignore(disk.remove(join(dirname(path), name))), {
      discard: true
    })
  )
}

/** Closes the file. What was to be durable is, so a failure is nobody's concern. */
export const close = ({ scope }: Generation) => Effect.ignoreCause(Scope.close(scope, Exit.void))

/** The size of a file. */
export const sizeOf = ({ size }: FileSystem.File.Info): number => Number(size)
