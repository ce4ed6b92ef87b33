import { join } from "node:path"
import { Clock, Effect, Exit, Option, Scope } from "effect"
import { StateCorrupt } from "../StateError.ts"
import type { Disk } from "./disk.ts"
import { type IoError, Unsettled } from "./ioError.ts"
import { AppendLog, LogCorrupt, LogOutOfOrder } from "./log.ts"
import * as Names from "./names.ts"
import { type Kept, type Retention, within } from "./retention.ts"
import type { Where } from "./stored.ts"

// How many logs stay open: each takes a handle, and remembers where its records are.
const maxOpen = 32

// A compaction is not worth its two fsyncs for less.
const slack = 256 * 1024

interface Opened {
  readonly log: AppendLog
  readonly scope: Scope.Closeable
  users: number
  /** The size at which ages were last looked at. */
  looked: number
  closing: boolean
}

type Failure = IoError | StateCorrupt

/**
 * Earlier frames of the files in one directory: a log beside each file, whose positions are the revisions. A frame is
 * appended, durably, before the file changes. What counts as history are the records of a lower revision than the current
 * one, back to the revision since when there is a state: so no crash can leave a wrong one.
 *
 * A log is read once, when it is first used; after that its index is in memory while it is among the 32 used last. All
 * of it is used under the key's lock: one log has one writer, and a reader that opens it may have to cut a torn tail off.
 */
export class FileHistory {
  readonly #disk: Disk
  readonly #directory: string
  readonly #shared: boolean
  readonly #open = new Map<string, Opened>()

  constructor(disk: Disk, directory: string, shared: boolean) {
    this.#disk = disk
    this.#directory = directory
    this.#shared = shared
  }

  path(file: string): string {
    return join(this.#directory, Names.historyOf(file))
  }

  /** The highest revision that the log holds, 0 for none. Holds the key's lock; the log is there afterwards. */
  newest(where: Where, file: string): Effect.Effect<number, Failure> {
    return this.#using(where, file, (log) => Effect.map(this.#refresh(log), () => log.next - 1))
  }

  /** Keeps a frame, durably, as the one of its revision. Follows `newest` under one lock. */
  keep(where: Where, file: string, revision: number, bytes: Uint8Array): Effect.Effect<void, Failure> {
    return this.#using(where, file, (log) =>
      Effect.catchTag(Effect.asVoid(log.append([bytes], { at: revision })), "LogOutOfOrder", () =>
        // Left by a save that failed later on, or by a time before the file was restored from a backup.
        Effect.flatMap(log.at(revision), (found) =>
          Option.isSome(found) && Buffer.compare(found.value.payload, bytes) === 0
            ? Effect.void
            : Effect.fail(anotherState(where, this.path(file), revision))
        )
      )
    )
  }

  /** The revisions from one up to, and without, another one: newest first. */
  list(where: Where, file: string, since: number, below: number): Effect.Effect<ReadonlyArray<Kept>, Failure> {
    const listed = this.#using(where, file, (log) =>
      Effect.map(this.#refresh(log), () =>
        log
          .positions()
          .filter(({ position }) => position >= since && position < below)
          .map(({ bytes, position }): Kept => ({ revision: position, bytes }))
          .reverse()
      )
    )
    return Effect.flatMap(this.#isThere(file), (isThere) => (isThere ? listed : Effect.succeed([])))
  }

  /** The frame of a revision. */
  at(where: Where, file: string, revision: number): Effect.Effect<Option.Option<Uint8Array>, Failure> {
    const found = this.#using(where, file, (log) =>
      Effect.map(
        Effect.andThen(this.#refresh(log), log.at(revision)),
        Option.map(({ payload }) => payload)
      )
    )
    return Effect.flatMap(this.#isThere(file), (isThere) => (isThere ? found : Effect.succeed(Option.none())))
  }

  /**
   * Removes earlier frames beyond the limits, when the log is over twice what is to be kept. A failure loses nothing, and
   * the next save tries again.
   */
  retain(
    where: Where,
    file: string,
    current: number,
    retention: Retention,
    savedAt: (bytes: Uint8Array) => Effect.Effect<number>
  ): Effect.Effect<void> {
    const opened = this.#open.get(file)
    if (opened === undefined || !isWorthALook(opened, retention)) return Effect.void
    return Effect.ignore(
      this.#using(where, file, (log) =>
        Effect.gen({ self: this }, function* () {
          const all = log.positions().filter(({ position }) => position < current)
          const kept = within(all.map(({ bytes, position }) => ({ revision: position, bytes })).reverse(), retention)
          const young = yield* this.#young(log, kept, retention, savedAt)
          const from = young.at(-1)?.revision ?? current
          if (log.first !== undefined && log.first < from) yield* log.rewrite({ from })
          opened.looked = log.bytes
        })
      )
    )
  }

