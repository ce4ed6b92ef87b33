/**
 * Events in files that a person can open: of each stream a directory of segments, and in them a line of JSON an event.
 *
 * - Promises: `power`, `linearizable`, shared by the fibers of one `process`, or with `sharing: "host"` by the processes of one host.
 *   `process` in place of `power` on Windows, which cannot fsync a directory. What is read has been verified and is durable; at most
 *   what a crash cut short is lost, and none that was acknowledged. An id is known as long as one of its events is kept, also after
 *   a restart.
 * - Costs: one write and one fsync for all appends to a stream that wait at the same time, some more of each every `segmentBytes`, and
 *   for the first append to a stream. First use of a stream after opening reads its last segment. Reading holds a page; a position or
 *   a time is looked for by halving. Memory: of the streams used last the ids in their last segments, and once an append has an id 8
 *   bytes for each in the others. Compacting writes one segment anew. Under `host` an append also takes a lock, a read lists a
 *   directory, and followers of what others append look twice a second.
 * - Fails: with `Corrupt`, the file and the offset for damage that no crash can have done (nothing is changed then), `Unavailable` and
 *   what the system said, `Indeterminate` when a failed append could not be taken back, and `Closed` after its scope.
 *
 * Effect's `FileSystem` does the I/O: provide `NodeServices.layer` of `@effect/platform-node`, or a simulated disk. Local disks only:
 * locks tell who is dead by looking at the processes of this machine.
 */
import { resolve } from "node:path"
import { Effect, FileSystem, Layer, type Scope } from "effect"
import { canSyncDirectories, Disk } from "../../file/disk.ts"
import type { FileSharing } from "../../file/fileStore.ts"
import { unavailable } from "../../file/ioError.ts"
import { Registry } from "../../file/registry.ts"
import type { Failure } from "../../internal/backend.ts"
import { check, count, oneOf, optional, rule } from "../../internal/options.ts"
import { StorageUnavailable } from "../../StateError.ts"
import type { Append, Id, Log, Part } from "../Log.ts"
import { StreamLog } from "../StreamLog.ts"
import { failureOf } from "./failures.ts"
import { follow } from "./follow.ts"
import { Streams } from "./streams.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Options

/** What `make` takes. */
export interface Options {
  /** The directory. It is made if missing, and belongs to the log. */
  readonly directory: string
  /**
   * Who may have the directory open at one time. Default: `"process"`, one process, which is refused (`StorageUnavailable`) while
   * another one has it. `"host"`: any number of processes of one machine, all of which have to say so.
   */
  readonly sharing?: FileSharing | undefined
  /**
   * How many bytes a segment has before the next append begins a new one. Default: 4 MiB. Of several openings in one process the first
   * one says.
   */
  readonly segmentBytes?: number | undefined
}

const rules = {
  directory: rule("a path that is not empty", (value) => typeof value === "string" && value !== ""),
  sharing: optional(oneOf<FileSharing>("process", "host")),
  segmentBytes: optional(count)
}

const defaultSegmentBytes = 4 * 1024 * 1024

// ---------------------------------------------------------------------------------------------------------------------
// Claims

/** What a log in files promises. */
export const claims = (options?: Pick<Options, "sharing">): Log["claims"] => ({
  durability: canSyncDirectories ? "power" : "process",
  consistency: "linearizable",
  sharing: options?.sharing ?? "process"
})

// ---------------------------------------------------------------------------------------------------------------------
// make

const registry = new Registry<Streams>()

/** A log in a directory. Streams are read, verified and made durable at their first use. */
export const make = (options: Options): Effect.Effect<Log, StorageUnavailable, Scope.Scope | FileSystem.FileSystem> =>
  Effect.gen(function* () {
    yield* check(options, rules, ["directory"])
    const { directory, segmentBytes = defaultSegmentBytes, sharing = "process" } = options
    const disk = new Disk(yield* FileSystem.FileSystem)
    const refuse = unavailable({ agent: directory }, "open")
    yield* Effect.mapError(disk.ensureDirectory(resolve(directory)), refuse)
    // Two paths to one place are one place. Where the file system cannot say, paths are taken as they are.
    const place = yield* Effect.catch(disk.fs.realPath(resolve(directory)), () => Effect.succeed(resolve(directory)))
    const streams = yield* registry.acquire(disk.fs, place, () => new Streams(disk, place, sharing, segmentBytes))
    if (streams.sharing !== sharing) {
      const reason = `this process has it open with sharing: "${streams.sharing}"; open it so everywhere, or close it there`
      return yield* new StorageUnavailable({ agent: directory, operation: "open", reason, retryable: false })
    }
    yield* streams.open(directory)
    return yield* Effect.acquireRelease(
      Effect.sync(() => new FileLog(disk, streams, claims(options))),
      (log) => Effect.sync(() => log.close())
    )
  })

// ---------------------------------------------------------------------------------------------------------------------
// layer

/** The log as a layer. */
export const layer = (options: Options): Layer.Layer<StreamLog, StorageUnavailable, FileSystem.FileSystem> =>
  Layer.effect(StreamLog, make(options))

// ---------------------------------------------------------------------------------------------------------------------

/** One opening of a directory. */
class FileLog implements Log {
  readonly name = "file"
  readonly claims: Log["claims"]
  readonly #disk: Disk
  readonly #streams: Streams
  #isClosed = false

  constructor(disk: Disk, streams: Streams, claims: Log["claims"]) {
    this.#disk = disk
    this.#streams = streams
    this.claims = claims
  }

  append(append: Append) {
    return this.#open(() => this.#streams.using(append, (stream) => stream.append(append)))
  }

  read(id: Id, part: Part) {
    return this.#open(() => this.#streams.using(id, (stream) => stream.read(part)))
  }

  bounds(id: Id) {
    return this.#open(() => this.#streams.using(id, (stream) => stream.bounds))
  }

  positionAt(id: Id, time: number) {
    return this.#open(() => this.#streams.using(id, (stream) => stream.positionAt(time)))
  }

  compact(id: Id, upTo: number) {
    return this.#open(() => this.#streams.using(id, (stream) => stream.compact(upTo)))
  }

  keys(collection: string, options: Parameters<Log["keys"]>[1]) {
    const { keys } = this.#streams
    return this.#open(() => this.#streams.entered(Effect.mapError(keys.list(collection, options), failureOf)))
  }

  watch(id: Id, notice: () => void): Effect.Effect<void, Failure, Scope.Scope> {
    return this.#open(() =>
      Effect.gen({ self: this }, function* () {
        const streams = this.#streams
        const stream = yield* Effect.acquireRelease(
          Effect.sync(() => streams.keep(id)),
          (stream) => Effect.sync(() => streams.leave(stream))
        )
        yield* Effect.acquireRelease(
          Effect.sync(() => stream.watch(notice)),
          (end) => Effect.sync(end)
        )
        if (streams.sharing === "host") yield* follow(this.#disk, stream.directory, this.bounds(id), notice)
      })
    )
  }

  get ping() {
    const { directory } = this.#streams
    const looked = Effect.mapError(this.#disk.expectDirectory(directory), failureOf)
    return this.#open(() => this.#streams.entered(looked))
  }

  close(): void {
    this.#isClosed = true
  }

  #open<A, E, R>(run: () => Effect.Effect<A, E, R>): Effect.Effect<A, E | Failure, R> {
    return Effect.suspend(
      (): Effect.Effect<A, E | Failure, R> => (this.#isClosed ? Effect.fail({ _tag: "Closed" }) : run())
    )
  }
}
