/**
 * One stream: a directory of segments, of which only the last one is written. All that is known of it is durable. Whoever changes or
 * refreshes what is known holds the turn and, where other processes share it, the lock; readers need neither.
 */
import { join } from "node:path"
import { Cause, Effect, Exit, Option, Semaphore } from "effect"
import { type Disk, isAbsent } from "../../file/disk.ts"
import type { FileSharing } from "../../file/fileStore.ts"
import { IoError, Unsettled } from "../../file/ioError.ts"
import { LogCorrupt } from "../../file/log/scan.ts"
import type { Failure } from "../../internal/backend.ts"
import { Grouping, type Waiting } from "../../internal/grouping.ts"
import type { Append, Appended, Bounds, Conflict, Id, Part, Stored } from "../Log.ts"
import { compact } from "./compact.ts"
import { type FileFailure, failureOf } from "./failures.ts"
import { Known } from "./known.ts"
import * as Line from "./line.ts"
import { segmentAt, segmentsOf } from "./names.ts"
import { type Answer, type Plan, plan } from "./plan.ts"
import { Reader } from "./reader.ts"
import { type Current, close, compactedOf, readOn, recover } from "./recover.ts"
import { appendLines, takeBack, writeSegment } from "./write.ts"

/** What the streams of a directory have in common. */
export interface Surroundings {
  readonly disk: Disk
  readonly sharing: FileSharing
  /** A segment that has so many bytes is full. */
  readonly segmentBytes: number
  /** Runs an effect as the only process that changes what is in a directory. */
  readonly locked: <A, E>(directory: string, effect: Effect.Effect<A, E>) => Effect.Effect<A, E | FileFailure>
}

// A group takes more appends only below these.
const groupBytes = 4 * 1024 * 1024
const groupAppends = 4096

export class FileStream {
  /** How many operations and watchers need it. */
  users = 0
  readonly id: Id
  readonly directory: string
  readonly #around: Surroundings
  readonly #known: Known
  readonly #reader: Reader
  readonly #appends: Grouping<Append, Appended, Failure | Conflict>
  readonly #watchers = new Set<() => void>()
  /** Held by who changes or refreshes what is known. */
  readonly #turn = Semaphore.makeUnsafe(1)
  #current: Current | undefined
  /** Whether the files may hold something else than is known, whoever wrote it. */
  #isStale = true