  /** The first of some revisions, newest first, that are young enough. Their times are in order: a few looks tell. */
  #young(
    log: AppendLog,
    kept: ReadonlyArray<Kept>,
    { millis }: Retention,
    savedAt: (bytes: Uint8Array) => Effect.Effect<number>
  ): Effect.Effect<ReadonlyArray<Kept>, IoError | LogCorrupt> {
    if (millis === Number.POSITIVE_INFINITY) return Effect.succeed(kept)
    return Effect.gen(function* () {
      const oldest = (yield* Clock.currentTimeMillis) - millis
      let [low, high] = [0, kept.length]
      while (low < high) {
        const middle = (low + high) >> 1
        const found = yield* log.at(kept[middle]?.revision ?? 0)
        if (Option.isSome(found) && (yield* savedAt(found.value.payload)) >= oldest) low = middle + 1
        else high = middle
      }
      return kept.slice(0, low)
    })
  }

  /** Removes all earlier frames, durably. */
  purge(file: string): Effect.Effect<void, IoError> {
    return Effect.gen({ self: this }, function* () {
      const opened = this.#open.get(file)
      if (opened !== undefined) yield* this.#forget(file, opened)
      if (yield* this.#disk.remove(this.path(file))) yield* this.#disk.syncDirectory(this.#directory)
    })
  }

  /** Closes all logs. */
  get close(): Effect.Effect<void> {
    return Effect.suspend(() =>
      Effect.forEach([...this.#open], ([file, opened]) => this.#forget(file, opened), { discard: true })
    )
  }

  #isThere(file: string): Effect.Effect<boolean, IoError> {
    return this.#open.has(file) && !this.#shared ? Exit.succeed(true) : this.#disk.exists(this.path(file))
  }

  /** Picks up what other processes did. */
  #refresh(log: AppendLog): Effect.Effect<void, LogFailure> {
    return this.#shared ? log.refresh({ exclusive: true }) : Effect.void
  }

  #using<A>(
    where: Where,
    file: string,
    use: (log: AppendLog) => Effect.Effect<A, StateCorrupt | LogFailure>
  ): Effect.Effect<A, Failure> {
    const used = Effect.acquireUseRelease(
      Effect.suspend(() => this.#enter(file)),
      ({ log }) => use(log),
      (opened) => this.#leave(file, opened)
    )
    return Effect.mapError(used, (error) => mapped(where, this.path(file), error))
  }

  #enter(file: string): Effect.Effect<Opened, IoError | LogCorrupt> {
    const known = this.#open.get(file)
    if (known !== undefined) {
      known.users++
      if (this.#open.size > 1) {
        this.#open.delete(file)
        this.#open.set(file, known)
      }
      return Exit.succeed(known)
    }
    return Effect.gen({ self: this }, function* () {
      const scope = Scope.makeUnsafe()
      const log = yield* Effect.onError(
        Scope.provide(AppendLog.open(this.#disk, { path: this.path(file), sweep: false }), scope),
        (cause) => Scope.close(scope, Exit.failCause(cause))
      )
      const opened: Opened = { log, scope, users: 1, looked: 0, closing: false }
      this.#open.set(file, opened)
      return opened
    })
  }

  #leave(file: string, opened: Opened): Effect.Effect<void> {
    return Effect.suspend(() => {
      opened.users--
      if (opened.closing) return opened.users === 0 ? Scope.close(opened.scope, Exit.void) : Effect.void
      if (this.#open.size <= maxOpen) return Effect.void
      const [idle] = [...this.#open].filter(([other, { users }]) => users === 0 && other !== file)
      return idle === undefined ? Effect.void : this.#forget(...idle)
    })
  }

  #forget(file: string, opened: Opened): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.#open.delete(file)
      opened.closing = true
      return opened.users === 0 ? Effect.ignoreCause(Scope.close(opened.scope, Exit.void)) : Effect.void
    })
  }
}

const isWorthALook = ({ log, looked }: Opened, { bytes, count, millis }: Retention): boolean =>
  log.bytes > slack &&
  (log.count > 2 * (count - 1) || log.bytes > 2 * bytes || (Number.isFinite(millis) && log.bytes > 2 * looked))

const anotherState = (where: Where, location: string, revision: number) =>
  new StateCorrupt({
    ...where,
    location,
    reason: `it holds another state of revision ${revision} than the file did; was the file restored from elsewhere?`
  })

type LogFailure = IoError | Unsettled | LogCorrupt | LogOutOfOrder

const mapped = (where: Where, location: string, error: StateCorrupt | LogFailure): Failure => {
  if (error instanceof LogCorrupt)
    return new StateCorrupt({ ...where, location: `${location}, offset ${error.offset}`, reason: error.reason })
  if (error instanceof LogOutOfOrder) return anotherState(where, location, error.position)
  // The file that the history belongs to has not changed: a record too many does no harm.
  return error instanceof Unsettled ? error.error : error
}
