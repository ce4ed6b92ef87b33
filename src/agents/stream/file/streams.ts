/** The streams of one directory, shared by all who have it open in this process: `<collection>/<key>/` holds the files of one. */
import { join, relative } from "node:path"
import { Effect, Exit, Scope, Semaphore } from "effect"
import { type Disk, isBeingWritten } from "../../file/disk.ts"
import type { FileSharing } from "../../file/fileStore.ts"
import { failed, type IoError } from "../../file/ioError.ts"
import { HostLock, lockOf } from "../../file/lock.ts"
import * as Names from "../../file/names.ts"
import * as Owner from "../../file/owner.ts"
import type { Failure } from "../../internal/backend.ts"
import { StorageUnavailable } from "../../StateError.ts"
import type { Id } from "../Log.ts"
import { Keys } from "./keys.ts"
import { directoryOf } from "./names.ts"
import { FileStream, type Surroundings } from "./stream.ts"

// Each has a file open. Past it, one that nobody uses is closed; opening it again reads its last segment.
const mostOpen = 256

const everyPermit = 2 ** 31

export class Streams {
  readonly directory: string
  readonly sharing: FileSharing
  readonly keys: Keys
  readonly #disk: Disk
  readonly #around: Surroundings
  readonly #scope = Scope.makeUnsafe()
  readonly #opening = Semaphore.makeUnsafe(1)
  /** A permit of it is held by each operation, and all by who closes. */
  readonly #gate = Semaphore.makeUnsafe(everyPermit)
  readonly #open = new Map<string, FileStream>()
  /** Those that nobody uses, the one used last at the end. */
  readonly #idle = new Set<FileStream>()
  #last: FileStream | undefined
  #isOpen = false
  #isDropped = false

  constructor(disk: Disk, directory: string, sharing: FileSharing, segmentBytes: number) {
    this.#disk = disk
    this.directory = directory
    this.sharing = sharing
    this.keys = new Keys(disk, directory)
    // By its place in the directory, which may have another path elsewhere.
    const locked: Surroundings["locked"] = (stream, effect) =>
      new HostLock(disk, lockOf(directory), { name: relative(directory, stream) }).withLock(effect)
    this.#around = { disk, sharing, segmentBytes, locked }
  }

  /** Takes the directory for this process, or for those who share it; once, whoever comes first. */
  open(name: string): Effect.Effect<void, StorageUnavailable> {
    return this.#opening.withPermit(
      Effect.suspend(() =>
        this.#isOpen
          ? Effect.void
          : Effect.map(Effect.mapError(this.#claim(name), failed({ agent: name }, "open")), () => {
              this.#isOpen = true
            })
      )
    )
  }

  #claim(name: string): Effect.Effect<void, IoError | StorageUnavailable> {
    const refuse = (reason: string, cause?: unknown) =>
      new StorageUnavailable({ agent: name, operation: "open", reason, retryable: true, cause })
    const inUse = (timeout: { readonly message: string }) =>
      refuse(`${timeout.message}; close it there, or open it with sharing: "host" everywhere`, timeout)
    const lock = new HostLock(this.#disk, lockOf(this.directory), this.sharing === "process" ? { waitLimit: 0 } : {})
    const claimed = Effect.gen({ self: this }, function* () {
      yield* this.#disk.ensureDirectory(this.directory)
      if (this.sharing === "host") {
        yield* this.#disk.mark(join(this.directory, Names.markOf(Names.marked(Names.family))))
        // Whoever has the directory alone holds this one all the time.
        yield* lock.withLock(this.#sharers)
        return
      }
      yield* lock.acquire
      const [other] = yield* this.#sharers
      if (other !== undefined) {
        const advice = "close it there, or open it so here too"
        return yield* refuse(`process ${other} has it open with sharing: "host" (${this.directory}); ${advice}`)
      }
    })
    const named = Effect.catchTag(claimed, "LockTimeout", (timeout) => Effect.fail(inUse(timeout)))
    // Who is refused holds nothing that others would wait for.
    const scope = Scope.makeUnsafe()
    const end = Scope.close(scope, Exit.void)
    return Effect.uninterruptibleMask((restore) =>
      Effect.andThen(
        Effect.onError(restore(Scope.provide(named, scope)), () => end),
        Scope.addFinalizer(this.#scope, end)
      )
    )
  }

  /** The processes that have the directory open to be shared. The marks of the dead are removed. */
  get #sharers(): Effect.Effect<ReadonlyArray<number>, IoError> {
    return Effect.gen({ self: this }, function* () {
      const sharers: Array<number> = []
      for (const name of yield* this.#disk.list(this.directory)) {
        const owned = Names.parseOwned(Names.family, name)
        if (owned === undefined) continue
        const path = join(this.directory, name)
        const isUsed = Owner.isHere(owned.owner) ? isBeingWritten(path) : Owner.lifeOf(owned.owner) !== "dead"
        if (!isUsed) yield* Effect.ignore(this.#disk.remove(path))
        else if (owned.kind === "open") sharers.push(owned.owner.pid)
      }
      return sharers
    })
  }

  /** Runs an operation on a stream. */
  using<A, E>(id: Id, use: (stream: FileStream) => Effect.Effect<A, E>): Effect.Effect<A, E | Failure> {
    return this.entered(
      Effect.suspend(() => {
        const stream = this.keep(id)
        const end = Effect.suspend(() => {
          this.leave(stream)
          return this.#open.size > mostOpen ? this.#closeOne : Effect.void
        })
        return Effect.ensuring(use(stream), end)
      })
    )
  }

  /** A stream that stays as it is until one leaves it. */
  keep(id: Id): FileStream {
    const stream = this.#of(id)
    if (stream.users++ === 0) this.#idle.delete(stream)
    return stream
  }

  leave(stream: FileStream): void {
    if (--stream.users === 0) this.#idle.add(stream)
  }

  /** Runs an operation, unless all is closed. */
  entered<A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E | Failure> {
    return this.#gate.withPermit(
      Effect.suspend((): Effect.Effect<A, E | Failure> => (this.#isDropped ? Exit.fail({ _tag: "Closed" }) : effect))
    )
  }

  #of({ collection, key }: Id): FileStream {
    const last = this.#last
    if (last?.id.key === key && last.id.collection === collection) return last
    const name = nameOf({ collection, key })
    const known = this.#open.get(name)
    const directory = () => join(this.directory, directoryOf(collection), directoryOf(key))
    const stream = known ?? new FileStream(this.#around, directory(), { collection, key })
    if (known === undefined) this.#open.set(name, stream)
    this.#last = stream
    return stream
  }

  get #closeOne(): Effect.Effect<void> {
    const [stream] = this.#idle
    if (stream === undefined) return Effect.void
    this.#idle.delete(stream)
    this.#open.delete(nameOf(stream.id))
    if (stream === this.#last) this.#last = undefined
    return stream.close
  }

  /** Waits for what is under way, then lets nothing in and closes all, unless somebody came meanwhile. */
  drop(stillUnused: () => boolean): Effect.Effect<void> {
    return this.#gate.withPermits(everyPermit)(
      Effect.suspend(() => {
        this.#isDropped = stillUnused()
        if (!this.#isDropped) return Effect.void
        const streams = Effect.forEach(this.#open.values(), (stream) => stream.close, { discard: true })
        return Effect.andThen(streams, Scope.close(this.#scope, Exit.void))
      })
    )
  }
}

const nameOf = ({ collection, key }: Id): string => JSON.stringify([collection, key])
