import { type Cause, Effect, Exit, Option, Queue, type Scope, Stream } from "effect"
import type { CodecError } from "../../schema/Codec.ts"
import type { Failure } from "../internal/backend.ts"
import { readError, writeError } from "../internal/failure.ts"
import type { Lifetime } from "../internal/lifetime.ts"
import type { Where } from "../internal/stateRegister.ts"
import { AgentClosed, type ReadError, StateCorrupt, StateInvalid } from "../StateError.ts"
import { deletedType, type EventCodec, type EventProblem } from "./eventCodec.ts"
import type { Append, Bounds, Id, Log, NewEvent, Stored } from "./Log.ts"
import { pageBytes } from "./Log.ts"
import { type AppendError, EventsCompacted, type EventsError, EventUnknown, PositionConflict } from "./StreamError.ts"

/** An event as it was recorded. */
export interface Recorded<out E> {
  readonly event: E
  /** 1 for the first event of the stream, then one more each. */
  readonly position: number
  /** When it was appended, in milliseconds since the epoch; never before the event in front of it. */
  readonly at: number
}

/** Which events: both ends are included. */
export interface Range {
  /** The first position, or the first event appended at that time or later. Default: 1. */
  readonly from?: number | Date | undefined
  /** The last position, or the last event appended until then. Default: the last one there is. */
  readonly to?: number | Date | undefined
}

/** How an append is made. */
export interface AppendOptions {
  /** The position of the last event that has to be there; 0 for an empty stream. Default: any. */
  readonly expected?: number | undefined
  /**
   * Names the append: another one of the same id appends nothing and answers the position of the first time. Known as long as its
   * events are kept, also after a restart. Any well-formed string.
   */
  readonly id?: string | undefined
}

/** How many events are read at once. */
export const pageSize = 1_000

/** Whether there is nothing behind a page that was read with this limit, as far as its reader knew. */
export const isLastPage = (page: ReadonlyArray<Stored>, limit: number): boolean => {
  if (page.length >= limit) return false
  let units = 0
  for (const { data } of page) units += data.length
  // A UTF-16 unit has three bytes of UTF-8 at most.
  return units * 3 < pageBytes
}

/** What the journals of one agent or family have in common. */
export interface Shared<in out E> {
  readonly log: Log
  readonly collection: string
  readonly codec: EventCodec<E>
  readonly lifetime: Lifetime
  /** Ends with the scope: those who wait for events. */
  readonly waiting: Set<Queue.Queue<void, Cause.Done>>
}

/** A page, if there is one, and where the next one begins, if there may be one. */
type NextPage = readonly [ReadonlyArray<ReadonlyArray<Stored>>, Option.Option<number>]

/** The events of one stream: the log with schemas, and errors that name the agent. */
export class Journal<in out E> {
  readonly where: Where
  readonly #shared: Shared<E>
  readonly #id: Id
  readonly #log: Pick<Log, "append" | "bounds" | "compact" | "positionAt" | "read" | "watch">

  constructor(shared: Shared<E>, where: Where) {
    this.where = where
    this.#shared = shared
    this.#id = { collection: shared.collection, key: where.key ?? "" }
    this.#log = this.#id.key.isWellFormed() ? shared.log : refusing
  }

  get bounds(): Effect.Effect<Bounds, ReadError> {
    return this.#reading("read", () => this.#log.bounds(this.#id))
  }

  /** Stored events above a position, oldest first. */
  page(after: number, limit: number = pageSize): Effect.Effect<ReadonlyArray<Stored>, ReadError> {
    return this.#reading("read", () => this.#log.read(this.#id, { after, limit }))
  }

  /** The position of the last event appended until a time. */
  positionAt(time: number): Effect.Effect<number, ReadError> {
    return this.#reading("read", () => this.#log.positionAt(this.#id, time))
  }

  compact(upTo: number): Effect.Effect<void, ReadError> {
    return this.#reading("compact", () => this.#log.compact(this.#id, upTo))
  }

