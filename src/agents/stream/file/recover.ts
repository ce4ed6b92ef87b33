import { dirname, join } from "node:path"
import { Effect, Exit, type FileSystem, Scope } from "effect"
import { type Disk, isBeingWritten } from "../../file/disk.ts"
import type { IoError } from "../../file/ioError.ts"
import { type LogCorrupt, Pages } from "../../file/log/scan.ts"
import type { Id } from "../Log.ts"
import { leftovers, type Segment, segmentsOf } from "./names.ts"
import { type Positions, scan, type Tail, tailOf } from "./scan.ts"
import { begin, corrupt, type Opened } from "./segment.ts"

/** What is known of a stream that ever had an event. All of it is durable. */
export interface Current {
  /** Oldest first. */
  readonly segments: ReadonlyArray<Segment>
  /** The last of them, which is open to be appended to. */
  readonly active: Opened
  readonly file: FileSystem.File
  readonly scope: Scope.Closeable
  readonly tail: Tail
  /** The appends with a name in the last segment. */
  readonly ids: Map<string, Positions>
}

/** The position behind which the events of a stream begin. */
export const compactedOf = ({ active, segments }: Current): number => (segments[0] ?? active.segment).first - 1

/** Opens the last segment of a stream, cuts off a torn tail, and makes durable what there is. Nobody else writes meanwhile. */
export const recover = (
  disk: Disk,
  directory: string,
  id: Id
): Effect.Effect<Current | undefined, IoError | LogCorrupt> =>
  Effect.uninterruptible(
    Effect.suspend(() => {
      const scope = Scope.makeUnsafe()
      return Effect.onExit(recoverIn(scope, disk, directory, id), (exit) =>
        Exit.isSuccess(exit) && exit.value !== undefined ? Effect.void : closeScope(scope)
      )
    })
  )

const recoverIn = (scope: Scope.Closeable, disk: Disk, directory: string, id: Id) =>
  Effect.gen(function* () {
    const names = yield* disk.list(directory)
    const segments = segmentsOf(names)
    const last = segments.at(-1)
    if (last === undefined) return undefined
    // The names first: what a segment takes the place of may go only when its own name is durable.
    yield* disk.syncDirectory(directory)
    yield* disk.syncDirectory(dirname(directory))
    yield* disk.syncDirectory(dirname(dirname(directory)))
    const left = leftovers(names, segments, (name) => isBeingWritten(join(directory, name)))
    yield* Effect.forEach(left, (name) => Effect.ignore(disk.remove(join(directory, name))), { discard: true })
    const path = join(directory, last.file)
    const file = yield* disk.io(path, Scope.provide(disk.fs.open(path, { flag: "r+" }), scope))
    const { size } = yield* disk.io(path, file.stat)
    const active = yield* begin(last, new Pages(disk, path, file, Number(size)), id)
    const current = { segments, active, file, scope, tail: tailOf(active), ids: new Map<string, Positions>() }
    return yield* readOn(disk, current)
  })

/** Reads what is behind a tail, cuts off what is torn, and makes the rest durable. Nobody else writes meanwhile. */
export const readOn = (disk: Disk, current: Current): Effect.Effect<Current, IoError | LogCorrupt> => {
  const { active, file, ids } = current
  const { path } = active.pages
  return Effect.gen(function* () {
    const size = Number((yield* disk.io(path, file.stat)).size)
    if (size < current.tail.offset)
      return yield* corrupt(active.pages, size, "it is shorter than what was read of it before")
    const look = (tail: Tail) =>
      scan({ ...active, pages: new Pages(disk, path, file, size) }, tail, ([id, positions]) => ids.set(id, positions))
    let tail = yield* look(current.tail)
    if (tail.offset < size) {
      // A second look, so that nothing is cut off for what was only read wrong.
      tail = yield* look(tail)
      if (tail.offset < size) yield* disk.io(path, file.truncate(tail.offset))
    }
    yield* disk.io(path, file.sync)
    return { ...current, tail }
  })
}

/** Closes the last segment. What was to be durable is, so a failure is nobody's concern. */
export const close = ({ scope }: Current): Effect.Effect<void> => closeScope(scope)

const closeScope = (scope: Scope.Closeable) => Effect.ignoreCause(Scope.close(scope, Exit.void))
