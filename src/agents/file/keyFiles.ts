/**
 * The files of one directory, each holding a state: how they are read and verified, and the durable steps that change them.
 * Its users see to it that one change a key runs at a time, and decide what is known without a look.
 */
import { join } from "node:path"
import { Clock, Effect, Exit, Option, Result } from "effect"
import type { CodecError } from "../../schema/Codec.ts"
import type * as Register from "../Register.ts"
import * as Revision from "../Revision.ts"
import { StateCorrupt, StorageUnavailable } from "../StateError.ts"
import * as Compression from "./compression.ts"
import { type Disk, isBeingWritten } from "./disk.ts"
import * as Edits from "./edits.ts"
import { FileHistory } from "./fileHistory.ts"
import { Floor } from "./floor.ts"
import * as Frame from "./frame.ts"
import type { IoError, Unsettled } from "./ioError.ts"
import * as Names from "./names.ts"
import * as Owner from "./owner.ts"
import { type Current, copyOf, type Stored, type Where, type Writing } from "./stored.ts"

// How many keys' permissions, and that their files are durable, are remembered; past it they are looked up again.
const maxChecked = 100_000

/** What reading a file can fail with. */
export type ReadFailure = IoError | StateCorrupt | StorageUnavailable | Edits.Unverified

/** What replacing a file can fail with. */
export type SaveFailure = IoError | Unsettled | StateCorrupt | StorageUnavailable

export class KeyFiles {
  readonly naming: Names.Naming
  readonly directory: string
  readonly disk: Disk
  readonly history: FileHistory
  readonly floor: Floor
  readonly #prefix: string
  readonly #keepLines: boolean
  /** The keys whose file this process has written or made durable, with the file's permissions. */
  readonly #checked = new Map<string, number | undefined>()

