import { join } from "node:path"
import { Effect } from "effect"
import { type Disk, isAbsent, isPresent } from "./disk.ts"
import type { IoError } from "./ioError.ts"
import * as Names from "./names.ts"

/**
 * Earlier frames of the files in one directory: hard links in a sibling directory, made durable before the file changes.
 * What counts as history are the frames of a lower revision than the current one, so no crash can leave a wrong one.
 */
export class FileHistory {
  readonly #disk: Disk
  readonly #directory: string
  /** Directories that were made here and whose names are not yet known to be durable. */
  readonly #unsynced = new Set<string>()

  constructor(disk: Disk, directory: string) {
    this.#disk = disk
    this.#directory = directory
  }

  path(file: string, revision: number): string {
    return join(this.#of(file), Names.revisionFile(revision))
  }

  /** The revisions below one, newest first. */
  list(file: string, below: number): Effect.Effect<ReadonlyArray<number>, IoError> {
    return Effect.map(this.#disk.list(this.#of(file)), (names) =>
      names
        .map(Names.revisionOf)
        .filter((revision) => revision !== undefined)
        .filter((revision) => revision < below)
        .sort((a, b) => b - a)
    )
  }

  /** Keeps the current frame, durably, as the one of its revision. */
  keep(file: string, revision: number): Effect.Effect<void, IoError> {
    const history = this.#of(file)
    const kept = this.path(file, revision)
    const current = join(this.#directory, file)
    const copy = Effect.suspend(() => this.#disk.copyInto(current, kept, join(this.#directory, Names.tempOf(file))))
    const link = Effect.catch(this.#disk.link(current, kept), (error): Effect.Effect<void, IoError> => {
      if (isAbsent(error)) return Effect.fail(error)
      // A link left by a save that failed later on. Its frame is still the current one, so nothing is lost meanwhile.
      if (isPresent(error)) return Effect.andThen(this.#disk.remove(kept), this.#disk.link(current, kept))
      // Not every file system has hard links.
      return copy
    })
    const linked = Effect.suspend(() =>
      this.#unsynced.has(history)
        ? Effect.andThen(this.#make(history), link)
        : Effect.catchIf(link, isAbsent, () => Effect.andThen(this.#make(history), link))
    )
    return Effect.andThen(linked, this.#disk.syncDirectory(history))
  }

  /** Removes all but the newest of the earlier frames. */
  prune(file: string, current: number, keep: number): Effect.Effect<void, IoError> {
    return Effect.flatMap(this.list(file, current), (revisions) =>
      Effect.forEach(revisions.slice(keep - 1), (revision) => this.#disk.remove(this.path(file, revision)), {
        discard: true
      })
    )
  }

  /** Removes all earlier frames, durably, and the directory unless somebody keeps other things there. */
  purge(file: string): Effect.Effect<void, IoError> {
    const history = this.#of(file)
    return Effect.gen({ self: this }, function* () {
      const names = yield* this.#disk.listIfPresent(history)
      if (names === undefined) return
      const ours = names.filter((name) => Names.revisionOf(name) !== undefined)
      for (const name of ours) yield* this.#disk.remove(join(history, name))
      if (ours.length < names.length) return yield* this.#disk.syncDirectory(history)
      yield* this.#disk.remove(history, { recursive: true })
      yield* this.#disk.syncDirectory(this.#directory)
    })
  }

  #make(history: string): Effect.Effect<void, IoError> {
    return Effect.suspend(() => {
      this.#unsynced.add(history)
      return Effect.map(
        Effect.andThen(this.#disk.makeDirectory(history), this.#disk.syncDirectory(this.#directory)),
        () => {
          this.#unsynced.delete(history)
        }
      )
    })
  }

  #of(file: string): string {
    return join(this.#directory, Names.historyOf(file))
  }
}
