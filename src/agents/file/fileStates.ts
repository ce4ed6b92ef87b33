/**
 * The states of one directory that belongs to this process: a lock is held from the first opening to the last close, so
 * that what is in memory is what is on disk. Readers see a write only once it is durable.
 *
 * Revisions are never reused: a delete first raises a durable floor, then removes the file.
 */
import { Cause, Effect, Exit, Option, Scope, Stream } from "effect"
import type { Payload } from "../../schema/Codec.ts"
import * as Register from "../Register.ts"
import * as Revision from "../Revision.ts"
import { type CompareError, StorageUnavailable, type WriteError } from "../StateError.ts"
import { failed, failedWrite, type IoError, isForbiddenError, Unsettled } from "./ioError.ts"
import { corruptOf, expectCompression, type KeyFiles, type ReadFailure, type SaveFailure } from "./keyFiles.ts"
import { HostLock, type LockTimeout, lockOf } from "./lock.ts"
import type { Recent } from "./recent.ts"
import type { States } from "./states.ts"
import type { Current, Where, Writing } from "./stored.ts"

export class FileStates implements States {
  readonly readsAlone = false
  readonly #files: KeyFiles
  readonly #recent: Recent
  readonly #publish: (key: string, change: Revision.Change<Payload>) => void
  /** The keys that a write or delete is under way for, or was left undecided by one, with what they had before. */
  readonly #unsettled = new Map<string, Current>()
  readonly #scope = Scope.makeUnsafe()
  #claimed = false

  constructor(files: KeyFiles, recent: Recent, publish: (key: string, change: Revision.Change<Payload>) => void) {
    this.#files = files
    this.#recent = recent
    this.#publish = publish
  }

