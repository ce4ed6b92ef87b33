import { basename } from "node:path"
import { Effect, Stream } from "effect"
import type { KeyFiles } from "./keyFiles.ts"

// Watching is best effort: events get lost, and not every file system has them.
const pollEvery = "500 millis"

/** Looks at a key when its file changes, and at all of them twice a second; until it is interrupted. */
export const watching = (
  { directory, disk, naming }: KeyFiles,
  keys: () => ReadonlyArray<string>,
  look: (key: string) => Effect.Effect<void>
): Effect.Effect<void> => {
  const notified = Stream.map(disk.fs.watch(directory), ({ path }): string | undefined => basename(path))
  const polled = Stream.map(Stream.tick(pollEvery), () => undefined)
  return Stream.runForEach(
    Stream.merge(
      Stream.catchCause(notified, () => Stream.empty),
      polled
    ),
    (file) =>
      Effect.forEach(
        keys().filter((key) => file === undefined || naming.file(key) === file),
        look,
        { discard: true }
      )
  )
}
