import { Effect, Exit, Option, Semaphore, Stream } from "effect"
import * as Revision from "../Revision.ts"
import { type ReadError, StateNotFound } from "../StateError.ts"
import { deletedType } from "./eventCodec.ts"
import { Folding, type FoldingOptions, type Held, open, type Point, type Step } from "./folding.ts"
import { isLastPage, pageSize, type Range } from "./journal.ts"
import type { Stored } from "./Log.ts"
import type { CompactError, EventsError, FoldError, TravelError } from "./StreamError.ts"
import type { Keeper, Mark } from "./snapshot.ts"

/** What a view is made of. */
export interface ViewOptions<E, S> extends FoldingOptions<E, S> {
  readonly keeper: Keeper<S> | undefined
}

// How many events a load reads at once: more than others, who may want a few of them.
const readAtOnce = 8_000

// How many events are folded before others have a turn.
const foldedAtOnce = 2_000

// How many events are folded before their state is kept, should what comes behind them fail.
const commitEvery = 65_536

/** A fold over the events of one stream: the latest state, which it keeps, and earlier ones. */
export class View<in out E, in out S> {
  readonly #options: ViewOptions<E, S>
  readonly folding: Folding<E, S>
  readonly #turn = Semaphore.makeUnsafe(1)
  #held: Held<S> | undefined
  /** How far the events are folded that a load is folding now. */
  #reached = 0
  /** The position and the bytes of events since a snapshot was last tried. */
  #kept = { position: 0, bytes: 0 }

  constructor(options: ViewOptions<E, S>) {
    this.#options = options
    this.folding = new Folding(options)
  }

