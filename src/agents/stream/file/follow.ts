import { Effect, type Scope, Stream } from "effect"
import type { Disk } from "../../file/disk.ts"
import type { Bounds } from "../Log.ts"

// Watching is best effort: events get lost, and not every file system has them.
const pollEvery = "500 millis"

/** Tells of what other processes append: when the files of a stream change, and by looking twice a second. */
export const follow = <E>(
  disk: Disk,
  directory: string,
  bounds: Effect.Effect<Bounds, E>,
  notice: () => void
): Effect.Effect<void, never, Scope.Scope> => {
  let told = -1
  const look = Effect.map(bounds, ({ last }) => {
    if (last === told) return
    told = last
    notice()
  })
  const changed = Stream.catchCause(
    Stream.map(disk.fs.watch(directory), () => undefined),
    () => Stream.empty
  )
  const polled = Stream.map(Stream.tick(pollEvery), () => undefined)
  // What cannot be read now may be readable later; who reads it is told.
  const looking = Stream.runForEach(Stream.merge(changed, polled), () => Effect.ignore(look))
  return Effect.asVoid(Effect.forkScoped(looking))
}