  /** Takes the lock, sweeps temp files, makes the names durable, and reads the floor and, of a single file, the state. */
  recover(where: Where, writing: Writing) {
    const files = this.#files
    return Effect.gen({ self: this }, function* () {
      yield* expectCompression(where, writing.compression)
      // Where nothing can be written, nothing can be lost either: reading goes on without the lock.
      yield* Effect.catchIf(this.#claim(where), isForbiddenError, () => Effect.void)
      const sharing = yield* files.sweep(yield* files.disk.list(files.directory))
      if (sharing[0] !== undefined) return yield* sharedElsewhere(where, files.directory, sharing[0].pid)
      yield* files.syncNames
      yield* files.floor.read(where)
      yield* files.floor.sync
      if (!files.naming.keyed) {
        yield* files.expectLog("")
        yield* this.current(where, "", writing)
      }
    }).pipe(Effect.mapError(failed(where, "open")))
  }

  #claim(where: Where): Effect.Effect<void, IoError | StorageUnavailable> {
    if (this.#claimed) return Effect.void
    const { directory, disk, naming } = this.#files
    const lock = new HostLock(disk, lockOf(directory, naming.keyed ? "" : naming.file("")), { waitLimit: 0 })
    return Effect.map(
      Effect.catchTag(Scope.provide(lock.acquire, this.#scope), "LockTimeout", (error) =>
        Effect.fail(inUse(where, error))
      ),
      () => {
        this.#claimed = true
        // What was read before the lock was held may be out of date.
        this.#recent.clear()
      }
    )
  }

  get close() {
    return Effect.andThen(this.#files.history.close, Scope.close(this.#scope, Exit.void))
  }

  known(key: string) {
    return this.#recent.get(key)
  }

  keys(where: Where) {
    const files = this.#files
    return Stream.unwrap(
      Effect.map(Effect.mapError(files.disk.list(files.directory), failed(where, "list keys")), (listed) => {
        const names = new Set(listed)
        for (const key of this.#unsettled.keys()) names.delete(files.naming.file(key))
        const before = [...this.#unsettled].filter(([, before]) => Option.isSome(before)).map(([key]) => key)
        return Stream.concat(Stream.fromIterable(before), keysOf(files, where, names))
      })
    )
  }

  current(where: Where, key: string, writing: Writing) {
    const known = this.#recent.get(key)
    if (known !== undefined) return Exit.succeed(known)
    const files = this.#files
    return Effect.gen({ self: this }, function* () {
      const before = this.#unsettled.get(key)
      if (before !== undefined) yield* files.syncNames
      const found = yield* Effect.catchTag(files.read(where, key, writing), "Unverified", Effect.succeed)
      if (found._tag === "Unverified") return yield* this.#adopt(where, key, writing, found)
      const current = found
      // No file is no state only while there is a directory that it could be in.
      if (Option.isNone(current)) yield* files.disk.expectDirectory(files.directory)
      else if (before !== undefined || !files.isChecked(key)) yield* files.sync(key)
      this.#settle(key, current)
      return current
    }).pipe(Effect.mapError(readFailed(where)))
  }

  #adopt(where: Where, key: string, writing: Writing, edited: Extract<ReadFailure, { _tag: "Unverified" }>) {
    return Effect.gen({ self: this }, function* () {
      if (writing.adopt === undefined) return yield* corruptOf(where, edited)
      yield* this.#claim(where)
      const isNew = !this.#unsettled.has(key)
      if (isNew) this.#unsettled.set(key, Option.none())
      const adopted = Effect.onError(this.#files.adopt(where, key, writing, edited, Option.none()), (cause) =>
        Effect.sync(() => {
          const error = Option.getOrUndefined(Cause.findErrorOption(cause))
          if (isNew && error?._tag !== "Unsettled") this.#unsettled.delete(key)
        })
      )
      const current = Option.some(yield* adopted)
      this.#settle(key, current)
      return current
    })
  }

  /** What is now durable becomes visible, and is announced if it is new. */
  #settle(key: string, current: Current): void {
    const before = this.#unsettled.get(key)
    this.#unsettled.delete(key)
    this.#recent.set(key, current)
    if (before === undefined) return
    if (Option.isNone(current)) {
      if (Option.isSome(before)) this.#publish(key, Revision.deleted(before.value.entry.revision))
    } else if (Option.isNone(before) || before.value.entry.revision !== current.value.entry.revision) {
      this.#publish(key, Revision.saved(current.value.entry))
    }
  }

  /** What is stored is as before after a known failure; after any other, the next reader has to look. */
  #fail(key: string, before: Current, cause: Cause.Cause<SaveFailure>): void {
    const error = Cause.findErrorOption(cause)
    if (Option.isSome(error) && error.value._tag !== "Unsettled") this.#settle(key, before)
    else this.#recent.forget(key)
  }

  write(where: Where, key: string, writing: Writing, next: Register.NewEntry, expected: Revision.Expected) {
    const files = this.#files
    return Effect.gen({ self: this }, function* () {
      if (!this.#claimed) yield* this.#claim(where)
      const before = yield* this.current(where, key, writing)
      yield* Register.check(where, expected, revisionOf(before))
      this.#unsettled.set(key, before)
      const stored = yield* Effect.onError(files.save(where, key, writing, before, next), (cause) =>
        Effect.sync(() => this.#fail(key, before, cause))
      )
      this.#settle(key, Option.some(stored))
      const { revision } = stored.entry
      if (writing.retention.count > 1) yield* files.retain(where, key, revision, writing)
      return revision
    }).pipe(Effect.mapError(failedWrite(where, "save"))) satisfies Effect.Effect<Revision.Revision, CompareError>
  }

  remove(where: Where, key: string, writing: Writing) {
    const files = this.#files
    return Effect.gen({ self: this }, function* () {
      if (!this.#claimed) yield* this.#claim(where)
      const before = yield* this.current(where, key, writing)
      if (Option.isNone(before)) {
        // Left by a delete that was cut short.
        yield* files.history.purge(files.naming.file(key))
        return Option.none()
      }
      const { revision } = before.value.entry
      yield* files.floor.raise(revision)
      this.#unsettled.set(key, before)
      yield* Effect.onError(files.remove(key), (cause) => Effect.sync(() => this.#fail(key, before, cause)))
      this.#settle(key, Option.none())
      // Only now: while the state is there, so is its history.
      yield* Effect.mapError(files.history.purge(files.naming.file(key)), (error) => new Unsettled({ error }))
      return Option.some(revision)
    }).pipe(Effect.mapError(failedWrite(where, "delete"))) satisfies Effect.Effect<unknown, WriteError>
  }

  earlier(where: Where, key: string, current: number, since: number) {
    const { history, naming } = this.#files
    return Effect.mapError(history.list(where, naming.file(key), since, current), failed(where, "read the history"))
  }

  earlierEntry(where: Where, key: string, revision: number, since: number) {
    return Effect.mapError(this.#files.earlier(where, key, revision, since), failed(where, "read the history"))
  }
}

/** The revision of what is stored. */
export const revisionOf = (current: Current): Revision.Revision =>
  Option.isSome(current) ? current.value.entry.revision : Revision.absent

/** The keys of some files. */
export const keysOf = (files: KeyFiles, where: Where, names: Iterable<string>) =>
  Stream.filter(
    Stream.mapEffect(Stream.fromIterable(names), (file) => {
      const key = files.naming.key(file)
      return key === "hashed"
        ? Effect.mapError(files.hashedKey(where, file), failed(where, "list keys"))
        : Exit.succeed(key)
    }),
    (key) => key !== undefined
  )

/** What reading fails with, for the user. Adopting writes, and what it leaves undecided is looked at by the next reader. */
export const readFailed =
  (where: Where) =>
  <E>(error: E | IoError | Unsettled) =>
    failed(where, "read")(error instanceof Unsettled ? error.error : error)

const inUse = (where: Where, timeout: LockTimeout) =>
  new StorageUnavailable({
    ...where,
    operation: "open",
    reason: `${timeout.message}; close it there, or open it with sharing: "host" everywhere`,
    retryable: true,
    cause: timeout
  })

const sharedElsewhere = (where: Where, directory: string, pid: number) =>
  new StorageUnavailable({
    ...where,
    operation: "open",
    reason: `process ${pid} has it open with sharing: "host" (${directory}); close it there, or open it so here too`,
    retryable: true
  })
