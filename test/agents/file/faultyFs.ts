import { basename } from "node:path"
import { NodeFileSystem } from "@effect/platform-node"
import { Effect, FileSystem, PlatformError, type Scope } from "effect"

/** One I/O operation that is to fail: before it happened, or after, as when a reply is lost. */
export interface Fault {
  readonly at: number
  readonly code: string
  readonly when: "before" | "after"
  /** Whether all later ones fail too. */
  readonly forever?: boolean
}

/** What the system says under an error code. */
export const errorOf = (method: string, path: string, code: string) =>
  PlatformError.systemError({
    _tag: code === "EACCES" ? "PermissionDenied" : "Unknown",
    module: "FileSystem",
    method,
    pathOrDescriptor: path,
    cause: Object.assign(new Error(code), { code })
  })

/** A file system that writes down what it does, in order, and fails on request. Temp files are called `TEMP`, claims on a lock `CLAIM`. */
export class FaultyFs {
  readonly log: Array<string> = []
  readonly fs: FileSystem.FileSystem
  /** How many bytes a write takes. */
  mostAtOnce = 100
  #fault: Fault | undefined
  #count = 0

  constructor(real: FileSystem.FileSystem) {
    const step = this.#step
    this.fs = {
      ...real,
      open: (path, options) =>
        Effect.gen({ self: this }, function* () {
          const flag = options?.flag ?? "r"
          const file = yield* step(`open ${flag}`, path, real.open(path, options))
          // A close that fails is a defect in Effect's own file system too.
          yield* Effect.addFinalizer(() => Effect.orDie(step("close", path, Effect.void)))
          const wrapped: FileSystem.File = {
            [FileSystem.FileTypeId]: FileSystem.FileTypeId,
            stat: step("fstat", path, file.stat),
            sync: step("fsync", path, file.sync),
            seek: (offset, from) => file.seek(offset, from),
            read: (buffer, options) => step("pread", path, file.read(buffer, options)),
            readAlloc: (size, options) => step("pread", path, file.readAlloc(size, options)),
            truncate: (length) => step("truncate", path, file.truncate(length)),
            // Short writes are the rule here.
            write: (buffer) => step("write", path, file.write(buffer.subarray(0, this.mostAtOnce))),
            writeAll: (buffer) => step("write", path, file.writeAll(buffer))
          }
          return wrapped
        }),
      rename: (from, to) => step("rename", to, real.rename(from, to)),
      link: (from, to) => step("link", to, real.link(from, to)),
      remove: (path, options) => step("remove", path, real.remove(path, options)),
      makeDirectory: (path, options) => step("mkdir", path, real.makeDirectory(path, options)),
      readFile: (path) => step("read", path, real.readFile(path)),
      readDirectory: (path, options) => step("list", path, real.readDirectory(path, options)),
      stat: (path) => step("stat", path, real.stat(path))
    }
  }

  static readonly make: Effect.Effect<FaultyFs> = Effect.map(FileSystem.FileSystem, (fs) => new FaultyFs(fs)).pipe(
    Effect.provide(NodeFileSystem.layer)
  )

  /** Runs an effect over this file system. */
  run<A, E>(effect: Effect.Effect<A, E, Scope.Scope | FileSystem.FileSystem>) {
    return Effect.provideService(effect, FileSystem.FileSystem, this.fs)
  }

  /** Sets or lifts the fault; operations are counted from here. */
  arm(fault: Fault | undefined): void {
    this.#fault = fault
    this.#count = 0
  }

  /** How many operations there were since the last `arm`. */
  get count(): number {
    return this.#count
  }

  take(): Array<string> {
    return this.log.splice(0)
  }

  readonly #step = <A, R>(method: string, path: string, effect: Effect.Effect<A, PlatformError.PlatformError, R>) =>
    Effect.suspend((): Effect.Effect<A, PlatformError.PlatformError, R> => {
      const index = this.#count++
      const name = /\.tmp$/.test(path) ? "TEMP" : /\.lock\/.*\./.test(path) ? "CLAIM" : basename(path)
      const line = `${method} ${name}`
      if (!(/write|pread/.test(method) && this.log.at(-1) === line)) this.log.push(line)
      const fault = this.#fault
      if (fault === undefined || (fault.forever === true ? index < fault.at : index !== fault.at)) return effect
      const error = errorOf(method, path, fault.code)
      return fault.when === "before" ? Effect.fail(error) : Effect.andThen(effect, Effect.fail(error))
    })
}

/** A directory that goes with the scope. */
export const tempDirectory: Effect.Effect<string, PlatformError.PlatformError, Scope.Scope> = Effect.flatMap(
  FileSystem.FileSystem,
  (fs) => fs.makeTempDirectoryScoped({ prefix: "dgents-" })
).pipe(Effect.provide(NodeFileSystem.layer))