  constructor(disk: Disk, directory: string, naming: Names.Naming, shared: boolean) {
    this.disk = disk
    this.directory = directory
    this.naming = naming
    this.#prefix = join(directory, "x").slice(0, -1)
    this.#keepLines = shared
    this.history = new FileHistory(disk, directory, shared)
    this.floor = new Floor(disk, this.pathOf(naming.floor), (bytes) => this.#replace(naming.floor, bytes, undefined))
  }

  pathOf(file: string): string {
    return this.#prefix + file
  }

  path(key: string): string {
    return this.pathOf(this.naming.file(key))
  }

  /** Fails if something else than a log is where the history of a key would be. */
  expectLog(key: string): Effect.Effect<void, IoError> {
    return this.disk.expectNoDirectory(this.history.path(this.naming.file(key)))
  }

  /** Removes temp files that nobody writes any more, and tells the marks of others that have files here open. */
  sweep(names: ReadonlyArray<string>): Effect.Effect<ReadonlyArray<Owner.Owner>> {
    const stale: Array<string> = []
    const open: Array<Owner.Owner> = []
    for (const name of names) {
      const owned = Names.parseOwned(this.naming, name)
      if (owned === undefined) continue
      const path = this.pathOf(name)
      const isInUse = Owner.isHere(owned.owner) ? isBeingWritten(path) : Owner.lifeOf(owned.owner) !== "dead"
      if (!isInUse) stale.push(path)
      else if (owned.kind === "open") open.push(owned.owner)
    }
    // One that cannot be removed takes room, and does no other harm.
    return Effect.as(
      Effect.forEach(stale, (path) => Effect.ignore(this.disk.remove(path)), { discard: true }),
      open
    )
  }

  /** What a file holds, verified. If it is still the frame that is known, it is not read again as JSON. */
  read(where: Where, key: string, writing: Writing, known?: Stored): Effect.Effect<Current, ReadFailure> {
    const path = this.path(key)
    return Effect.flatMap(this.disk.read(path), (found): Effect.Effect<Current, ReadFailure> => {
      if (Option.isNone(found)) return Exit.succeed(Option.none())
      return Effect.flatMap(unpack(where, path, found.value), (bytes): Effect.Effect<Current, ReadFailure> => {
        if (known?.line !== undefined && Frame.isIntact(bytes, known.line)) return Exit.succeed(Option.some(known))
        const decoded = Frame.decode(bytes)
        if (Result.isFailure(decoded))
          return Effect.fail(new Edits.Unverified({ path, bytes, unreadable: decoded.failure }))
        if (decoded.success.key !== where.key) return Effect.fail(misplaced(where, path))
        return Exit.succeed(Option.some(this.#stored(decoded.success, bytes, found.value, writing)))
      })
    })
  }

  #stored(frame: Frame.Frame, bytes: Uint8Array, file: Uint8Array, { retention }: Writing): Stored {
    return {
      entry: toEntry(frame),
      since: frame.since,
      line: this.#keepLines ? Frame.lineOf(bytes) : undefined,
      bytes: retention.count > 1 ? file : undefined
    }
  }

  /** Whether this process has written the file of a key, or made it durable. */
  isChecked(key: string): boolean {
    return this.#checked.has(key)
  }

  /** Makes what a file holds durable. */
  sync(key: string): Effect.Effect<void, IoError> {
    return Effect.map(this.disk.syncFile(this.path(key)), (mode) => this.#remember(key, mode))
  }

  /** Makes the names in the directory durable. */
  get syncNames(): Effect.Effect<void, IoError> {
    return this.disk.syncDirectory(this.directory)
  }

  #remember(key: string, mode: number | undefined): void {
    if (this.#checked.size >= maxChecked && !this.#checked.has(key)) this.#checked.clear()
    this.#checked.set(key, mode)
  }

  /** Replaces the file of a key by the snapshot protocol; what it held goes to the history first. */
  save(
    where: Where,
    key: string,
    writing: Writing,
    before: Current,
    next: Register.NewEntry,
    claimed?: { readonly above: number; readonly since: number }
  ): Effect.Effect<Stored, SaveFailure> {
    return Effect.gen({ self: this }, function* () {
      const file = this.naming.file(key)
      const { codec, compression, retention } = writing
      const keeps = retention.count > 1
      const actual = Option.isSome(before) ? before.value.entry.revision : this.floor.revision
      // A file that was restored from a backup is older than its history.
      const newest = keeps && Option.isSome(before) ? yield* this.history.newest(where, file) : 0
      const revision = Revision.make(Math.max(actual, newest, claimed?.above ?? 0) + 1)
      const since = Option.isSome(before) ? before.value.since : claimed?.since || revision
      const { savedAt, state } = next
      const header = { revision, since, savedAt, codec: codec.format, schema: codec.fingerprint, key: where.key }
      const frame = Frame.encode({ ...header, payload: state })
      const bytes = compression === "none" ? frame : yield* pack(where, compression, frame)
      // The permissions that somebody gave to the file outlive it.
      if (Option.isSome(before) && !this.#checked.has(key)) yield* this.sync(key)
      const mode = this.#checked.get(key)
      const keepPrevious = keeps && Option.isSome(before) ? this.#keep(where, key, file, before.value) : undefined
      yield* this.#replace(file, bytes, mode, keepPrevious)
      this.#remember(key, mode)
      return {
        entry: { state: copyOf(state), savedAt, revision },
        since,
        line: this.#keepLines ? Frame.lineOf(frame) : undefined,
        bytes: keeps ? bytes : undefined
      }
    })
  }

  #keep(
    where: Where,
    key: string,
    file: string,
    { bytes, entry }: Stored
  ): Effect.Effect<void, IoError | StateCorrupt> {
    if (bytes !== undefined) return this.history.keep(where, file, entry.revision, bytes)
    return Effect.flatMap(this.disk.read(this.path(key)), (found) =>
      Option.isNone(found) ? Effect.void : this.history.keep(where, file, entry.revision, found.value)
    )
  }

  #replace<E = never>(
    file: string,
    bytes: Uint8Array,
    mode: number | undefined,
    beforeRename?: Effect.Effect<void, E>
  ) {
    const target = this.pathOf(file)
    const temp = this.pathOf(Names.tempOf(file))
    return this.disk.replace({ directory: this.directory, target, temp, bytes, mode }, beforeRename)
  }

  /** Takes an edited file over as a new revision, if what it says fits; the file then holds a frame again. */
  adopt(
    where: Where,
    key: string,
    writing: Writing,
    found: Edits.Unverified,
    known: Current
  ): Effect.Effect<Stored, SaveFailure> {
    const edited = Edits.read(found)
    if (writing.adopt === undefined || edited === undefined) return Effect.fail(corruptOf(where, found))
    if (edited.key !== undefined && edited.key !== where.key) return Effect.fail(misplaced(where, found.path))
    return Effect.gen({ self: this }, function* () {
      const state = yield* Effect.mapError(
        writing.adopt?.(edited.payload, where) ?? Effect.void,
        misfit(where, found.path)
      )
      if (state === undefined) return yield* corruptOf(where, found)
      const savedAt = yield* Clock.currentTimeMillis
      yield* this.sync(key)
      const floor = this.floor.revision
      const newest = writing.retention.count > 1 ? yield* this.history.newest(where, this.naming.file(key)) : 0
      const claimed = { above: Math.max(edited.revision, floor, newest), since: edited.since }
      return yield* this.save(where, key, writing, known, { state, savedAt }, claimed)
    })
  }

  /** Removes the file of a key, durably. */
  remove(key: string): Effect.Effect<void, IoError | Unsettled> {
    return Effect.map(this.disk.removeDurably(this.directory, this.path(key)), () => {
      this.#checked.delete(key)
    })
  }

  /** An earlier state. */
  earlier(where: Where, key: string, revision: number, since: number) {
    const file = this.naming.file(key)
    return Effect.flatMap(this.history.at(where, file, revision), (found) =>
      Option.isNone(found)
        ? Effect.succeed(Option.none<Register.Entry>())
        : Effect.map(this.#decodeEarlier(where, this.history.path(file), found.value), (frame) =>
            frame.revision === revision && frame.since >= since ? Option.some(toEntry(frame)) : Option.none()
          )
    )
  }

  #decodeEarlier(where: Where, path: string, file: Uint8Array) {
    return Effect.flatMap(unpack(where, path, file), (bytes) => {
      const decoded = Frame.decode(bytes)
      return Result.isSuccess(decoded) && decoded.success.key === where.key
        ? Effect.succeed(decoded.success)
        : Effect.fail(
            Result.isFailure(decoded)
              ? new StateCorrupt({ ...where, location: path, reason: decoded.failure.reason })
              : misplaced(where, path)
          )
    })
  }

  /** Removes earlier states beyond the limits, when enough of them have come together to be worth it. */
  retain(where: Where, key: string, current: number, { retention }: Writing): Effect.Effect<void> {
    const file = this.naming.file(key)
    return this.history.retain(where, file, current, retention, (found) =>
      Effect.match(this.#decodeEarlier(where, this.history.path(file), found), {
        onSuccess: ({ savedAt }) => savedAt,
        // What cannot be read is not ours to remove.
        onFailure: () => Number.POSITIVE_INFINITY
      })
    )
  }

