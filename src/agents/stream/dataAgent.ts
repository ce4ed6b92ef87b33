import { Effect, Exit, Option, Schema, Stream } from "effect"
import { isUnchanged } from "../../schema/internal/isUnchanged.ts"
import { type DataAgent, fromInternals } from "../DataAgent.ts"
import { type Draft, invalid, type StateRegister } from "../internal/stateRegister.ts"
import * as Revision from "../Revision.ts"
import {
  type CompareError,
  type ReadError,
  RevisionConflict,
  StateCorrupt,
  StateInvalid,
  StorageUnavailable,
  type WriteError
} from "../StateError.ts"
import type { StreamAgent } from "../StreamAgent.ts"
import { deletedType } from "./eventCodec.ts"
import type { Point, Step } from "./folding.ts"
import type { NewEvent, Stored } from "./Log.ts"
import type { AppendError, TravelError } from "./StreamError.ts"
import type { Internals } from "./streams.ts"

/** How states that are saved become events. */
export interface DataAgentOptions<E, S> {
  /**
   * The events that lead from one state to another: one at least, also between equal states, so that each save has a revision. What
   * they fold to is compared with the state that is saved, and another one is refused.
   */
  readonly diff: (before: S, after: S) => ReadonlyArray<E>
}

/** A page of the history, newest first. */
const historyPage = 64

/**
 * The state of a stream as a `DataAgent`, to stand under any combinator: `save` appends the difference. The revision of a state is
 * the position of the last event in it, so of a save of several events the states in between are in `history` and `changes` too.
 * `delete` appends an event that says so, behind which the state is the initial one again; the events before it are no longer seen
 * through the agent, and leave the log with the next `compact`. Reading a history folds its events anew for each 64 states.
 */
export const asDataAgent = <E, S>(stream: StreamAgent<E, S>, { diff }: DataAgentOptions<E, S>): DataAgent<S> => {
  const { internals } = stream
  const { claims, codec, initial, lock, where } = internals
  return fromInternals(where, codec, claims, { register: new StreamRegister(internals, diff), lock, initial })
}

class StreamRegister<in out E, in out S> implements StateRegister<S> {
  readonly #stream: Internals<E, S>
  readonly #diff: DataAgentOptions<E, S>["diff"]
  readonly #equals: (a: S, b: S) => boolean

  constructor(stream: Internals<E, S>, diff: DataAgentOptions<E, S>["diff"]) {
    this.#stream = stream
    this.#diff = diff
    this.#equals = Schema.toEquivalence(stream.codec.schema)
  }