  constructor(around: Surroundings, directory: string, id: Id) {
    this.#around = around
    this.directory = directory
    this.id = id
    this.#known = new Known(around.disk, directory, id)
    this.#reader = new Reader(around.disk, directory, id)
    this.#appends = new Grouping({
      run: (group) => Effect.runPromise(this.#commit(group)),
      lanes: 1,
      most: groupAppends,
      mostBytes: groupBytes
    })
  }

  append(append: Append): Effect.Effect<Appended, Failure | Conflict> {
    let size = 0
    for (const { data } of append.events) size += data.length
    return this.#appends.ask(append, size)
  }

  get bounds(): Effect.Effect<Bounds, Failure> {
    return this.#reading({ compacted: 0, last: 0 }, (current) =>
      Effect.succeed({ compacted: compactedOf(current), last: current.tail.last })
    )
  }

  read({ after, limit }: Part): Effect.Effect<ReadonlyArray<Stored>, Failure> {
    return this.#reading<ReadonlyArray<Stored>>([], (current) =>
      this.#reader.read(current, Math.max(after, compactedOf(current)) + 1, limit)
    )
  }

  positionAt(time: number): Effect.Effect<number, Failure> {
    return this.#reading(0, (current) => this.#reader.positionAt(current, time))
  }

  compact(upTo: number): Effect.Effect<void, Failure> {
    const { disk } = this.#around
    const removed = Effect.gen({ self: this }, function* () {
      const current = yield* this.#refreshed
      if (current === undefined) return
      const position = Math.min(upTo, current.tail.last)
      if (position <= compactedOf(current)) return
      this.#isStale = true
      yield* compact(disk, this.directory, this.id, current, position)
      // What it took the place of is removed on the way.
      yield* Effect.mapError(this.#refreshed, (error) => (error instanceof IoError ? new Unsettled({ error }) : error))
    })
    return Effect.mapError(this.#exclusively(removed), failureOf)
  }

  /** Has a function called after appends, until it is taken away. */
  watch(notice: () => void): () => void {
    const watcher = () => notice()
    this.#watchers.add(watcher)
    return () => this.#watchers.delete(watcher)
  }

  /** Closes its files when nobody is at them any more. */
  get close(): Effect.Effect<void> {
    return this.#turn.withPermit(
      Effect.suspend(() => {
        const current = this.#current
        this.#current = undefined
        this.#isStale = true
        return current === undefined ? Effect.void : close(current)
      })
    )
  }

  /** Reads what is there now. A file may go away meanwhile, compacted: then there is something else to be read. */
  #reading<A>(none: A, read: (current: Current) => Effect.Effect<A, FileFailure>): Effect.Effect<A, Failure> {
    const attempt = (before: Current | undefined): Effect.Effect<A, FileFailure> =>
      Effect.flatMap(this.#fresh, (current) => {
        if (current === undefined) return Effect.succeed(none)
        return Effect.catchIf(
          read(current),
          (error) => error instanceof IoError && isAbsent(error) && current !== before,
          () => attempt(current)
        )
      })
    return Effect.mapError(attempt(undefined), failureOf)
  }

  /** What is known, if it is up to date; else it is brought up to date. */
  get #fresh(): Effect.Effect<Current | undefined, FileFailure> {
    return Effect.suspend(() => {
      if (this.#isStale) return this.#exclusively(this.#refreshed)
      if (this.#around.sharing === "process") return Exit.succeed(this.#current)
      return Effect.flatMap(this.#isOld, (isOld) =>
        isOld ? this.#exclusively(this.#refreshed) : Exit.succeed(this.#current)
      )
    })
  }

  #exclusively<A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E | FileFailure> {
    const alone = Effect.uninterruptible(effect)
    return this.#turn.withPermit(
      this.#around.sharing === "process" ? alone : this.#around.locked(this.directory, alone)
    )
  }

  /** Whether other processes have changed something. */
  get #isOld(): Effect.Effect<boolean, FileFailure> {
    const { disk } = this.#around
    return Effect.flatMap(disk.list(this.directory), (names): Effect.Effect<boolean, FileFailure> => {
      const current = this.#current
      const segments = segmentsOf(names)
      if (current === undefined || current.segments.length !== segments.length)
        return Effect.succeed(segments.length !== (current?.segments.length ?? 0))
      if (segments.some(({ file }, i) => file !== current.segments[i]?.file)) return Effect.succeed(true)
      const path = join(this.directory, current.active.segment.file)
      return Effect.match(disk.io(path, disk.fs.stat(path)), {
        onFailure: () => true,
        onSuccess: ({ size }) => Number(size) !== current.tail.offset
      })
    })
  }

  /** Brings what is known up to date. Runs exclusively. */
  get #refreshed(): Effect.Effect<Current | undefined, FileFailure> {
    const { disk, sharing } = this.#around
    return Effect.gen({ self: this }, function* () {
      const before = this.#current
      if (!this.#isStale && (sharing === "process" || !(yield* this.#isOld))) return before
      const segments = this.#isStale || before === undefined ? [] : segmentsOf(yield* disk.list(this.directory))
      this.#isStale = true
      if (before !== undefined && segments.at(-1)?.file === before.active.segment.file)
        this.#current = yield* readOn(disk, { ...before, segments })
      else {
        const next = yield* recover(disk, this.directory, this.id)
        const last = next?.tail.last ?? 0
        if (before !== undefined && last < before.tail.last) {
          if (next !== undefined) yield* close(next)
          const reason = `its last event is now ${last}, and ${before.tail.last} was there before`
          return yield* new LogCorrupt({ path: this.directory, offset: 0, reason })
        }
        this.#current = next
        if (before !== undefined) yield* close(before)
      }
      this.#isStale = false
      return this.#current
    })
  }

  /** Decides and writes a group of appends, and answers each. */
  #commit(group: ReadonlyArray<Waiting<Append, Appended, Failure | Conflict>>): Effect.Effect<void> {
    let planned: Plan | undefined
    const committed = Effect.gen({ self: this }, function* () {
      const current = yield* this.#refreshed
      const find = (id: string) => (current === undefined ? Effect.undefined : this.#known.find(current, id))
      const appends = group.map(({ request }) => request)
      planned = yield* plan(appends, current?.tail ?? nothing, find)
      const [first] = planned.lines
      if (first === undefined) return
      if (current === undefined || this.#isFull(current)) yield* this.#begin(current, first.event.position, planned)
      else yield* this.#write(current, planned)
    })
    return Effect.map(Effect.exit(this.#exclusively(committed)), (exit) => {
      const failed = Exit.isFailure(exit) ? failing(exit.cause) : undefined
      if (failed === undefined) for (const notice of this.#watchers) notice()
      for (const [i, { resume }] of group.entries())
        resume(failed === undefined ? (planned?.answers[i] ?? Effect.never) : failed(planned?.answers[i]))
    })
  }

  // An empty one would have the name of the next.
  #isFull({ active, tail }: Current): boolean {
    return tail.offset >= this.#around.segmentBytes && tail.last >= active.header.first
  }

  #write(current: Current, { lines, named }: Plan): Effect.Effect<void, IoError | Unsettled> {
    const { disk } = this.#around
    const { active, ids, tail } = current
    const { bytes, sum } = Line.encodeLines(active.header.chain, tail.sum, lines)
    return Effect.matchEffect(appendLines(disk, current, bytes), {
      onFailure: (error) => {
        this.#isStale = true
        return Effect.matchEffect(takeBack(disk, current), {
          onFailure: () => Effect.fail(new Unsettled({ error })),
          onSuccess: () => Effect.fail(error)
        })
      },
      onSuccess: () => {
        const { at, position: last } = lines.at(-1)?.event ?? { at: tail.at, position: tail.last }
        for (const [id, positions] of named) ids.set(id, positions)
        this.#current = { ...current, tail: { offset: tail.offset + bytes.length, sum, last, at } }
        return Effect.void
      }
    })
  }

  /** Begins a segment with what is to be written. */
  #begin(current: Current | undefined, first: number, { lines }: Plan): Effect.Effect<void, IoError | Unsettled> {
    const { disk } = this.#around
    const chain = Line.newChain()
    const header = Line.encodeHeader({ ...this.id, first, at: current?.tail.at ?? 0, chain })
    const { bytes } = Line.encodeLines(chain, header.sum, lines)
    this.#isStale = true
    const written = writeSegment(disk, this.directory, segmentAt(first, false), [header.bytes, bytes])
    return current === undefined
      ? Effect.andThen(disk.ensureDirectory(this.directory), written)
      : Effect.andThen(written, this.#known.seal(current))
  }
}

const nothing = { last: 0, at: 0 }

/** What a group that failed is answered: that it may have happened to those only who would have written something. */
const failing = (cause: Cause.Cause<FileFailure>) => {
  const error = Cause.findErrorOption(cause)
  if (Option.isNone(error)) return (): Exit.Exit<never> => Exit.die(Cause.squash(cause))
  const failure = failureOf(error.value)
  return (planned: Answer | undefined): Exit.Exit<never, Failure> => {
    const wrote = planned !== undefined && Exit.isSuccess(planned) && !planned.value.wasKnown
    if (wrote || failure._tag !== "Indeterminate") return Exit.fail(failure)
    return Exit.fail({ ...failure, _tag: "Unavailable", retryable: true })
  }
}