  /** The key of a file whose name does not tell it. */
  hashedKey(
    where: Where,
    file: string
  ): Effect.Effect<string | undefined, IoError | StateCorrupt | StorageUnavailable> {
    const path = this.pathOf(file)
    return Effect.gen({ self: this }, function* () {
      const found = yield* this.disk.read(path)
      if (Option.isNone(found)) return undefined
      const frame = Frame.decode(yield* unpack(where, path, found.value))
      if (Result.isFailure(frame))
        return yield* new StateCorrupt({ ...where, location: path, reason: frame.failure.reason })
      const { key } = frame.success
      return key !== undefined && this.naming.file(key) === file ? key : yield* misplaced(where, path)
    })
  }
}

/** A file without a valid frame, as the error of an agent. */
export const corruptOf = (where: Where, { path, unreadable }: Edits.Unverified): StateCorrupt =>
  new StateCorrupt({ ...where, location: path, reason: unreadable.reason })

const misplaced = (where: Where, path: string) =>
  new StateCorrupt({ ...where, location: path, reason: "it holds the state of another key; was it copied or renamed?" })

const misfit =
  (where: Where, location: string) =>
  ({ path, reason }: CodecError): StateCorrupt => {
    const place = path.length === 0 ? "the state" : `"${path.map(String).join(".")}"`
    return new StateCorrupt({
      ...where,
      location,
      reason: `it was edited by hand, and ${place} does not fit: ${reason}`
    })
  }

const missingCompression = (where: Where, operation: string, compression: string) =>
  new StorageUnavailable({
    ...where,
    operation,
    reason: `this version of Node does not have the compression ${compression}`,
    retryable: false
  })

const unpack = (
  where: Where,
  path: string,
  bytes: Uint8Array
): Effect.Effect<Uint8Array, StateCorrupt | StorageUnavailable> =>
  Compression.detect(bytes) === "none"
    ? Exit.succeed(bytes)
    : Effect.mapError(Compression.decompress(bytes), (error) =>
        error._tag === "CompressionUnavailable"
          ? missingCompression(where, "read", error.compression)
          : new StateCorrupt({
              ...where,
              location: path,
              reason: `it was damaged: it does not decompress (${error.compression}): ${error.reason}`
            })
      )

const pack = (where: Where, compression: Compression.Compression, bytes: Uint8Array) =>
  Effect.mapError(Compression.compress(compression, bytes), (error) =>
    missingCompression(where, "save", error.compression)
  )

/** Fails unless what a compression takes is there. */
export const expectCompression = (where: Where, compression: Compression.Compression) =>
  Effect.mapError(Compression.available(compression), () => missingCompression(where, "open", compression))

const toEntry = ({ payload, revision, savedAt }: Frame.Frame): Register.Entry => ({
  state: payload,
  savedAt,
  revision: Revision.make(revision)
})
