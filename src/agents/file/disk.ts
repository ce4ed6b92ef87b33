/**
 * The durable steps of the snapshot protocol, over Effect's `FileSystem`, so that a simulated disk can run them.
 *
 * The order follows Pillai et al., "All File Systems Are Not Created Equal" (OSDI 2014): nothing but an fsync of the file
 * makes its bytes durable, and nothing but an fsync of the directory makes its name durable.
 */
import { dirname } from "node:path"
import { Effect, Exit, type FileSystem, Option, PlatformError, Scope } from "effect"
import { codeOf, IoError, Unsettled } from "./ioError.ts"

/** Windows cannot fsync a directory: a rename there survives a kill, and a power cut only as far as NTFS cares to. */
export const canSyncDirectories = process.platform !== "win32"

// Windows flushes only handles that may write.
const syncFlag: FileSystem.OpenFlag = process.platform === "win32" ? "r+" : "r"

// The temp files and marks of this thread: whatever else has its name is left from an earlier time.
const beingWritten = new Set<string>()

/** Whether a temp file or a mark of this thread is in use. */
export const isBeingWritten = (temp: string): boolean => beingWritten.has(temp)

/** One file to replace. */
export interface Snapshot {
  readonly directory: string
  readonly target: string
  readonly temp: string
  readonly bytes: Uint8Array
  readonly mode: number | undefined
}

export class Disk {
  readonly fs: FileSystem.FileSystem
  /** Temp files that could not be removed when their write failed. */
  readonly #litter = new Set<string>()

  constructor(fs: FileSystem.FileSystem) {
    this.fs = fs
  }

  /**
   * Replaces a file: what it held before is there, or all of the new bytes, whatever happens. Durable on success. What has
   * to be durable before the target changes runs while the new bytes are written.
   */
  replace<E = never>(
    snapshot: Snapshot,
    beforeRename?: Effect.Effect<void, E>
  ): Effect.Effect<void, IoError | Unsettled | E> {
    const { directory, target, temp } = snapshot
    const replaced = this.#withTemp(temp, (scope) =>
      Effect.flatMap(
        Effect.tapError(
          both(this.#writeTemp(snapshot, scope, this.#openDirectory(directory, scope)), beforeRename),
          () => this.#discard(temp)
        ),
        (names) =>
          Effect.andThen(
            this.#rename(temp, target),
            names === undefined
              ? Effect.void
              : Effect.mapError(this.io(directory, names.sync), (error) => new Unsettled({ error }))
          )
      )
    )
    if (this.#litter.size === 0) return replaced
    return Effect.andThen(
      Effect.forEach(this.#litter, (temp) => this.#discard(temp), { discard: true }),
      replaced
    )
  }

  /**
   * Files are closed together at the end: a close waits for a thread as an fsync does, and after the fsync it decides
   * nothing any more. So its failure is nobody's concern.
   */
  #withTemp<A, E>(temp: string, use: (scope: Scope.Scope) => Effect.Effect<A, E>): Effect.Effect<A, E> {
    return Effect.suspend(() => {
      const scope = Scope.makeUnsafe("parallel")
      beingWritten.add(temp)
      const end = Effect.suspend(() => {
        beingWritten.delete(temp)
        return Effect.ignoreCause(Scope.close(scope, Exit.void))
      })
      return Effect.ensuring(use(scope), end)
    })
  }

  #openDirectory(path: string, scope: Scope.Scope): Effect.Effect<FileSystem.File | undefined, IoError> {
    return canSyncDirectories
      ? this.io(path, Scope.provide(this.fs.open(path, { flag: "r" }), scope))
      : Effect.succeed(undefined)
  }

