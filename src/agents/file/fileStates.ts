/**
 * The states in the files of one directory: read, verified, written and removed by the snapshot protocol. Its user sees
 * to it that one operation a key runs at a time; readers see a write only once it is durable.
 *
 * Revisions are never reused: a delete first raises a durable floor, then removes the file.
 */
import { join } from "node:path"
import { Cause, Clock, Effect, Exit, Option, Result, Semaphore, Stream } from "effect"
import type { Payload } from "../../schema/Codec.ts"
import * as Register from "../Register.ts"
import * as Revision from "../Revision.ts"
import { type CompareError, StateCorrupt, type StorageUnavailable, type WriteError } from "../StateError.ts"
import type { Disk, Snapshot } from "./disk.ts"
import { FileHistory } from "./fileHistory.ts"
import * as Frame from "./frame.ts"
import { failed, failedWrite, type IoError, Unsettled, unavailable } from "./ioError.ts"
import * as Names from "./names.ts"
import type { Recent } from "./recent.ts"

/** The stored entry, if there is one. */
export type Current = Option.Option<Register.Entry>

/** What an error says about its place. */
export interface Where {
  readonly agent: string
  readonly key?: string | undefined
}

/** How one opening writes its states. */
export interface Writing {
  readonly codec: { readonly format: string; readonly fingerprint: string }
  /** How many revisions to keep, the current one included. */
  readonly keep: number
}

// Bytes are handed over as copies, so that neither side can change what the other one holds. Text cannot change.
const copyOf = (payload: Payload): Payload => (typeof payload === "string" ? payload : payload.slice())

/** An entry that shares no bytes with the given one. */
export const copyEntry = (entry: Register.Entry): Register.Entry =>
  typeof entry.state === "string" ? entry : { ...entry, state: copyOf(entry.state) }

// How many keys' permissions, and that their files are durable, are remembered; past it they are looked up again.
const maxChecked = 100_000

export class FileStates {
  readonly naming: Names.Naming
  readonly #disk: Disk
  readonly #directory: string
  readonly #prefix: string
  readonly #recent: Recent
  readonly #publish: (key: string, change: Revision.Change<Payload>) => void
  /** The keys whose file this process has written or made durable, with the file's permissions. */
  readonly #checked = new Map<string, number | undefined>()
  /** The keys that a write or delete is under way for, or was left undecided by one, with what they had before. */
  readonly #unsettled = new Map<string, Current>()
  readonly #history: FileHistory
  readonly #floorLock = Semaphore.makeUnsafe(1)
  #floor = 0

  constructor(
    disk: Disk,
    directory: string,
    naming: Names.Naming,
    recent: Recent,
    publish: (key: string, change: Revision.Change<Payload>) => void
  ) {
    this.naming = naming
    this.#disk = disk
    this.#directory = directory
    this.#prefix = join(directory, "x").slice(0, -1)
    this.#recent = recent
    this.#publish = publish
    this.#history = new FileHistory(disk, directory)
  }