  decode(stored: Stored): Exit.Exit<E, EventUnknown | StateCorrupt> {
    return Exit.mapError(this.#shared.codec.decode(stored), (problem) => this.#unreadable(stored, problem))
  }

  /** Appends events, and answers the position of the last of them. */
  append(events: ReadonlyArray<E>, options?: AppendOptions): Effect.Effect<number, AppendError> {
    return Effect.suspend(() => {
      const encoded = this.encode(events)
      return Exit.isSuccess(encoded) ? this.appendEncoded(encoded.value, options) : Exit.failCause(encoded.cause)
    })
  }

  encode(events: ReadonlyArray<E>): Exit.Exit<ReadonlyArray<NewEvent>, StateInvalid> {
    const all: Array<NewEvent> = []
    for (const [i, event] of events.entries()) {
      const encoded = this.#shared.codec.encode(event)
      if (Exit.isFailure(encoded))
        return Exit.mapError(Exit.failCause(encoded.cause), (error) =>
          this.#invalid(error, events.length === 1 ? [] : [i])
        )
      all.push(encoded.value)
    }
    return Exit.succeed(all)
  }

  #invalid({ path, reason }: CodecError, place: ReadonlyArray<number>): StateInvalid {
    return new StateInvalid({
      ...this.where,
      path: [...place, ...path],
      reason: `${reason} (in an event to be appended)`
    })
  }