  #discard(temp: string): Effect.Effect<boolean> {
    return Effect.match(this.remove(temp), {
      onSuccess: (wasThere) => {
        this.#litter.delete(temp)
        return wasThere
      },
      onFailure: () => {
        this.#litter.add(temp)
        return false
      }
    })
  }

  /** Writes a temp file and makes it durable, while `meanwhile` runs. */
  #writeTemp<A>(
    { bytes, mode, temp }: Snapshot,
    scope: Scope.Scope,
    meanwhile: Effect.Effect<A, IoError>
  ): Effect.Effect<A, IoError> {
    // "wx" fails rather than follow or overwrite what is there.
    const options = mode === undefined ? { flag: "wx" as const } : { flag: "wx" as const, mode }
    const opened = this.io(temp, Scope.provide(this.fs.open(temp, options), scope))
    return Effect.flatMap(opened, (file) =>
      Effect.flatMap(this.io(temp, writeFully(file, bytes)), () =>
        Effect.map(Effect.all([this.io(temp, file.sync), meanwhile], { concurrency: 2 }), ([, answer]) => answer)
      )
    )
  }

  /** A rename that reports an error may still have happened; whether the temp file is gone tells. */
  #rename(temp: string, target: string): Effect.Effect<void, IoError | Unsettled> {
    return Effect.catch(this.io(target, this.fs.rename(temp, target)), (error) =>
      Effect.flatMap(
        this.#discard(temp),
        (wasThere): Effect.Effect<never, IoError | Unsettled> =>
          Effect.fail(wasThere ? error : new Unsettled({ error }))
      )
    )
  }

  /** The bytes of a file, if it exists. */
  read(path: string): Effect.Effect<Option.Option<Uint8Array>, IoError> {
    return absentAsNone(this.io(path, this.fs.readFile(path)))
  }

  /** The names in a directory, none when it does not exist. */
  list(path: string): Effect.Effect<ReadonlyArray<string>, IoError> {
    return Effect.map(this.listIfPresent(path), (names) => names ?? [])
  }

  /** The names in a directory, if it exists. */
  listIfPresent(path: string): Effect.Effect<ReadonlyArray<string> | undefined, IoError> {
    return Effect.map(absentAsNone(this.io(path, this.fs.readDirectory(path))), Option.getOrUndefined)
  }

  /** Removes a file; whether it was there. */
  remove(path: string, options?: { readonly recursive: boolean }): Effect.Effect<boolean, IoError> {
    return Effect.map(absentAsNone(this.io(path, this.fs.remove(path, options))), Option.isSome)
  }

  /** Removes a file durably. A removal that reports an error may still have happened; whether the file is there tells. */
  removeDurably(directory: string, path: string): Effect.Effect<void, IoError | Unsettled> {
    const removed = Effect.catch(this.remove(path), (error) =>
      Effect.matchEffect(this.io(path, this.fs.stat(path)), {
        onSuccess: () => Effect.fail(error),
        onFailure: (failure) => (isAbsent(failure) ? Effect.void : Effect.fail(new Unsettled({ error })))
      })
    )
    return Effect.andThen(
      removed,
      Effect.mapError(this.syncDirectory(directory), (error) => new Unsettled({ error }))
    )
  }

  /** Makes an empty file that nobody else makes, and removes it with the scope. It need not be durable. */
  mark(path: string): Effect.Effect<void, IoError, Scope.Scope> {
    const made = Effect.map(
      this.#withFile(path, { flag: "wx" }, () => Effect.void),
      () => {
        beingWritten.add(path)
      }
    )
    return Effect.acquireRelease(made, () => {
      beingWritten.delete(path)
      return Effect.ignore(this.remove(path))
    })
  }

  /** Fails unless a directory is there. */
  expectDirectory(path: string): Effect.Effect<void, IoError> {
    return Effect.flatMap(this.io(path, this.fs.stat(path)), ({ type }) =>
      type === "Directory" ? Effect.void : Effect.fail(notDirectory(path))
    )
  }

  /** Fails if a directory is there. */
  expectNoDirectory(path: string): Effect.Effect<void, IoError> {
    return Effect.flatMap(absentAsNone(this.io(path, this.fs.stat(path))), (found) =>
      Option.isSome(found) && found.value.type === "Directory" ? Effect.fail(isDirectory(path)) : Effect.void
    )
  }

  /** Whether there is something of a name. */
  exists(path: string): Effect.Effect<boolean, IoError> {
    return Effect.map(absentAsNone(this.io(path, this.fs.stat(path))), Option.isSome)
  }

  /** Makes a file's bytes durable; answers its permissions. */
  syncFile(path: string): Effect.Effect<number, IoError> {
    return this.#withFile(path, { flag: syncFlag }, (file) =>
      Effect.map(Effect.andThen(file.sync, file.stat), ({ mode }) => mode & 0o777)
    )
  }

  /** Makes the names in a directory durable. */
  syncDirectory(path: string): Effect.Effect<void, IoError> {
    if (!canSyncDirectories) return Effect.void
    return this.#withFile(path, { flag: "r" }, (file) => file.sync)
  }

  /**
   * Makes sure that a directory is there, durably. The nearest parent that exists may have been made a moment ago by a
   * process that was killed before its fsync, so that one is made durable too.
   */
  ensureDirectory(path: string): Effect.Effect<void, IoError> {
    const parent = dirname(path)
    return Effect.matchEffect(this.expectDirectory(path), {
      onSuccess: () =>
        parent === path
          ? Effect.void
          : Effect.catchIf(
              this.syncDirectory(parent),
              // A parent that we may not open is one in which we could not have made this directory.
              ({ cause }) => cause.reason._tag === "PermissionDenied",
              () => Effect.void
            ),
      onFailure: (error) => {
        if (!isAbsent(error) || parent === path) return Effect.fail(error)
        return Effect.andThen(
          this.ensureDirectory(parent),
          Effect.andThen(this.makeDirectory(path), this.syncDirectory(parent))
        )
      }
    })
  }

  /** Makes a directory in one that exists, unless it is there. */
  makeDirectory(path: string): Effect.Effect<void, IoError> {
    return Effect.catchIf(this.io(path, this.fs.makeDirectory(path)), isPresent, () => this.expectDirectory(path))
  }

  #withFile<A>(
    path: string,
    options: { readonly flag: FileSystem.OpenFlag; readonly mode?: number },
    use: (file: FileSystem.File) => Effect.Effect<A, PlatformError.PlatformError>
  ): Effect.Effect<A, IoError> {
    // A failed close comes as a defect.
    return Effect.catchDefect(
      this.io(path, Effect.scoped(Effect.flatMap(this.fs.open(path, options), use))),
      (defect) =>
        PlatformError.isPlatformError(defect) ? Effect.fail(new IoError({ path, cause: defect })) : Effect.die(defect)
    )
  }

  /** The error of an operation with the path that it is about. */
  io<A>(path: string, effect: Effect.Effect<A, PlatformError.PlatformError>): Effect.Effect<A, IoError> {
    return Effect.mapError(effect, (cause) => new IoError({ path, cause }))
  }
}

