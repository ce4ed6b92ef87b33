/**
 * A log of binary records in a file: records are appended in groups, and each has a position that only grows.
 *
 * - Promises: an append is there whole and durably, or not at all; at most the group that a crash cut short is lost, and
 *   none that was acknowledged. Damage that no crash can have done is told from that, and left as it is. What is read is
 *   durable and has been verified.
 * - Costs: one write and one fsync a group of appends that wait at the same time. Opening reads the whole file; 24 bytes of
 *   memory a record; a read holds one group at a time.
 * - Fails: with `IoError` when an append did not happen, and `Unsettled` when it may have; in both cases the next operation
 *   first puts the file right. With `LogCorrupt` and the offset for a damaged file. Nothing is retried on a handle whose
 *   fsync has failed.
 *
 * Processes that share a log hold a lock over `open`, `append` and `rewrite`, and call `refresh` after taking it.
 */
import { basename, dirname, join } from "node:path"
import { Data, Effect, Exit, type FileSystem, Option, PlatformError, type Scope, Semaphore, Stream } from "effect"
import { type Disk, isAbsent, writeFully } from "./disk.ts"
import { IoError, Unsettled } from "./ioError.ts"
import { changed, compact } from "./log/compact.ts"
import * as Frame from "./log/frame.ts"
import type { Positions } from "./log/positions.ts"
import { close, type Generation, type RecoverOptions, recover, sizeOf, sweepTemps } from "./log/recover.ts"
import { type LogCorrupt, Pages, scan } from "./log/scan.ts"
import * as Names from "./names.ts"

export { lastRecord } from "./log/last.ts"
export { LogCorrupt } from "./log/scan.ts"

/** An append at a position that is taken or lies before one that is. Nothing happened. */
export class LogOutOfOrder extends Data.TaggedError("LogOutOfOrder")<{
  readonly path: string
  readonly position: number
  /** The lowest position that is free. */
  readonly next: number
}> {}

/** One record. */
export interface LogRecord {
  readonly position: number
  readonly payload: Uint8Array
}

/** Which records to read: all, oldest first, unless it says otherwise. */
export interface LogRange {
  /** The lowest position. */
  readonly from?: number | undefined
  /** The position after the highest. */
  readonly to?: number | undefined
  readonly reverse?: boolean | undefined
}

/** Which records stay: those from a position on, or those that a function picks. */
export type Keep = { readonly from: number } | ((position: number, bytes: number) => boolean)

/** What `open` takes. */
export interface OpenOptions {
  readonly path: string
  /** The position of the first record of a new log. Default: 1. */
  readonly first?: number | undefined
  /** Whether temp files that a crash has left are removed, which lists the directory. Default: true. */
  readonly sweep?: boolean | undefined
}

type AppendError = IoError | Unsettled | LogCorrupt | LogOutOfOrder

/** One call of `append` that waits. */
interface Entry {
  readonly records: ReadonlyArray<Uint8Array>
  readonly at: number | undefined
  answer: Exit.Exit<number, AppendError> | undefined
}

// A group takes more appends only below these.
const groupBytes = 4 * 1024 * 1024
const groupRecords = 4096

const readers = 2 ** 20

export class AppendLog {
  readonly path: string
  readonly #disk: Disk
  /** Held by who writes. */
  readonly #turn = Semaphore.makeUnsafe(1)
  /** A permit of it is held by who reads, and all by who changes files. */
  readonly #gate = Semaphore.makeUnsafe(readers)
  #waiting: Array<Entry> = []
  #now: Generation
  /** Whether the file may hold something else than is known. */
  #stale = false
  #closed = false

  private constructor(disk: Disk, path: string, now: Generation) {
    this.#disk = disk
    this.path = path
    this.#now = now
  }