  get read(): Effect.Effect<Option.Option<Revision.Revisioned<S>>, ReadError> {
    return Effect.map(this.#current, revisionedOf)
  }

  write(draft: Draft<S>, expected: Revision.Expected): Effect.Effect<Revision.Revision, CompareError> {
    return Effect.gen({ self: this }, function* () {
      const { codec, journal, where } = this.#stream
      yield* Effect.mapError(codec.validate(draft.state), (error) => invalid(where, error))
      for (;;) {
        const point = yield* this.#current
        const actual = revisionOf(point)
        if (expected !== "any" && expected !== actual)
          return yield* new RevisionConflict({ ...where, expected, actual })
        const events = yield* journal.encode(this.#diff(point.state, draft.state))
        yield* this.#check(point, events, draft)
        const appended = yield* this.#append(events, point, draft.savedAt)
        // Somebody appended since: what the difference is has changed.
        if (appended !== undefined) return appended
      }
    })
  }

  get remove(): Effect.Effect<Option.Option<Revision.Revision>, WriteError> {
    return Effect.gen({ self: this }, function* () {
      for (;;) {
        const point = yield* this.#current
        const revision = revisionOf(point)
        if (revision === Revision.absent) return Option.none()
        const appended = yield* this.#append([{ type: deletedType, data: "null" }], point)
        if (appended !== undefined) return Option.some(revision)
      }
    })
  }

  history({
    before,
    limit = Number.POSITIVE_INFINITY
  }: Revision.HistoryOptions): Stream.Stream<Revision.Revisioned<S>, ReadError> {
    interface From {
      readonly to: number
      readonly left: number
      readonly oldest: number
    }
    const { journal, view } = this.#stream
    const page = ({ left, oldest, to }: From) =>
      Effect.gen({ self: this }, function* () {
        const size = Math.min(historyPage, left, to - oldest)
        if (!(size > 0)) return [[], Option.none<From>()] as const
        const steps = yield* this.#orReadError(Stream.runCollect(view.steps({ from: to - size + 1, to })))
        const states = steps.flatMap((step) => Option.toArray(revisionedOf(step))).reverse()
        return [states, Option.some<From>({ to: to - size, left: left - size, oldest })] as const
      })
    const start = Effect.gen({ self: this }, function* () {
      const { position, since } = yield* this.#current
      const { compacted } = yield* journal.bounds
      return {
        to: Math.min(position, (before ?? Number.POSITIVE_INFINITY) - 1),
        left: Math.trunc(limit),
        oldest: Math.max(since, compacted)
      }
    })
    return Stream.unwrap(Effect.map(start, (from) => Stream.paginate(from, page)))
  }

  at(revision: Revision.Revision): Effect.Effect<Option.Option<Revision.Revisioned<S>>, ReadError> {
    return this.#past(this.#stream.view.at(revision))
  }

  asOf(time: number): Effect.Effect<Option.Option<Revision.Revisioned<S>>, ReadError> {
    return this.#past(this.#stream.view.at(new Date(time)))
  }

  get changes(): Stream.Stream<Revision.Change<S>, ReadError> {
    const { journal, view } = this.#stream
    const changes = Effect.map(this.#current, (first) => {
      let point = first
      const later = Stream.mapEffect(journal.live(first.position + 1), (page) =>
        Effect.map(view.folding.scan(point, page), (steps) => {
          const before = [point, ...steps]
          point = steps.at(-1) ?? point
          return steps.map((step, i) => changeOf(step, before[i] ?? step))
        })
      )
      const now = Option.toArray(revisionedOf(first)).map(Revision.saved)
      return Stream.concat(Stream.fromIterable(now), Stream.flattenIterable(later))
    })
    return Stream.mapError(Stream.unwrap(changes), (error) => this.#readError(error))
  }

  get #current(): Effect.Effect<Point<S>, ReadError> {
    return this.#orReadError(this.#stream.view.current)
  }

  /** Refuses events that lead to another state than the one that is saved. */
  #check(
    point: Point<S>,
    events: ReadonlyArray<NewEvent>,
    draft: Draft<S>
  ): Effect.Effect<void, ReadError | StateInvalid> {
    const refused = (reason: string) => Effect.fail(new StateInvalid({ ...this.#stream.where, path: [], reason }))
    if (events.length === 0) return refused("`diff` gave no event for it, and a save is an event at least")
    const page = events.map((event, i): Stored => ({ ...event, position: point.position + 1 + i, at: draft.savedAt }))
    // Decoded again, as every reader will find them.
    const folded = this.#orReadError(this.#stream.view.folding.fold(point, page))
    return Effect.flatMap(folded, ({ state }) =>
      isUnchanged(state, draft.state, this.#equals)
        ? Effect.void
        : Effect.flatMap(this.#isStoredAlike(state, draft), (isAlike) =>
            isAlike ? Effect.void : refused("the events of `diff` fold to another state than it")
          )
    )
  }

  /** Whether two states are stored alike: what the codec takes for the same is not refused here. */
  #isStoredAlike(state: S, draft: Draft<S>): Effect.Effect<boolean, StateInvalid> {
    const { codec, where } = this.#stream
    return Effect.flatMap(draft.payload(codec), (saved) =>
      Effect.mapBoth(codec.encode(state), {
        onSuccess: (folded) => folded === saved,
        onFailure: (error) => invalid(where, error)
      })
    )
  }

  /** The revision that events come to behind a point; nothing when the stream no longer ends there. */
  #append(
    events: ReadonlyArray<NewEvent>,
    { position }: Point<S>,
    at?: number
  ): Effect.Effect<Revision.Revision | undefined, WriteError> {
    return Effect.matchEffect(this.#stream.journal.appendEncoded(events, { expected: position, at }), {
      onSuccess: (last) => Exit.succeed(Revision.make(last)),
      onFailure: (error: AppendError) =>
        error._tag === "PositionConflict" ? Exit.succeed(undefined) : Exit.fail(error)
    })
  }

  /** A state that was there, unless it is deleted. */
  #past(found: Effect.Effect<Point<S>, TravelError>): Effect.Effect<Option.Option<Revision.Revisioned<S>>, ReadError> {
    return Effect.gen({ self: this }, function* () {
      const { since } = yield* this.#current
      const gone = () => Exit.succeed(undefined)
      const reachable = Effect.catchTags(found, { StateNotFound: gone, EventsCompacted: gone })
      const point = yield* this.#orReadError(reachable)
      return point === undefined || point.position <= since ? Option.none() : revisionedOf(point)
    })
  }

  #orReadError<A>(effect: Effect.Effect<A, TravelError>): Effect.Effect<A, ReadError> {
    return Effect.mapError(effect, (error) => this.#readError(error))
  }

  /** Errors of streams as what they come to for somebody who reads a state. */
  #readError(error: TravelError): ReadError {
    const { where } = this.#stream
    switch (error._tag) {
      case "EventUnknown":
      case "FoldFailed":
        return new StateCorrupt({
          ...where,
          location: `the event at position ${error.position}`,
          reason: error.message
        })
      case "EventsCompacted":
      case "StateNotFound":
        return new StorageUnavailable({ ...where, operation: "read", reason: error.message, retryable: false })
      default:
        return error
    }
  }
}

const revisionOf = ({ position, since }: Point<unknown>): Revision.Revision =>
  position > since ? Revision.make(position) : Revision.absent

const revisionedOf = <S>(point: Point<S>): Option.Option<Revision.Revisioned<S>> =>
  point.position > point.since
    ? Option.some({ state: point.state, revision: Revision.make(point.position), savedAt: point.at })
    : Option.none()

const changeOf = <E, S>(step: Step<E, S>, before: Point<S>): Revision.Change<S> =>
  Option.isNone(step.event)
    ? Revision.deleted(Revision.make(before.position))
    : Revision.saved({ state: step.state, revision: Revision.make(step.position), savedAt: step.at })