  /** Sweeps temp files, makes the names durable, and reads the floor and, of a single file, the state. */
  recover(where: Where): Effect.Effect<void, StateCorrupt | StorageUnavailable> {
    return Effect.gen({ self: this }, function* () {
      const names = yield* this.#disk.list(this.#directory)
      // One that cannot be removed takes room, and does no other harm.
      const stale = names.filter((name) => Names.isTempOf(this.naming, name))
      yield* Effect.forEach(stale, (name) => Effect.ignore(this.#disk.remove(this.#path(name))), { discard: true })
      yield* this.#disk.syncDirectory(this.#directory)
      const path = this.#path(this.naming.floor)
      const floor = yield* this.#disk.read(path)
      if (Option.isSome(floor)) {
        this.#floor = (yield* this.#decode(where, path, floor.value, undefined)).revision
        yield* this.#disk.syncFile(path)
      }
      if (!this.naming.keyed) yield* this.current(where, "")
    }).pipe(Effect.mapError(failed(where, "open")))
  }

  /** What is stored, if that is known without a look. */
  known(key: string): Current | undefined {
    return this.#recent.get(key)
  }

  /** The keys that have a state, as of what is durable. */
  keys(where: Where): Stream.Stream<string, StateCorrupt | StorageUnavailable> {
    return Stream.unwrap(
      Effect.map(Effect.mapError(this.#disk.list(this.#directory), unavailable(where, "list keys")), (listed) => {
        const files = new Set(listed)
        for (const key of this.#unsettled.keys()) files.delete(this.naming.file(key))
        const before = [...this.#unsettled].filter(([, before]) => Option.isSome(before)).map(([key]) => key)
        const settled = Stream.mapEffect(Stream.fromIterable(files), (file) => {
          const key = this.naming.key(file)
          return key === "hashed" ? this.#hashedKey(where, file) : Effect.succeed(key)
        })
        return Stream.concat(
          Stream.fromIterable(before),
          Stream.filter(settled, (key) => key !== undefined)
        )
      })
    )
  }

  #path(file: string): string {
    return this.#prefix + file
  }

  #target(key: string): string {
    return this.#path(this.naming.file(key))
  }

  #decode(
    where: Where,
    path: string,
    bytes: Uint8Array,
    key: string | undefined
  ): Effect.Effect<Frame.Frame, StateCorrupt> {
    const decoded = Frame.decode(bytes)
    const reason = Result.isFailure(decoded)
      ? decoded.failure
      : decoded.success.key === key
        ? undefined
        : "it holds the state of another key; was it copied or renamed?"
    return Result.isSuccess(decoded) && reason === undefined
      ? Effect.succeed(decoded.success)
      : Effect.fail(new StateCorrupt({ ...where, location: path, reason: reason ?? "" }))
  }

  /** What is stored, verified and durable. Holds the key's lock. */
  current(where: Where, key: string): Effect.Effect<Current, StateCorrupt | StorageUnavailable> {
    const known = this.#recent.get(key)
    if (known !== undefined) return Exit.succeed(known)
    return Effect.gen({ self: this }, function* () {
      const path = this.#target(key)
      const before = this.#unsettled.get(key)
      if (before !== undefined) yield* this.#disk.syncDirectory(this.#directory)
      const bytes = yield* this.#disk.read(path)
      // No file is no state only while there is a directory that it could be in.
      if (Option.isNone(bytes)) yield* this.#disk.expectDirectory(this.#directory)
      const current = Option.isNone(bytes)
        ? Option.none()
        : Option.some(toEntry(yield* this.#decode(where, path, bytes.value, where.key)))
      if (Option.isSome(current) && (before !== undefined || !this.#checked.has(key))) {
        this.#remember(key, yield* this.#disk.syncFile(path))
      }
      this.#settle(key, current)
      return current
    }).pipe(Effect.mapError(failed(where, "read")))
  }

  #remember(key: string, mode: number | undefined): void {
    if (this.#checked.size >= maxChecked && !this.#checked.has(key)) this.#checked.clear()
    this.#checked.set(key, mode)
  }

  /** What is now durable becomes visible, and is announced if it is new. */
  #settle(key: string, current: Current): void {
    const before = this.#unsettled.get(key)
    this.#unsettled.delete(key)
    this.#recent.set(key, current)
    if (before === undefined) return
    if (Option.isNone(current)) {
      if (Option.isSome(before)) this.#publish(key, Revision.deleted(before.value.revision))
    } else if (Option.isNone(before) || before.value.revision !== current.value.revision) {
      this.#publish(key, Revision.saved(current.value))
    }
  }

  /** What is stored is as before after a known failure; after any other, the next reader has to look. */
  #fail(key: string, before: Current, cause: Cause.Cause<IoError | Unsettled>): void {
    const error = Cause.findErrorOption(cause)
    if (Option.isSome(error) && error.value._tag === "IoError") this.#settle(key, before)
    else this.#recent.forget(key)
  }

  /** Replaces the file, if the revision is the expected one. Holds the key's lock. */
  write(
    where: Where,
    key: string,
    { codec, keep }: Writing,
    next: Register.NewEntry,
    expected: Revision.Expected
  ): Effect.Effect<Revision.Revision, CompareError> {
    return Effect.gen({ self: this }, function* () {
      const before = yield* this.current(where, key)
      const actual = Option.isSome(before) ? before.value.revision : Revision.absent
      yield* Register.check(where, expected, actual)
      const revision = Revision.make((Option.isSome(before) ? actual : this.#floor) + 1)
      const { fingerprint, format } = codec
      const { savedAt, state } = next
      const file = this.naming.file(key)
      const header = { revision, savedAt, codec: format, schema: fingerprint, key: where.key }
      const bytes = Frame.encode({ ...header, payload: state })
      // A history without a state is what a delete left that was cut short.
      if (Option.isNone(before)) yield* this.#history.purge(file)
      // The permissions that somebody gave to the file outlive it.
      const isKnown = Option.isNone(before) || this.#checked.has(key)
      const mode = isKnown ? this.#checked.get(key) : yield* this.#disk.syncFile(this.#path(file))
      const keepPrevious = keep > 1 && Option.isSome(before) ? this.#history.keep(file, actual) : undefined
      this.#unsettled.set(key, before)
      yield* Effect.onError(this.#replace(file, bytes, mode, keepPrevious), (cause) =>
        Effect.sync(() => this.#fail(key, before, cause))
      )
      this.#remember(key, mode)
      this.#settle(key, Option.some({ state: copyOf(state), savedAt, revision }))
      if (Number.isFinite(keep) && keepPrevious !== undefined) {
        yield* Effect.ignore(this.#history.prune(file, revision, keep))
      }
      return revision
    }).pipe(Effect.mapError(failedWrite(where, "save")))
  }

  #replace(file: string, bytes: Uint8Array, mode: number | undefined, beforeRename?: Snapshot["beforeRename"]) {
    const target = this.#path(file)
    const temp = this.#path(Names.tempOf(file))
    return this.#disk.replace({ directory: this.#directory, target, temp, bytes, mode, beforeRename })
  }

  /** Removes the file, then its history; answers the revision removed. Holds the key's lock. */
  remove(where: Where, key: string): Effect.Effect<Option.Option<Revision.Revision>, WriteError> {
    const file = this.naming.file(key)
    return Effect.gen({ self: this }, function* () {
      const before = yield* this.current(where, key)
      if (Option.isNone(before)) {
        yield* this.#history.purge(file)
        return Option.none()
      }
      yield* this.#raiseFloor(before.value.revision)
      this.#unsettled.set(key, before)
      yield* Effect.onError(this.#disk.removeDurably(this.#directory, this.#path(file)), (cause) =>
        Effect.sync(() => this.#fail(key, before, cause))
      )
      this.#checked.delete(key)
      this.#settle(key, Option.none())
      // Only now: while the state is there, so is its history.
      yield* Effect.mapError(this.#history.purge(file), (error) => new Unsettled({ error }))
      return Option.some(before.value.revision)
    }).pipe(Effect.mapError(failedWrite(where, "delete")))
  }

  #raiseFloor(revision: number): Effect.Effect<void, IoError> {
    return (
      this.#floorLock
        .withPermit(
          Effect.gen({ self: this }, function* () {
            if (this.#floor >= revision) return
            const savedAt = yield* Clock.currentTimeMillis
            const header = { revision, savedAt, codec: "json", schema: "floor", key: undefined }
            const bytes = Frame.encode({ ...header, payload: "null" })
            yield* this.#replace(this.naming.floor, bytes, undefined)
            this.#floor = revision
          })
        )
        // A floor that may be too high only skips numbers, and nothing was deleted.
        .pipe(Effect.catchTag("Unsettled", ({ error }) => Effect.fail(error)))
    )
  }

  /** The revisions kept besides the current one, newest first. */
  earlier(where: Where, key: string, below: number, keep: number) {
    const earlier = this.#history.list(this.naming.file(key), below)
    return Effect.mapBoth(earlier, {
      onFailure: unavailable(where, "read the history"),
      onSuccess: (revisions) => revisions.slice(0, keep - 1)
    })
  }

  /** One of them; none when it has been pruned. */
  earlierEntry(where: Where, key: string, revision: number): Effect.Effect<Current, StateCorrupt | StorageUnavailable> {
    const path = this.#history.path(this.naming.file(key), revision)
    return Effect.gen({ self: this }, function* () {
      const bytes = yield* Effect.mapError(this.#disk.read(path), unavailable(where, "read the history"))
      if (Option.isNone(bytes)) return Option.none()
      const frame = yield* this.#decode(where, path, bytes.value, where.key)
      if (frame.revision === revision) return Option.some(toEntry(frame))
      const reason = `it holds revision ${frame.revision}; was it copied or renamed?`
      return yield* new StateCorrupt({ ...where, location: path, reason })
    })
  }

  #hashedKey(where: Where, file: string): Effect.Effect<string | undefined, StateCorrupt | StorageUnavailable> {
    const path = this.#path(file)
    return Effect.flatMap(Effect.mapError(this.#disk.read(path), unavailable(where, "list keys")), (bytes) => {
      if (Option.isNone(bytes)) return Effect.succeed(undefined)
      const frame = Frame.decode(bytes.value)
      const key = Result.isSuccess(frame) ? frame.success.key : undefined
      return key !== undefined && this.naming.file(key) === file
        ? Effect.succeed(key)
        : Effect.fail(
            new StateCorrupt({
              ...where,
              location: path,
              reason: Result.isFailure(frame) ? frame.failure : "it holds the state of another key; was it renamed?"
            })
          )
    })
  }
}

const toEntry = ({ payload, revision, savedAt }: Frame.Frame): Register.Entry => ({
  state: payload,
  savedAt,
  revision: Revision.make(revision)
})