  /** Opens a log, or makes one, and recovers it: a torn tail is cut off, and all that is served is durable. */
  static open(
    disk: Disk,
    { first = 1, path, sweep = true }: OpenOptions
  ): Effect.Effect<AppendLog, IoError | LogCorrupt, Scope.Scope> {
    const open = Effect.gen(function* () {
      if (sweep) yield* sweepTemps(disk, path)
      const now = yield* recover(disk, path, { first, exclusive: true, makes: true })
      return new AppendLog(disk, path, now)
    })
    return Effect.acquireRelease(open, (log) => log.#close)
  }

  /** The lowest position that is free: that of the next record. */
  get next(): number {
    return this.#now.next
  }

  /** The position of the oldest record. */
  get first(): number | undefined {
    return this.#now.positions.first
  }

  /** How many records there are. */
  get count(): number {
    return this.#now.positions.count
  }

  /** The size of the file. */
  get bytes(): number {
    return this.#now.end
  }

  /** The positions and sizes of all records, from memory. */
  positions(): ReadonlyArray<{ readonly position: number; readonly bytes: number }> {
    return this.#now.positions.list()
  }

  /**
   * Adds records, all or none, and answers the position of the first. Those that wait while another group is written are
   * written together. `at` is the position that the first is to have; positions may be left out.
   */
  append(
    records: ReadonlyArray<Uint8Array>,
    options?: { readonly at?: number | undefined }
  ): Effect.Effect<number, AppendError> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.suspend(() => {
        const entry: Entry = { records: [...records], at: options?.at, answer: undefined }
        this.#waiting.push(entry)
        // A full group may have been made of others.
        const write: Effect.Effect<number, AppendError> = Effect.suspend(
          () => entry.answer ?? Effect.flatMap(this.#writeGroup, () => write)
        )
        return Effect.onInterrupt(restore(this.#turn.withPermit(Effect.uninterruptible(write))), () =>
          Effect.sync(() => {
            this.#waiting = this.#waiting.filter((other) => other !== entry)
          })
        )
      })
    )
  }

  /** Writes what is waiting, as one frame. Holds the turn. */
  get #writeGroup(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const group = this.#takeGroup()
      return Effect.map(Effect.exit(Effect.andThen(this.#putRight, () => this.#write(group))), (exit) => {
        if (Exit.isFailure(exit)) for (const entry of group) entry.answer ??= Exit.failCause(exit.cause)
      })
    })
  }

  #takeGroup(): ReadonlyArray<Entry> {
    let bytes = 0
    let records = 0
    let end = 0
    for (const entry of this.#waiting) {
      if (end > 0 && (bytes >= groupBytes || records >= groupRecords)) break
      records += entry.records.length
      bytes += entry.records.reduce((sum, { length }) => sum + length, 0)
      end++
    }
    return this.#waiting.splice(0, end)
  }

  #write(group: ReadonlyArray<Entry>): Effect.Effect<void, IoError | Unsettled> {
    return Effect.suspend(() => {
      const { end, file, generation, positions } = this.#now
      let { next } = this.#now
      const answers: Array<readonly [Entry, number]> = []
      const records: Array<Frame.NewRecord> = []
      for (const entry of group) {
        const position = entry.at ?? next
        if (position < next) {
          entry.answer = Exit.fail(new LogOutOfOrder({ path: this.path, position, next }))
          continue
        }
        answers.push([entry, position])
        for (const [i, payload] of entry.records.entries()) records.push({ position: position + i, payload })
        if (entry.records.length > 0) next = position + entry.records.length
      }
      const answer = () => {
        for (const [entry, position] of answers) entry.answer = Exit.succeed(position)
      }
      if (records.length === 0) return Effect.sync(answer)
      const frame = Frame.encodeFrame(generation, end, records)
      const write = Effect.andThen(Effect.andThen(file.seek(BigInt(end), "start"), writeFully(file, frame)), file.sync)
      return Effect.matchEffect(this.#disk.io(this.path, write), {
        onFailure: (error) => this.#undo(error),
        onSuccess: () =>
          Effect.sync(() => {
            positions.add(
              end,
              records.map(({ position }) => position),
              records.map(({ payload }) => payload.length)
            )
            this.#now = { ...this.#now, end: end + frame.length, next }
            answer()
          })
      })
    })
  }

  /** Takes back what a failed write may have left. */
  #undo(error: IoError): Effect.Effect<never, IoError | Unsettled> {
    this.#stale = true
    return Effect.matchEffect(this.#recover({ exclusive: true, cutAt: this.#now.end }), {
      onFailure: () => Effect.fail(new Unsettled({ error })),
      onSuccess: () => Effect.fail(error)
    })
  }

  get #putRight(): Effect.Effect<void, IoError | LogCorrupt> {
    return Effect.suspend(() => {
      // The number of a closed file may be that of another one by now.
      if (this.#closed) return Effect.fail(isClosed(this.path))
      return this.#stale ? this.#recover({ exclusive: true }) : Effect.void
    })
  }

  /** Opens the file anew. Holds the turn. */
  #recover(options: Omit<RecoverOptions, "first">): Effect.Effect<void, IoError | LogCorrupt> {
    return Effect.flatMap(recover(this.#disk, this.path, { first: this.next, ...options }), (next) =>
      Effect.andThen(
        this.#replace(next),
        Effect.sync(() => {
          this.#stale = false
        })
      )
    )
  }

  #replace(next: Generation): Effect.Effect<void> {
    return this.#gate.withPermits(readers)(
      Effect.suspend(() => {
        const before = this.#now
        this.#now = next
        return close(before)
      })
    )
  }

  get #close(): Effect.Effect<void> {
    return this.#turn.withPermit(
      this.#gate.withPermits(readers)(
        Effect.suspend(() => {
          this.#closed = true
          return close(this.#now)
        })
      )
    )
  }

  /** The records of a range, a group in memory at a time. Those appended after it began are not among them. */
  read({
    from = 0,
    reverse = false,
    to = Number.POSITIVE_INFINITY
  }: LogRange = {}): Stream.Stream<LogRecord, IoError | LogCorrupt> {
    return Stream.suspend(() => {
      const end = Math.min(to, this.next)
      return Stream.paginate(reverse ? end : from, (cursor) =>
        Effect.map(
          this.#records((positions) => (reverse ? positions.frameBefore(cursor) : positions.frameFrom(cursor))),
          (records): readonly [ReadonlyArray<LogRecord>, Option.Option<number>] => {
            const first = records[0]?.position
            const last = records.at(-1)?.position
            if (first === undefined || last === undefined) return [[], Option.none()]
            const inRange = records.filter(
              ({ position }) => position >= from && position < end && (reverse ? position < cursor : position >= cursor)
            )
            if (reverse) return [inRange.reverse(), first > from ? Option.some(first) : Option.none()]
            return [inRange, last + 1 < end ? Option.some(last + 1) : Option.none()]
          }
        )
      )
    })
  }

  /** The record at a position. */
  at(position: number): Effect.Effect<Option.Option<LogRecord>, IoError | LogCorrupt> {
    return Effect.map(
      this.#records((positions) => positions.frameAt(position)),
      (records) => Option.fromUndefinedOr(records.find((record) => record.position === position))
    )
  }

  /** The newest record. */
  get last(): Effect.Effect<Option.Option<LogRecord>, IoError | LogCorrupt> {
    return Effect.map(
      this.#records((positions) => positions.frameBefore(Number.POSITIVE_INFINITY)),
      (records) => Option.fromUndefinedOr(records.at(-1))
    )
  }

  #records(
    choose: (positions: Positions) => number | undefined
  ): Effect.Effect<ReadonlyArray<LogRecord>, IoError | LogCorrupt> {
    return this.#gate.withPermit(
      Effect.suspend(() => {
        if (this.#closed) return Effect.fail(isClosed(this.path))
        const { end, file, generation, positions } = this.#now
        const offset = choose(positions)
        if (offset === undefined) return Effect.succeed([])
        const pages = new Pages(this.#disk, this.path, file, end)
        return Effect.flatMap(pages.frameAt(generation, offset), (found) =>
          found === undefined
            ? Effect.fail(changed(this.path, offset))
            : Effect.succeed(Frame.recordsOf(found.header, found.bytes))
        )
      })
    )
  }

  /** Compaction: replaces the file by one with fewer records, and goes on with that. */
  rewrite(keep: Keep): Effect.Effect<void, IoError | Unsettled | LogCorrupt> {
    const keeps = typeof keep === "function" ? keep : (position: number) => position >= keep.from
    return this.#exclusively(
      Effect.andThen(
        this.#putRight,
        Effect.suspend(() => this.#rewrite(keeps))
      )
    )
  }

  #rewrite(keeps: (position: number, bytes: number) => boolean): Effect.Effect<void, IoError | Unsettled | LogCorrupt> {
    const temp = join(dirname(this.path), Names.tempOf(basename(this.path)))
    const copy = compact(this.#disk, this.path, this.#now, temp, keeps)
    const written = Effect.tapError(copy, () => Effect.ignore(this.#disk.remove(temp)))
    // A rename that reports an error may still have happened; whether the temp file is gone tells.
    const renamed = Effect.catch(this.#disk.io(this.path, this.#disk.fs.rename(temp, this.path)), (error) => {
      this.#stale = true
      return Effect.flatMap(
        Effect.catch(this.#disk.remove(temp), () => Effect.succeed(false)),
        (wasThere) => Effect.fail(wasThere ? error : new Unsettled({ error }))
      )
    })
    // From here on the new file is what there is; until it has been read and its name is durable, nothing is served.
    return Effect.andThen(
      Effect.andThen(written, renamed),
      Effect.mapError(this.#recoverRewritten, (error) => (error instanceof IoError ? new Unsettled({ error }) : error))
    )
  }

  get #recoverRewritten() {
    this.#stale = true
    return this.#recover({ exclusive: true })
  }

  /**
   * Looks at what other processes did: one stat if they did nothing. With the lock held (`exclusive`) a torn tail is that
   * of a dead writer, and cut off; without, it may be that of a live one, and is left alone.
   */
  refresh({ exclusive }: { readonly exclusive: boolean }): Effect.Effect<void, IoError | LogCorrupt> {
    return this.#exclusively(
      Effect.gen({ self: this }, function* () {
        const { end, inode } = this.#now
        if (this.#closed) return yield* isClosed(this.path)
        if (!this.#stale) {
          const info = yield* Effect.catchIf(
            Effect.asSome(this.#disk.io(this.path, this.#disk.fs.stat(this.path))),
            isAbsent,
            () => Effect.succeed(Option.none<FileSystem.File.Info>())
          )
          if (Option.isSome(info)) {
            const isSame = inode !== undefined && Option.getOrUndefined(info.value.ino) === inode
            if (isSame && sizeOf(info.value) === end) return
            if (isSame && sizeOf(info.value) > end) return yield* this.#readOn(sizeOf(info.value), exclusive)
          }
        }
        yield* this.#recover({ exclusive, makes: exclusive })
      })
    )
  }

  /** Reads what was added to the file, and makes it durable before it is shown. */
  #readOn(size: number, exclusive: boolean): Effect.Effect<void, IoError | LogCorrupt> {
    return Effect.gen({ self: this }, function* () {
      const { file, positions } = this.#now
      const pages = new Pages(this.#disk, this.path, file, size)
      const found: Array<readonly [number, Frame.FrameHeader]> = []
      const scanned = yield* scan(pages, this.#now, ({ header, offset }) => found.push([offset, header]))
      this.#stale = true
      if (scanned.end < size && exclusive) yield* this.#disk.io(this.path, file.truncate(scanned.end))
      if (found.length > 0 || exclusive) yield* this.#disk.io(this.path, file.sync)
      this.#stale = false
      for (const [offset, header] of found) positions.add(offset, header.positions, header.lengths)
      this.#now = { ...this.#now, ...scanned }
    })
  }

  #exclusively<A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> {
    return this.#turn.withPermit(Effect.uninterruptible(effect))
  }
}

const isClosed = (path: string) => {
  const problem = {
    _tag: "BadResource",
    module: "FileSystem",
    method: "open",
    description: "the log is closed"
  } as const
  return new IoError({ path, cause: PlatformError.systemError(problem) })
}