  /** The state after all events that were acknowledged before. Reads those that are new. */
  readonly current: Effect.Effect<Point<S>, FoldError> = Effect.suspend(() =>
    Effect.flatMap(this.#turn.withPermits(1)(this.#advance), open)
  )

  /** The position up to which events are folded, as far as is known without folding any. */
  get position(): Effect.Effect<number, ReadError> {
    return Effect.suspend(() => {
      const known = Math.max(this.#reached, this.#held?.position ?? 0)
      return known > 0
        ? Exit.succeed(known)
        : Effect.map(this.#latest(Number.POSITIVE_INFINITY), (mark) => mark?.position ?? 0)
    })
  }

  /** The state at a position, from 0, or at a time. */
  at(when: number | Date): Effect.Effect<Point<S>, TravelError> {
    return typeof when === "number" ? this.#at(when, undefined) : this.#asOf(when)
  }

  /** Events of a range with the state after each of them. */
  steps(range: Range): Stream.Stream<Step<E, S>, FoldError> {
    const { journal } = this.#options
    const steps = Effect.gen({ self: this }, function* () {
      const { from, to } = yield* journal.resolve(range)
      if (from > to) return Stream.empty
      const [first] = yield* journal.page(from - 1, 1)
      // What a deletion ends may be any state, and need not be there any more.
      const isEnded = first?.type === deletedType && first.position === from
      let point = isEnded ? { ...(yield* open(this.folding.start)), position: from - 1 } : yield* this.#reach(from - 1)
      const scanned = Stream.mapEffect(journal.pages(from, to), (page) =>
        Effect.map(this.folding.scan(point, page), (steps) => {
          point = steps.at(-1) ?? point
          return steps
        })
      )
      return Stream.flattenIterable(scanned)
    })
    return Stream.unwrap(steps)
  }

  /** Prepares for the removal of the events up to a position: the states then and now are kept. */
  pin(upTo: number): Effect.Effect<void, CompactError> {
    const { keeper } = this.#options
    if (keeper === undefined) return Effect.void
    return Effect.gen({ self: this }, function* () {
      const base = yield* this.folding.mark(yield* this.#reach(upTo))
      const latest = yield* this.folding.mark(yield* this.current)
      yield* keeper.pin(base, latest)
    })
  }

  get keeper(): Keeper<S> | undefined {
    return this.#options.keeper
  }

  get projection(): string | undefined {
    return this.#options.projection
  }

  /** Folds what is new since the last time. */
  get #advance(): Effect.Effect<Held<S>, FoldError> {
    return Effect.suspend(() => {
      const held = this.#held
      if (held === undefined) return Effect.flatMap(this.#begin, (held) => this.#replay(held, undefined))
      // Mostly nothing is new.
      return Effect.flatMap(this.#options.journal.page(held.position, readAtOnce), (page) =>
        page.length === 0 ? Exit.succeed(held) : this.#replay(held, page)
      )
    })
  }

  #replay(from: Held<S>, firstPage: ReadonlyArray<Stored> | undefined): Effect.Effect<Held<S>, FoldError> {
    return Effect.gen({ self: this }, function* () {
      const { journal } = this.#options
      let held = from
      let point = yield* open(held)
      for (let known = firstPage; ; known = undefined) {
        const page = known ?? (yield* journal.page(point.position, readAtOnce))
        const [first] = page
        if (first === undefined) break
        if (isGap(point, first)) {
          // Others compacted: what they rely on is there.
          point = yield* this.#from(first.position - 1, Number.POSITIVE_INFINITY, point.position + 1)
          continue
        }
        const isLast = isLastPage(page, readAtOnce)
        for (let start = 0; start < page.length; start += foldedAtOnce) {
          const part = page.slice(start, start + foldedAtOnce)
          const isEnd = isLast && start + foldedAtOnce >= page.length
          point = yield* this.folding.fold(point, part)
          this.#reached = point.position
          this.#kept.bytes += part.reduce((sum, { data }) => sum + data.length, 0)
          const isDue = this.#isDue(point)
          if (isEnd || isDue || point.position - held.position >= commitEvery) {
            held = yield* this.folding.hold(point, part.at(-1))
            this.#held = held
            point = yield* open(held)
          }
          if (isDue) yield* this.#save(point)
          // A long replay lets others run.
          if (!isEnd) yield* Effect.yieldNow
        }
        if (isLast) break
      }
      if (held.position !== point.position) held = yield* this.folding.hold(point, undefined)
      this.#held = held
      return held
    })
  }

  #isDue({ position }: Point<S>): boolean {
    const { keeper } = this.#options
    return keeper !== undefined && (position - this.#kept.position >= keeper.every || this.#kept.bytes >= keeper.bytes)
  }

  #save(point: Point<S>): Effect.Effect<void> {
    this.#kept = { position: point.position, bytes: 0 }
    const { keeper } = this.#options
    if (keeper === undefined) return Effect.void
    return Effect.matchEffect(this.folding.mark(point), {
      onSuccess: (mark) => keeper.save(mark),
      onFailure: (error) => keeper.notSaved(error)
    })
  }

  /** Where the first load begins: at the latest snapshot, or before the first event. */
  get #begin(): Effect.Effect<Held<S>, FoldError> {
    return Effect.gen({ self: this }, function* () {
      const mark = yield* this.#latest(Number.POSITIVE_INFINITY)
      if (mark === undefined) return this.folding.start
      this.#kept = { position: mark.position, bytes: 0 }
      return yield* this.folding.hold(mark, undefined)
    })
  }

  /** The latest snapshot up to a position. */
  #latest(upTo: number, marks?: ReadonlyArray<Mark>): Effect.Effect<Point<S> | undefined, ReadError> {
    const { keeper } = this.#options
    if (keeper === undefined) return Exit.succeed(undefined)
    return Effect.gen({ self: this }, function* () {
      for (const mark of marks ?? (yield* keeper.marks)) {
        if (mark.position > upTo || !(yield* this.#isOfThisLog(mark))) continue
        const state = yield* keeper.decode(mark)
        if (Option.isSome(state)) return { ...mark, state: state.value }
      }
      return undefined
    })
  }

  /** Whether the log has the last event of a mark, or all those behind it. A log may have been lost, replaced or compacted. */
  #isOfThisLog({ at, position }: Mark): Effect.Effect<boolean, ReadError> {
    return Effect.map(this.#options.journal.page(position - 1, 1), ([first]) =>
      first === undefined ? false : first.position === position ? first.at === at : first.position === position + 1
    )
  }

  /** A snapshot up to a position that no missing event is in, or the error that says that `wanted` is gone. */
  #from(compacted: number, upTo: number, wanted: number): Effect.Effect<Point<S>, EventsError> {
    const { journal, projection } = this.#options
    return Effect.flatMap(this.#latest(upTo), (mark) =>
      mark === undefined ? Effect.fail(journal.compacted(wanted, compacted, projection)) : Exit.succeed(mark)
    )
  }