/** Whether there is no such file or directory. */
export const isAbsent = ({ cause }: IoError): boolean => cause.reason._tag === "NotFound" || codeOf(cause) === "ENOENT"

/** Whether something of that name is there already. */
export const isPresent = ({ cause }: IoError): boolean =>
  cause.reason._tag === "AlreadyExists" || codeOf(cause) === "EEXIST"

const absentAsNone = <A>(effect: Effect.Effect<A, IoError>): Effect.Effect<Option.Option<A>, IoError> =>
  Effect.catchIf(Effect.map(effect, Option.some), isAbsent, () => Effect.succeed(Option.none()))

const wrongKind = (path: string, code: string) => {
  const cause = Object.assign(new Error(code), { code })
  const problem = { _tag: "BadResource", module: "FileSystem", method: "stat", pathOrDescriptor: path, cause } as const
  return new IoError({ path, cause: PlatformError.systemError(problem) })
}

const notDirectory = (path: string) => wrongKind(path, "ENOTDIR")

const isDirectory = (path: string) => wrongKind(path, "EISDIR")

/**
 * Runs a second effect beside the first. Both come to their end even if one fails: I/O that was begun goes on whether or
 * not somebody waits for it, and what comes next must not meet it.
 */
const both = <A, E, E2>(
  effect: Effect.Effect<A, E>,
  beside: Effect.Effect<void, E2> | undefined
): Effect.Effect<A, E | E2> =>
  beside === undefined
    ? effect
    : Effect.flatMap(
        Effect.all([Effect.exit(effect), Effect.exit(beside)], { concurrency: 2 }),
        ([one, other]): Exit.Exit<A, E | E2> =>
          Exit.isFailure(other) && Exit.isSuccess(one) ? Exit.failCause(other.cause) : one
      )

const wroteNothing = PlatformError.systemError({ _tag: "WriteZero", module: "FileSystem", method: "write" })

/** Writes all bytes: one write may take only some of them, and a short write is not a success. */
export const writeFully = (
  file: FileSystem.File,
  bytes: Uint8Array
): Effect.Effect<void, PlatformError.PlatformError> =>
  Effect.flatMap(file.write(bytes), (written) => {
    if (written >= bytes.length) return Effect.void
    return written > 0 ? writeFully(file, bytes.subarray(written)) : Effect.fail(wroteNothing)
  })
