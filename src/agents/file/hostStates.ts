/**
 * The states of one directory that several processes share. What is on disk counts: each read looks at the file, and each
 * change holds the key's lock from its look to its last fsync. Memory only tells what need not be verified and made durable
 * a second time.
 *
 * A read serves nothing that is not durable, by whomever it was written: a state that this process does not know yet gets
 * an fsync of its file and of the directory first, and so does the absence of one after a delete.
 */
import { Effect, Exit, Fiber, Option, Scope, Stream } from "effect"
import type { Payload } from "../../schema/Codec.ts"
import * as Register from "../Register.ts"
import type * as Revision from "../Revision.ts"
import type { AgentClosed, ReadError } from "../StateError.ts"
import { StorageUnavailable } from "../StateError.ts"
import { isAbsent } from "./disk.ts"
import { keysOf, readFailed, revisionOf } from "./fileStates.ts"
import { FollowedKeys } from "./followed.ts"
import { failed, failedWrite, type IoError, isForbiddenError, Unsettled } from "./ioError.ts"
import { corruptOf, expectCompression, type KeyFiles, type ReadFailure } from "./keyFiles.ts"
import { HostLock, type LockTimeout, lockOf } from "./lock.ts"
import * as Names from "./names.ts"
import type { Recent } from "./recent.ts"
import type { OpenFailure, States } from "./states.ts"
import type { Current, Where, Writing } from "./stored.ts"
import { watching } from "./watching.ts"

// How many are remembered; past it, an fsync of the directory is done once more.
const maxAbsent = 100_000

/** Runs an effect as the only one of this process that changes a key. */
export type Turn = <A, E>(where: Where, key: string, effect: Effect.Effect<A, E>) => Effect.Effect<A, E | AgentClosed>

export class HostStates implements States {
  readonly readsAlone = true
  readonly #files: KeyFiles
  readonly #recent: Recent
  readonly #turn: Turn
  readonly #followed: FollowedKeys
  readonly #locks: string
  readonly #scope = Scope.makeUnsafe()
  /** The keys that are known to be durably absent, with the floor as of then: a later delete would have raised it. */
  readonly #absent = new Map<string, number>()
  #marked = false
  #watching: Fiber.Fiber<void> | undefined

  constructor(
    files: KeyFiles,
    recent: Recent,
    publish: (key: string, change: Revision.Change<Payload>) => void,
    turn: Turn
  ) {
    this.#files = files
    this.#recent = recent
    this.#turn = turn
    this.#followed = new FollowedKeys(publish)
    this.#locks = lockOf(files.directory, files.naming.keyed ? "" : files.naming.file(""))
  }

  /** Leaves a mark, for those who would have the files alone; sweeps temp files, and reads the floor. */
  recover(where: Where, writing: Writing) {
    const files = this.#files
    const sweep = Effect.gen(function* () {
      yield* files.sweep(yield* files.disk.list(files.directory))
      yield* files.syncNames
    })
    return Effect.gen({ self: this }, function* () {
      yield* expectCompression(where, writing.compression)
      // Where nothing can be written there is nothing to recover.
      yield* Effect.catchIf(
        Effect.andThen(this.#mark, this.#locked(where, "", sweep)),
        isForbiddenError,
        () => Effect.void
      )
      if (!files.naming.keyed) {
        yield* files.expectLog("")
        yield* this.current(where, "", writing)
      }
    }).pipe(Effect.mapError(failed(where, "open")))
  }

  get #mark(): Effect.Effect<void, IoError> {
    if (this.#marked) return Effect.void
    const { disk, naming } = this.#files
    const mark = this.#files.pathOf(Names.markOf(Names.marked(naming)))
    return Effect.map(Scope.provide(disk.mark(mark), this.#scope), () => {
      this.#marked = true
    })
  }

  /** Holds a lock among processes. That of a single file is also the one that `FileStates` holds all the time. */
  #locked<A, E>(
    where: Where,
    name: string,
    effect: Effect.Effect<A, E>
  ): Effect.Effect<A, E | IoError | StorageUnavailable> {
    const lock = new HostLock(this.#files.disk, this.#locks, { name })
    return Effect.catchIf(
      lock.withLock(effect),
      (error: E | IoError | LockTimeout): error is LockTimeout => isTimeout(error),
      (timeout) => Effect.fail(busy(where, timeout))
    )
  }

  #lockedKey<A, E>(where: Where, key: string, effect: Effect.Effect<A, E>) {
    const { keyed, file } = this.#files.naming
    return this.#locked(where, keyed ? file(key) : "", effect)
  }