  #at(position: number, time: Date | undefined): Effect.Effect<Point<S>, TravelError> {
    return Effect.gen({ self: this }, function* () {
      const { last } = yield* this.#options.journal.bounds
      const isThere = Number.isSafeInteger(position) && position >= 0 && position <= last
      if (isThere) return yield* this.#reach(position)
      const { where } = this.#options.journal
      return yield* new StateNotFound(
        time === undefined ? { ...where, revision: Revision.make(position) } : { ...where, time }
      )
    })
  }

  #asOf(time: Date): Effect.Effect<Point<S>, TravelError> {
    const { journal } = this.#options
    const millis = time.getTime()
    if (Number.isNaN(millis)) return this.#at(-1, time)
    return Effect.gen({ self: this }, function* () {
      const position = yield* journal.positionAt(millis)
      const { compacted } = yield* journal.bounds
      if (position > compacted || compacted === 0) return yield* this.#at(position, time)
      // Which of the compacted events it was is not known, unless it was the last one.
      const base = yield* this.#reach(compacted)
      return base.at <= millis ? base : yield* journal.compacted(Math.max(1, position), compacted)
    })
  }

  /** The state at a position that there is, from the nearest snapshot before it. */
  #reach(position: number): Effect.Effect<Point<S>, FoldError> {
    return Effect.gen({ self: this }, function* () {
      if (this.#held?.position === position) return yield* open(this.#held)
      let point = yield* this.#before(position)
      while (point.position < position) {
        const page = yield* this.#options.journal.page(point.position, Math.min(pageSize, position - point.position))
        const [first] = page
        if (first === undefined) break
        const wanted = page.filter((stored) => stored.position <= position)
        if (wanted.length > 0 && !isGap(point, first)) point = yield* this.folding.fold(point, wanted)
        else point = yield* this.#from(first.position - 1, position, point.position + 1)
        yield* Effect.yieldNow
      }
      return yield* Effect.flatMap(this.folding.hold(point, undefined), open)
    })
  }

  /** The nearest point before a position that is kept somewhere. */
  #before(position: number): Effect.Effect<Point<S>, FoldError> {
    const { journal, keeper } = this.#options
    return Effect.gen({ self: this }, function* () {
      if (position > 0 && keeper !== undefined) {
        const now = yield* this.#latest(position)
        if (now !== undefined && position - now.position < keeper.every) return now
        // An agent with a history has earlier snapshots: that which was the latest when the event came.
        const [event] = yield* journal.page(position - 1, 1)
        const then =
          event?.position === position ? yield* this.#latest(position, yield* keeper.marksAt(event.at - 1)) : undefined
        const nearest = [now, then].reduce((a, b) => ((b?.position ?? 0) > (a?.position ?? 0) ? b : a))
        if (nearest !== undefined) return nearest
      }
      return yield* open(this.folding.start)
    })
  }
}

/** Whether events are missing before the next one. A deletion needs none of them. */
const isGap = ({ position }: { readonly position: number }, next: Stored): boolean =>
  next.position !== position + 1 && next.type !== deletedType
