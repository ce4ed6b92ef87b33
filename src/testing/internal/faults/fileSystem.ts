/**
 * A file system whose operations are struck. Each is named as the system call that it stands for, an `open` that may
 * make the file `create`.
 *
 * An fsync that is refused loses what it was to make durable: the pages are dropped, as Btrfs does and as PostgreSQL learned in
 * 2018 ("fsyncgate"); see Rebello et al., "Can Applications Recover from fsync Failures?" (USENIX ATC 2020). So an fsync
 * that is tried again succeeds, and the bytes are zeros.
 */
import { basename } from "node:path"
import { Effect, FileSystem, Option, PlatformError, type Scope } from "effect"
import { damageBytes } from "./damage.ts"
import type { Injector, Operation } from "./injector.ts"
import type { Fault } from "./plan.ts"

type Io<A, R = never> = Effect.Effect<A, PlatformError.PlatformError, R>

/** The operations that need room on the disk. */
export const needRoom: ReadonlyArray<string> = ["write", "writeFile", "create", "mkdir", "link", "symlink", "copy"]

const tags: Readonly<Record<string, "PermissionDenied" | "AlreadyExists" | "NotFound" | "Busy">> = {
  EACCES: "PermissionDenied",
  EPERM: "PermissionDenied",
  EEXIST: "AlreadyExists",
  ENOENT: "NotFound",
  EBUSY: "Busy"
}

/** What the system says under an error code. */
export const ioError = (method: string, path: string, code: string): PlatformError.PlatformError =>
  PlatformError.systemError({
    _tag: tags[code] ?? "Unknown",
    module: "FileSystem",
    method,
    pathOrDescriptor: path,
    cause: Object.assign(new Error(`${code} (injected fault)`), { code })
  })

const half = (bytes: Uint8Array): Uint8Array => bytes.subarray(0, Math.ceil(bytes.length / 2))

/**
 * A file system that fails. `closes` says whether a close may fail: Effect's `FileSystem` makes a defect of that, beside
 * the error that a write may have failed with already, so that laws ask nobody to handle it.
 */