  get close() {
    return Effect.andThen(this.#files.history.close, Scope.close(this.#scope, Exit.void))
  }

  known(): undefined {
    return undefined
  }

  current(where: Where, key: string, writing: Writing): Effect.Effect<Current, OpenFailure> {
    return Effect.mapError(
      Effect.catchTag(this.#look(where, key, writing), "Unverified", (edited) =>
        writing.adopt === undefined
          ? Effect.fail(corruptOf(where, edited))
          : this.#lockedKey(where, key, this.#lookOrAdopt(where, key, writing))
      ),
      readFailed(where)
    )
  }

  /** What the file holds, durable. */
  #look(where: Where, key: string, writing: Writing): Effect.Effect<Current, ReadFailure> {
    const before = this.#recent.get(key)
    const known = before !== undefined && Option.isSome(before) ? before.value : undefined
    return Effect.flatMap(this.#files.read(where, key, writing, known), (current) =>
      known !== undefined && Option.isSome(current) && current.value === known
        ? Exit.succeed(current)
        : this.#harden(where, key, writing, current)
    )
  }

  #harden(where: Where, key: string, writing: Writing, current: Current): Effect.Effect<Current, ReadFailure> {
    const files = this.#files
    return Effect.gen({ self: this }, function* () {
      if (Option.isSome(current)) {
        const isGone = yield* Effect.catchIf(Effect.as(files.sync(key), false), isAbsent, () => Effect.succeed(true))
        if (isGone) return yield* this.#look(where, key, writing)
        yield* files.syncNames
      } else {
        const floor = yield* files.floor.read(where)
        if (this.#absent.get(key) !== floor) {
          // No file is no state only while there is a directory that it could be in.
          yield* files.syncNames
          this.#noteAbsent(key, floor)
        }
      }
      this.#recent.set(key, current)
      return current
    })
  }

  #noteAbsent(key: string, floor: number): void {
    if (this.#absent.size >= maxAbsent) this.#absent.clear()
    this.#absent.set(key, floor)
  }

  /** As `look`, under the key's lock. */
  #lookOrAdopt(where: Where, key: string, writing: Writing) {
    return Effect.catchTag(this.#look(where, key, writing), "Unverified", (edited) =>
      Effect.gen({ self: this }, function* () {
        if (writing.adopt === undefined) return yield* corruptOf(where, edited)
        yield* this.#files.floor.read(where)
        const known = this.#recent.get(key) ?? Option.none()
        const current = Option.some(yield* this.#files.adopt(where, key, writing, edited, known))
        this.#recent.set(key, current)
        return current
      })
    )
  }

  write(where: Where, key: string, writing: Writing, next: Register.NewEntry, expected: Revision.Expected) {
    const files = this.#files
    const changed = Effect.gen({ self: this }, function* () {
      const before = yield* this.#lookOrAdopt(where, key, writing)
      yield* this.#tell(where, key, writing, before)
      yield* Register.check(where, expected, revisionOf(before))
      const stored = yield* files.save(where, key, writing, before, next)
      this.#recent.set(key, Option.some(stored))
      this.#followed.tell(key, Option.some(stored), [])
      const { revision } = stored.entry
      if (writing.retention.count > 1) yield* files.retain(where, key, revision, writing)
      return revision
    })
    return Effect.mapError(this.#alone(where, key, changed), failedWrite(where, "save"))
  }

  remove(where: Where, key: string, writing: Writing) {
    const files = this.#files
    const removed = Effect.gen({ self: this }, function* () {
      const before = yield* this.#lookOrAdopt(where, key, writing)
      yield* this.#tell(where, key, writing, before)
      const file = files.naming.file(key)
      if (Option.isNone(before)) {
        // Left by a delete that was cut short.
        yield* files.history.purge(file)
        return Option.none()
      }
      const { revision } = before.value.entry
      yield* this.#locked(where, ".floor", Effect.andThen(files.floor.read(where), files.floor.raise(revision)))
      yield* files.remove(key)
      this.#recent.set(key, Option.none())
      this.#noteAbsent(key, files.floor.revision)
      this.#followed.tell(key, Option.none(), [])
      // Only now: while the state is there, so is its history.
      yield* Effect.mapError(files.history.purge(file), (error) => new Unsettled({ error }))
      return Option.some(revision)
    })
    return Effect.mapError(this.#alone(where, key, removed), failedWrite(where, "delete"))
  }

  #alone<A, E>(where: Where, key: string, effect: Effect.Effect<A, E>) {
    const locked = this.#lockedKey(where, key, effect)
    return this.#marked ? locked : Effect.andThen(this.#mark, locked)
  }

  keys(where: Where) {
    const files = this.#files
    const listed = Effect.tap(files.disk.list(files.directory), files.syncNames)
    return Stream.unwrap(
      Effect.map(Effect.mapError(listed, failed(where, "list keys")), (names) => keysOf(files, where, new Set(names)))
    )
  }

  earlier(where: Where, key: string, current: number, since: number) {
    const { history, naming } = this.#files
    const all = history.list(where, naming.file(key), since, current)
    return Effect.mapError(this.#withLog(where, key, all, []), failed(where, "read the history"))
  }

  earlierEntry(where: Where, key: string, revision: number, since: number) {
    const found = this.#files.earlier(where, key, revision, since)
    return Effect.mapError(this.#withLog(where, key, found, Option.none()), failed(where, "read the history"))
  }

  // A log is recovered when it is opened, and what looks torn may be an append that another process is at.
  #withLog<A, E>(where: Where, key: string, effect: Effect.Effect<A, E>, none: A) {
    const { disk, history, naming } = this.#files
    return Effect.flatMap(disk.exists(history.path(naming.file(key))), (isThere) =>
      isThere ? this.#lockedKey(where, key, effect) : Effect.succeed(none)
    )
  }

  /** Follows a key until the scope closes. */
  follow(where: Where, key: string, writing: Writing): Effect.Effect<void, ReadError, Scope.Scope> {
    return Effect.asVoid(
      Effect.acquireRelease(
        Effect.flatMap(
          this.#turn(
            where,
            key,
            Effect.map(this.current(where, key, writing), (current) => this.#followed.add(key, current))
          ),
          () => this.#watch(where, writing)
        ),
        () =>
          Effect.suspend(() => {
            this.#followed.remove(key)
            const watching = this.#watching
            if (this.#followed.keys.length > 0 || watching === undefined) return Effect.void
            this.#watching = undefined
            return Fiber.interrupt(watching)
          })
      )
    )
  }

  #watch(where: Where, writing: Writing): Effect.Effect<void> {
    if (this.#watching !== undefined) return Effect.void
    const look = (key: string) => {
      const at: Where = where.key === undefined ? where : { ...where, key }
      const looked = Effect.flatMap(this.current(at, key, writing), (current) =>
        Effect.mapError(this.#withLogOfOthers(at, key, writing, current), readFailed(at))
      )
      // A file that cannot be read now may be readable later; who reads it is told.
      return Effect.ignore(this.#turn(at, key, looked))
    }
    return Effect.map(
      Effect.forkIn(
        watching(this.#files, () => this.#followed.keys, look),
        this.#scope
      ),
      (fiber) => {
        this.#watching = fiber
      }
    )
  }

  #withLogOfOthers(where: Where, key: string, writing: Writing, current: Current) {
    if (this.#followed.behind(key, current) === undefined) return Effect.void
    return this.#lockedKey(where, key, this.#tell(where, key, writing, current))
  }

  /** The highest revision that was deleted before this: of a single file, since the floor of a family is that of all keys. */
  #deleted(current: Current): number {
    if (this.#files.naming.keyed) return 0
    return Option.isSome(current) ? current.value.since - 1 : this.#files.floor.revision
  }

  /** Tells those who follow a key what others did, under its lock. */
  #tell(where: Where, key: string, writing: Writing, current: Current) {
    const files = this.#files
    const told = this.#followed.behind(key, current)
    if (told === undefined) return Effect.void
    return Effect.gen({ self: this }, function* () {
      const between: Array<Register.Entry> = []
      if (Option.isSome(current) && writing.retention.count > 1) {
        const { entry, since } = current.value
        const from = Math.max(since, told + 1)
        for (const { revision } of (yield* files.history.list(
          where,
          files.naming.file(key),
          from,
          entry.revision
        )).toReversed()) {
          const found = yield* files.earlier(where, key, revision, since)
          if (Option.isSome(found)) between.push(found.value)
        }
      }
      this.#followed.tell(key, current, between, this.#deleted(current))
    })
  }
}

const isTimeout = (error: unknown): error is LockTimeout =>
  typeof error === "object" && error !== null && "_tag" in error && error._tag === "LockTimeout"

const busy = (where: Where, cause: LockTimeout) =>
  new StorageUnavailable({ ...where, operation: "take the lock", reason: cause.message, retryable: true, cause })
