import { basename, dirname, resolve } from "node:path"
import { Effect, FileSystem, type Scope } from "effect"
import { StorageUnavailable } from "../StateError.ts"
import { Disk } from "./disk.ts"
import { type FileSharing, FileStore, type Handle } from "./fileStore.ts"
import { type IoError, unavailable } from "./ioError.ts"
import { KeyFiles } from "./keyFiles.ts"
import * as Names from "./names.ts"
import { Recent } from "./recent.ts"
import { Registry } from "./registry.ts"
import type { OpenFailure } from "./states.ts"
import type { Writing } from "./stored.ts"

// The stores that are open in this process.
const stores = new Registry<FileStore>()

/** A store with one opening of it. */
export interface Opened {
  readonly store: FileStore
  readonly handle: Handle
}

/** What opening takes. */
export interface Opening {
  readonly name: string
  readonly path: string
  readonly sharing: FileSharing
  readonly writing: Writing
}

type Open = Effect.Effect<Opened, OpenFailure, Scope.Scope | FileSystem.FileSystem>

interface Place {
  readonly directory: string
  readonly naming: Names.Naming
}

const openStore = (
  { name, sharing, writing }: Opening,
  locate: (disk: Disk) => Effect.Effect<Place, IoError>,
  recent: () => Recent
): Open =>
  Effect.gen(function* () {
    const disk = new Disk(yield* FileSystem.FileSystem)
    const { directory, naming } = yield* Effect.mapError(locate(disk), unavailable({ agent: name }, "open"))
    const id = JSON.stringify([directory, naming.keyed ? "*" : naming.file("")])
    const make = () => new FileStore(new KeyFiles(disk, directory, naming, sharing === "host"), recent(), sharing)
    const store = yield* stores.acquire(disk.fs, id, make)
    if (store.sharing !== sharing) {
      const reason = `this process has it open with sharing: "${store.sharing}"; open it so everywhere, or close it there`
      return yield* new StorageUnavailable({ agent: name, operation: "open", reason, retryable: false })
    }
    yield* store.open(name, writing)
    return { store, handle: yield* store.handle(name, writing) }
  })

/** Two paths to one place are one place. Where the file system cannot say, paths are taken as they are. */
const real = (disk: Disk, path: string): Effect.Effect<string | undefined> =>
  Effect.catch(disk.fs.realPath(path), () => Effect.succeed(undefined))

/** The store of a single file. A symbolic link is followed, and stays one. */
export const openFile = (opening: Opening): Open =>
  openStore(
    opening,
    (disk) =>
      Effect.gen(function* () {
        const given = resolve(opening.path)
        const target = (yield* real(disk, given)) ?? given
        yield* disk.ensureDirectory(dirname(target))
        const directory = (yield* real(disk, dirname(target))) ?? dirname(target)
        return { directory, naming: Names.single(basename(target)) }
      }),
    () => new Recent(1, Number.POSITIVE_INFINITY)
  )

/** The store of a directory of files. */
export const openDirectory = (opening: Opening): Open =>
  openStore(
    opening,
    (disk) =>
      Effect.gen(function* () {
        const given = resolve(opening.path)
        yield* disk.ensureDirectory(given)
        return { directory: (yield* real(disk, given)) ?? given, naming: Names.family }
      }),
    () => new Recent(1_000, 16 * 1024 * 1024)
  )