  /** Appends events that are encoded, at a time of one's own if need be, and answers the position of the last of them. */
  appendEncoded(
    events: ReadonlyArray<NewEvent>,
    options: AppendOptions & { readonly at?: number | undefined } = {}
  ): Effect.Effect<number, AppendError> {
    const { at, id } = options
    const expected = options.expected ?? "any"
    if (id !== undefined && !id.isWellFormed())
      return Exit.fail(
        new StateInvalid({ ...this.where, path: [], reason: "the id of its append has a lone surrogate" })
      )
    if (events.length === 0) return this.#nothing(expected)
    return this.#open(() =>
      Effect.clockWith((clock) => {
        const append: Append = { ...this.#id, events, expected, id, at: at ?? clock.currentTimeMillisUnsafe() }
        return Effect.uninterruptible(
          Effect.mapBoth(this.#log.append(append), {
            onSuccess: ({ last }) => last,
            onFailure: (failure) =>
              failure._tag === "Conflict"
                ? this.#conflict(expected === "any" ? 0 : expected, failure.actual)
                : writeError(this.where, "append")(failure)
          })
        )
      })
    )
  }

  #conflict(expected: number, actual: number): PositionConflict {
    return new PositionConflict({ ...this.where, expected, actual })
  }

  /** An append of nothing: it checks what it expects. */
  #nothing(expected: number | "any"): Effect.Effect<number, AppendError> {
    return Effect.flatMap(this.bounds, ({ last }) =>
      expected === "any" || expected === last ? Exit.succeed(last) : Exit.fail(this.#conflict(expected, last))
    )
  }

  /**
   * The positions of both ends of a range. Which of the events that are compacted a time stands for nobody knows: then it is taken for
   * one that cannot be reached.
   */
  resolve({ from = 1, to }: Range): Effect.Effect<{ readonly from: number; readonly to: number }, ReadError> {
    return Effect.gen({ self: this }, function* () {
      const { compacted, last } = yield* this.bounds
      const before = typeof from === "number" ? from - 1 : yield* this.positionAt(from.getTime() - 1)
      const isKnown = typeof from === "number" || before > compacted
      const until = typeof to === "object" ? Math.max(compacted, yield* this.positionAt(to.getTime())) : (to ?? last)
      return { from: isKnown ? Math.max(1, Math.ceil(before + 1)) : 1, to: Math.floor(until) }
    })
  }

  /** Pages of stored events from one position to another, without a gap; ends at the end of the stream. */
  pages(from: number, to: number): Stream.Stream<ReadonlyArray<Stored>, ReadError | EventsCompacted> {
    return Stream.paginate<number, ReadonlyArray<Stored>, ReadError | EventsCompacted>(from - 1, (after) => {
      const limit = Math.min(pageSize, to - after)
      if (!(limit > 0)) return Exit.succeed([[], Option.none()])
      return Effect.flatMap(this.page(after, limit), (page): Exit.Exit<NextPage, EventsCompacted> => {
        const [first] = page
        const last = page.at(-1)
        if (first === undefined || last === undefined) return Exit.succeed([[], Option.none()])
        if (first.position !== after + 1) return Exit.fail(this.compacted(after + 1, first.position - 1))
        const isEnd = last.position >= to || isLastPage(page, limit)
        return Exit.succeed([[page], isEnd ? Option.none() : Option.some(last.position)])
      })
    })
  }

  /** Events from one position to another. */
  recorded(range: Range): Stream.Stream<Recorded<E>, EventsError> {
    return Stream.unwrap(
      Effect.map(this.resolve(range), ({ from, to }) =>
        Stream.flattenIterable(Stream.mapEffect(this.pages(from, to), (page) => this.read(page)))
      )
    )
  }

  /** The events of a page. Deletions are not among them. */
  read(page: ReadonlyArray<Stored>): Exit.Exit<ReadonlyArray<Recorded<E>>, EventsError> {
    const events: Array<Recorded<E>> = []
    for (const stored of page) {
      if (stored.type === deletedType) continue
      const decoded = this.decode(stored)
      if (Exit.isFailure(decoded)) return Exit.failCause(decoded.cause)
      events.push({ event: decoded.value, position: stored.position, at: stored.at })
    }
    return Exit.succeed(events)
  }

  /**
   * Pages of stored events from a position on, then those that are appended, whoever appends them. Ends when the agent's scope
   * closes. Reads a page when somebody wants one.
   */
  live(from: number): Stream.Stream<ReadonlyArray<Stored>, ReadError | EventsCompacted> {
    const pages = Effect.gen({ self: this }, function* () {
      const notices = yield* this.#notices
      // Watching comes before reading, so that no event falls between the two.
      yield* this.#reading("follow", () => this.#log.watch(this.#id, () => Queue.offerUnsafe(notices, undefined)))
      return Stream.paginate<number, ReadonlyArray<Stored>, ReadError | EventsCompacted>(from - 1, (after) =>
        this.#next(notices, after)
      )
    })
    return Stream.unwrap(pages)
  }

  #next(notices: Queue.Queue<void, Cause.Done>, after: number): Effect.Effect<NextPage, ReadError | EventsCompacted> {
    const next = Effect.flatMap(this.page(after), (page): Effect.Effect<NextPage, EventsCompacted> => {
      const [first] = page
      const last = page.at(-1)
      if (first === undefined || last === undefined)
        return Effect.match(Queue.take(notices), {
          onSuccess: () => [[], Option.some(after)] as const,
          onFailure: () => [[], Option.none()] as const
        })
      if (first.position !== after + 1) return Exit.fail(this.compacted(after + 1, first.position - 1))
      return Exit.succeed([[page], Option.some(last.position)])
    })
    // Who was following when the scope closed is at the end.
    return Effect.catchTag(next, "AgentClosed", () => Exit.succeed<NextPage>([[], Option.none()]))
  }

  get #notices(): Effect.Effect<Queue.Queue<void, Cause.Done>, never, Scope.Scope> {
    const { waiting } = this.#shared
    return Effect.acquireRelease(
      // One notice says as much as many.
      Effect.map(Queue.sliding<void, Cause.Done>(1), (queue) => {
        waiting.add(queue)
        return queue
      }),
      (queue) => Effect.sync(() => waiting.delete(queue))
    )
  }

  /** What says that a position is gone. */
  compacted(wanted: number, compacted: number, projection?: string): EventsCompacted {
    return new EventsCompacted({ ...this.where, wanted, compacted, projection })
  }

  #unreadable({ position, type }: Stored, problem: EventProblem): EventUnknown | StateCorrupt {
    if (problem._tag === "Unknown") return new EventUnknown({ ...this.where, position, type })
    const path = problem.path.length === 0 ? "" : `, at "${problem.path.map(String).join(".")}"`
    return new StateCorrupt({
      ...this.where,
      location: `the event at position ${position} (${JSON.stringify(type)})${path}`,
      reason: problem.reason
    })
  }

  #reading<A, R>(operation: string, read: () => Effect.Effect<A, Failure, R>): Effect.Effect<A, ReadError, R> {
    return this.#open(() => Effect.mapError(read(), readError(this.where, operation)))
  }

  #open<A, F, R>(run: () => Effect.Effect<A, F, R>): Effect.Effect<A, F | AgentClosed, R> {
    return Effect.suspend(
      (): Effect.Effect<A, F | AgentClosed, R> =>
        this.#shared.lifetime.isClosed() ? Exit.fail(new AgentClosed(this.where)) : run()
    )
  }
}

// A key that no storage could tell from another one has no events, and refuses some.
const refusing: Pick<Log, "append" | "bounds" | "compact" | "positionAt" | "read" | "watch"> = {
  append: () =>
    Exit.fail({ _tag: "Invalid", reason: "its key has a lone surrogate; keys are well-formed Unicode strings" }),
  read: () => Exit.succeed([]),
  bounds: () => Exit.succeed({ compacted: 0, last: 0 }),
  positionAt: () => Exit.succeed(0),
  compact: () => Exit.void,
  watch: () => Exit.void
}