export const faultyFileSystem = (
  below: FileSystem.FileSystem,
  injector: Injector,
  { closes = true }: { readonly closes?: boolean } = {}
): FileSystem.FileSystem => {
  const step = <A, R = never>(
    name: string,
    path: string,
    run: Io<A, R>,
    more: Partial<Operation<A, PlatformError.PlatformError, R>> = {}
  ): Io<A, R> =>
    injector.run({
      name,
      target: basename(path),
      run,
      failure: ({ code = "EIO" }) => ioError(name, path, code),
      ...more
    })
  // The half that is written, and the error that says so.
  const torn = <R>(path: string, part: Io<unknown, R>): Io<never, R> =>
    Effect.andThen(part, Effect.fail(ioError("write", path, "ENOSPC")))

  const open: FileSystem.FileSystem["open"] = (path, options) =>
    Effect.gen(function* () {
      const { flag = "r" } = options ?? {}
      const name = flag.startsWith("r") ? "open" : "create"
      // Closed with the scope, so that an opening whose answer was lost leaves no handle behind.
      const file = yield* step(name, path, below.open(path, options))
      injector.handles++
      // A close that fails is a defect in Effect's own file system too.
      yield* Effect.addFinalizer(() => {
        injector.handles--
        return closes ? Effect.orDie(step("close", path, Effect.void)) : Effect.void
      })
      return faultyFile(path, file, flag)
    })

  const faultyFile = (path: string, file: FileSystem.File, flag: FileSystem.OpenFlag): FileSystem.File => {
    let isDirty = false
    // The size up to which the file is known to be durable; unknown until something is written.
    let durable: bigint | undefined = flag.startsWith("w") ? 0n : undefined
    const writing = <A>(run: Io<A>): Io<A> =>
      Effect.suspend(() => {
        isDirty = true
        if (durable !== undefined) return run
        return Effect.flatMap(file.stat, ({ size }) => {
          durable = size
          return run
        })
      })
    const dropPages = Effect.suspend(() => {
      const keep = Number(durable ?? 0n)
      if (!isDirty) return Effect.void
      return Effect.ignore(
        Effect.flatMap(file.stat, ({ size }) =>
          Number(size) <= keep
            ? Effect.void
            : Effect.andThen(below.truncate(path, keep), below.truncate(path, Number(size)))
        )
      )
    })
    const synced = Effect.map(file.stat, ({ size }) => {
      isDirty = false
      durable = size
    })
    return {
      [FileSystem.FileTypeId]: FileSystem.FileTypeId,
      get stat() {
        return step("fstat", path, file.stat)
      },
      get sync() {
        const run = Effect.suspend(() => (isDirty ? Effect.andThen(file.sync, synced) : file.sync))
        return step("fsync", path, run, { refused: dropPages })
      },
      seek: (offset, from) => file.seek(offset, from),
      read: (buffer, options) =>
        step("read", path, file.read(buffer, options), {
          damage: (read, fault, where) => {
            const damaged = damageBytes(buffer.subarray(0, read), fault, where)
            buffer.set(damaged)
            return damaged.length
          }
        }),
      readAlloc: (size, options) =>
        step("read", path, file.readAlloc(size, options), {
          damage: (read, fault, where) =>
            Option.filter(
              Option.map(read, (bytes) => damageBytes(bytes, fault, where)),
              (bytes) => bytes.length > 0
            )
        }),
      truncate: (length) => step("truncate", path, writing(file.truncate(length))),
      write: (bytes) => step("write", path, writing(file.write(bytes)), { short: writing(file.write(half(bytes))) }),
      writeAll: (bytes) =>
        step("write", path, writing(file.writeAll(bytes)), { short: torn(path, writing(file.writeAll(half(bytes)))) })
    }
  }

  const damage = (bytes: Uint8Array, fault: Fault, where: number) => damageBytes(bytes, fault, where)
  const scoped = <A>(name: string, run: Io<A, Scope.Scope>) => step(name, "", run)
  return FileSystem.make({
    open,
    access: (path, options) => step("access", path, below.access(path, options)),
    copy: (from, to, options) => step("copy", to, below.copy(from, to, options)),
    copyFile: (from, to) => step("copy", to, below.copyFile(from, to)),
    chmod: (path, mode) => step("chmod", path, below.chmod(path, mode)),
    chown: (path, uid, gid) => step("chown", path, below.chown(path, uid, gid)),
    link: (from, to) => step("link", to, below.link(from, to)),
    lstat: (path) => step("stat", path, below.lstat(path)),
    makeDirectory: (path, options) => step("mkdir", path, below.makeDirectory(path, options)),
    makeTempDirectory: (options) => step("mkdir", "", below.makeTempDirectory(options)),
    makeTempDirectoryScoped: (options) => scoped("mkdir", below.makeTempDirectoryScoped(options)),
    makeTempFile: (options) => step("create", "", below.makeTempFile(options)),
    makeTempFileScoped: (options) => scoped("create", below.makeTempFileScoped(options)),
    readDirectory: (path, options) => step("readdir", path, below.readDirectory(path, options)),
    readDirectoryEntries: (path) => step("readdir", path, below.readDirectoryEntries(path)),
    readFile: (path) => step("readFile", path, below.readFile(path), { damage }),
    readLink: (path) => step("readlink", path, below.readLink(path)),
    realPath: (path) => step("realpath", path, below.realPath(path)),
    remove: (path, options) => step("unlink", path, below.remove(path, options)),
    rename: (from, to) => step("rename", to, below.rename(from, to)),
    stat: (path) => step("stat", path, below.stat(path)),
    symlink: (from, to) => step("symlink", to, below.symlink(from, to)),
    truncate: (path, length) => step("truncate", path, below.truncate(path, length)),
    utimes: (path, atime, mtime) => step("utimes", path, below.utimes(path, atime, mtime)),
    watch: (path, options) => below.watch(path, options),
    writeFile: (path, bytes, options) =>
      step("writeFile", path, below.writeFile(path, bytes, options), {
        short: torn(path, below.writeFile(path, half(bytes), options))
      })
  })
}
