import { join } from "node:path"
import { Effect, Option } from "effect"
import { type Disk, isAbsent } from "../../file/disk.ts"
import { IoError } from "../../file/ioError.ts"
import type { LogCorrupt } from "../../file/log/scan.ts"
import { directoryOf, isHashed, nameOf, segmentsOf } from "./names.ts"
import { headerOf } from "./segment.ts"

// How many streams are remembered to have events; past it, they are looked at again.
const mostKnown = 100_000

/** The keys of the streams in a directory that ever had an event. */
export class Keys {
  readonly #disk: Disk
  readonly #directory: string
  /** The keys of directories that are known to hold events, durably. */
  readonly #known = new Map<string, string>()

  constructor(disk: Disk, directory: string) {
    this.#disk = disk
    this.#directory = directory
  }

  list(
    collection: string,
    { after, limit, prefix }: { readonly prefix: string; readonly after: string | undefined; readonly limit: number }
  ): Effect.Effect<ReadonlyArray<string>, IoError | LogCorrupt> {
    const directory = join(this.#directory, directoryOf(collection))
    const start = after === undefined ? undefined : Buffer.from(after)
    return Effect.gen({ self: this }, function* () {
      const names = yield* this.#disk.listIfPresent(directory)
      if (names === undefined) return []
      yield* this.#disk.syncDirectory(directory)
      const candidates: Array<readonly [key: string, bytes: Buffer, path: string]> = []
      for (const name of names) {
        const path = join(directory, name)
        // The name of a key that is too long is a hash: only a segment can tell.
        const key = isHashed(name) ? yield* this.#keyOf(path) : nameOf(name)
        if (key === undefined || !key.startsWith(prefix)) continue
        const bytes = Buffer.from(key)
        if (start === undefined || Buffer.compare(bytes, start) > 0) candidates.push([key, bytes, path])
      }
      candidates.sort(([, a], [, b]) => Buffer.compare(a, b))
      const keys: Array<string> = []
      for (const [key, , path] of candidates) {
        if (keys.length >= limit) break
        if (this.#known.has(path) || (yield* this.#keyOf(path)) !== undefined) keys.push(key)
      }
      return keys
    })
  }

  /** Which key the events in a directory are those of; undefined when there are none. */
  #keyOf(path: string): Effect.Effect<string | undefined, IoError | LogCorrupt> {
    const known = this.#known.get(path)
    if (known !== undefined) return Effect.succeed(known)
    const disk = this.#disk
    return Effect.gen({ self: this }, function* () {
      const segment = segmentsOf((yield* disk.listIfPresent(path)) ?? []).at(-1)
      if (segment === undefined) return undefined
      yield* disk.syncDirectory(path)
      const header = yield* Effect.catchIf(
        Effect.asSome(headerOf(disk, join(path, segment.file))),
        (error) => error instanceof IoError && isAbsent(error),
        () => Effect.succeedNone
      )
      // Compacted away meanwhile: another one has taken its place.
      if (Option.isNone(header)) return yield* this.#keyOf(path)
      const { key } = header.value
      if (this.#known.size >= mostKnown) this.#known.clear()
      this.#known.set(path, key)
      return key
    })
  }
}
