import { Effect, Exit, Option, Semaphore, Stream } from "effect"
import {
  type Draft,
  invalid,
  onlyCurrent,
  type Saving,
  type StateRegister
} from "../../agents/internal/stateRegister.ts"
import {
  absent,
  type Change,
  type Expected,
  type HistoryOptions,
  make,
  type Revision,
  type Revisioned
} from "../../agents/Revision.ts"
import {
  type CompareError,
  type ReadError,
  RevisionConflict,
  type StateInvalid,
  type StorageUnavailable,
  type WriteError
} from "../../agents/StateError.ts"
import { bring } from "./bring.ts"
import { besides, isAway, unknown } from "./errors.ts"
import { type Found, type Kept, Known, numberOf } from "./Known.ts"
import type { Pending } from "./Link.ts"
import * as Numbers from "./numbers.ts"
import type { Parts } from "./Parts.ts"
import type { Standby, Unsettled, Waiting } from "./Standby.ts"

// What no state ever has: the first agent then tells which one it does have.
const never = make(Number.MAX_SAFE_INTEGER)

/** One state and the two agents that keep it. */
export class Cell<in out S> implements Pending, StateRegister<S> {
  readonly #parts: Parts<S>
  readonly #known: Known<S>
  /** Held while the second agent is used, and while what waits there goes to the first. */
  readonly #gate = Semaphore.makeUnsafe(1)

  constructor(parts: Parts<S>) {
    this.#parts = parts
    this.#known = new Known(parts.where, parts.codec, parts.first.entries !== "states")
    this.read = this.#opened(() => this.#read)
  }

  /** Whether a write waits for the first agent. */
  get isWaiting(): boolean {
    return this.#known.base !== undefined
  }

  /** Asks the second agent what it holds, unless that is known. */
  readonly open: Effect.Effect<void, ReadError> = Effect.suspend(() => this.#gate.withPermits(1)(this.#open))

  readonly #open: Effect.Effect<void, ReadError> = Effect.suspend(() => {
    const { link, second } = this.#parts
    const known = this.#known
    if (known.isOpen) return Effect.void
    return Effect.flatMap(second.current, (found) => {
      const standby: Standby<S> = Option.isSome(found) ? found.value.state : { _tag: "Settled", shifts: [] }
      return Effect.flatMap(known.open(standby), () => (this.isWaiting ? link.waits(this) : Effect.void))
    })
  })

  #opened<A, E>(run: () => Effect.Effect<A, E>): Effect.Effect<A, E | ReadError> {
    return Effect.suspend(
      (): Effect.Effect<A, E | ReadError> => (this.#known.isOpen ? run() : Effect.flatMap(this.open, run))
    )
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Reading

  readonly read: Effect.Effect<Found<S>, ReadError>

  get #read(): Effect.Effect<Found<S>, ReadError> {
    const known = this.#known
    if (!this.isWaiting && this.#parts.link.isUp) return this.#readFirst
    return Effect.flatMap(this.#mayAsk, (mayAsk): Effect.Effect<Found<S>, ReadError> => {
      if (!mayAsk && known.seen !== undefined) return known.show(known.seen)
      return mayAsk || known.isOpen ? this.#readFirst : Effect.fail(unknown(this.#parts.where, "read"))
    })
  }

  get #readFirst(): Effect.Effect<Found<S>, ReadError> {
    const { first, link } = this.#parts
    const known = this.#known
    const { writes } = known
    return Effect.matchEffect(first.read, {
      onSuccess: (found) => (link.isUp ? known.saw(found, writes) : Effect.andThen(link.up, known.saw(found, writes))),
      onFailure: (error): Effect.Effect<Found<S>, ReadError> =>
        isAway(error)
          ? Effect.flatMap(
              link.down(error),
              (): Effect.Effect<Found<S>, ReadError> =>
                known.seen === undefined ? Effect.fail(error) : known.show(known.seen)
            )
          : Effect.fail(error)
    })
  }

  readonly history = (options: HistoryOptions): Stream.Stream<Revisioned<S>, ReadError> =>
    Stream.unwrap(
      this.#opened(() =>
        Effect.map(this.#mayAsk, () => {
          // What the first agent has besides is told when it is back.
          if (this.isWaiting) return onlyCurrent(this.read, options)
          const { shifts } = this.#known
          const before = options.before === undefined ? undefined : Numbers.storedFrom(shifts, options.before)
          // Not past writes that the first agent was never given: a history has no gaps.
          const since = shifts.at(-1)?.after ?? 0
          const entries = Stream.takeWhile(
            this.#parts.first.history({ ...options, before }),
            ({ revision }) => revision > since
          )
          return Stream.map(entries, (entry) => this.#known.numbered(entry))
        })
      )
    )

  readonly at = (revision: Revision): Effect.Effect<Found<S>, ReadError> => {
    const stored = Effect.suspend(() => {
      const stored = Numbers.stored(this.#known.shifts, revision)
      return stored === undefined ? Effect.succeedNone : this.#parts.first.at(stored)
    })
    return this.#knownOr(stored, (current) => current.revision === revision)
  }

  readonly asOf = (time: number): Effect.Effect<Found<S>, ReadError> =>
    this.#knownOr(this.#parts.first.asOf(time), (current) => current.savedAt <= time)

  /** The waiting state if it is the one that is looked for; where one is to be deleted, none. */
  #knownOr(
    stored: Effect.Effect<Found<S>, ReadError>,
    isIt: (current: Revisioned<S>) => boolean
  ): Effect.Effect<Found<S>, ReadError> {
    const found = Effect.map(
      stored,
      Option.map((entry) => this.#known.numbered(entry))
    )
    return this.#opened(() =>
      Effect.flatMap(this.#mayAsk, () =>
        this.isWaiting
          ? Effect.flatMap(this.read, (current) =>
              Option.isNone(current) || isIt(current.value) ? Effect.succeed(current) : found
            )
          : found
      )
    )
  }

  get changes(): Stream.Stream<Change<S>, ReadError> {
    const told = () => Stream.map(this.#parts.first.changes, (change) => this.#known.numbered(change))
    return Stream.unwrap(this.#opened(() => Effect.map(this.#mayAsk, told)))
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Writing

  readonly write = (draft: Draft<S>, expected: Expected): Effect.Effect<Revision, CompareError> =>
    this.#opened(() =>
      Effect.flatMap(this.#known.kept(draft), (kept) => {
        const first = Effect.suspend((): Effect.Effect<Revision, CompareError> => {
          const at = expected === "any" ? expected : (Numbers.stored(this.#known.shifts, expected) ?? never)
          return Effect.map(this.#parts.first.write(draft, at), (revision) => this.#known.remember(kept, revision))
        })
        return this.#either(expected, first, (cause) => this.#stand(expected, kept, cause))
      })
    )

  /** The same at once, where the first agent begins at once and nothing else is to be done. */
  begin(draft: Draft<S>, expected: Expected, answer: (saving: Saving) => void): boolean {
    const { first, link } = this.#parts
    const known = this.#known
    if (first.begin === undefined || !known.isOpen || this.isWaiting || !link.isUp) return false
    const kept = known.keptNow(draft)
    if (kept === undefined) return false
    const at = expected === "any" ? expected : (Numbers.stored(known.shifts, expected) ?? never)
    known.writes++
    const isBegun = first.begin(draft, at, (saving) => {
      const written = Effect.mapEager(saving, (revision) => known.remember(kept, revision))
      answer(this.#concluded(expected, written, (cause) => this.#stand(expected, kept, cause)))
    })
    if (!isBegun) known.writes++
    return isBegun
  }

  get remove(): Effect.Effect<Option.Option<Revision>, WriteError> {
    const known = this.#known
    const first = Effect.map(
      Effect.suspend(() => this.#parts.first.remove),
      (removed) => {
        if (Option.isSome(removed)) known.reached(removed.value)
        known.seen = Option.none()
        return Option.map(removed, (revision) => Numbers.shown(known.shifts, revision))
      }
    )
    const stand = (cause?: StorageUnavailable) =>
      known.seen !== undefined && Option.isNone(known.seen)
        ? Effect.succeedNone
        : Effect.asSome(this.#stand("any", undefined, cause))
    // Where nothing is expected nothing conflicts.
    return Effect.catchTag(
      this.#opened(() => this.#either("any", first, stand)),
      "RevisionConflict",
      (conflict) => Effect.die(conflict)
    )
  }

  /** Writes to the first agent if that answers, and otherwise to the second. */
  #either<A>(
    expected: Expected,
    first: Effect.Effect<A, CompareError>,
    stand: (cause?: StorageUnavailable) => Effect.Effect<A, CompareError>
  ): Effect.Effect<A, CompareError> {
    const known = this.#known
    const ask = Effect.suspend(() => {
      known.writes++
      return this.#concluded(expected, first, stand)
    })
    const asked = Effect.onInterrupt(ask, () =>
      Effect.sync(() => {
        known.writes++
        if (!this.isWaiting) known.seen = undefined
      })
    )
    if (!this.isWaiting && this.#parts.link.isUp) return asked
    return Effect.flatMap(this.#mayAsk, (mayAsk) => (this.isWaiting || (!mayAsk && this.#mayStand) ? stand() : asked))
  }

  // What the second is given must not be taken for what the first has, whose last write may have ended either way.
  get #mayStand(): boolean {
    return this.#known.highest !== undefined && this.#known.seen !== undefined
  }

  /** What comes of a write to the first agent, which has begun: its answer, or that of the second. */
  #concluded<A>(
    expected: Expected,
    first: Effect.Effect<A, CompareError>,
    stand: (cause: StorageUnavailable) => Effect.Effect<A, CompareError>
  ): Effect.Effect<A, CompareError> {
    const { link, where } = this.#parts
    const known = this.#known
    const succeeded = (answer: A): Effect.Effect<A> => {
      known.writes++
      return link.isUp ? Exit.succeed(answer) : Effect.as(link.up, answer)
    }
    return Effect.catchEager(Effect.flatMapEager(first, succeeded), (error): Effect.Effect<A, CompareError> => {
      known.writes++
      if (isAway(error))
        return Effect.flatMap(link.down(error), () => (this.#mayStand ? stand(error) : Effect.fail(error)))
      if (error._tag === "WriteIndeterminate" || error._tag === "RevisionConflict") known.seen = undefined
      if (error._tag !== "RevisionConflict" || expected === "any") return Effect.fail(error)
      const actual = Numbers.shown(known.shifts, error.actual)
      return Effect.fail(new RevisionConflict({ ...where, expected, actual }))
    })
  }

  /** Writes to the second agent, where it waits for the first; without a state, that there is to be none. */
  #stand(
    expected: Expected,
    kept: Kept<S> | undefined,
    cause: StorageUnavailable | undefined
  ): Effect.Effect<Revision, CompareError> {
    const { link, second, where } = this.#parts
    const known = this.#known
    const write = Effect.suspend((): Effect.Effect<Revision, CompareError> => {
      const { highest, seen } = known
      if (!known.isOpen || highest === undefined || seen === undefined)
        return Effect.fail(cause ?? unknown(where, "write"))
      const actual = numberOf(seen)
      if (expected !== "any" && expected !== actual)
        return Effect.fail(new RevisionConflict({ ...where, expected, actual }))
      const isSaved = kept !== undefined
      const revision = make(known.last + (isSaved ? 1 : 0))
      const waiting: Waiting = {
        // Brought to the first agent, it is shown with the number that it has now.
        shifts: Numbers.shifted(known.shifts, highest, revision - highest - (isSaved ? 1 : 0)),
        base: known.base ?? (Option.isNone(seen) ? absent : highest),
        highest,
        revision,
        wiped: !isSaved || (this.isWaiting && known.wiped)
      }
      return Effect.flatMap(this.#standby(kept, waiting), (standby) =>
        Effect.matchEffect(second.save(standby), {
          onSuccess: () => {
            known.stood(standby, kept)
            return Effect.as(link.waits(this), revision)
          },
          onFailure: (error) => {
            if (error._tag === "WriteIndeterminate") known.forget()
            return Effect.fail(besides(where, error, cause))
          }
        })
      )
    })
    return this.#gate.withPermits(1)(Effect.onInterrupt(write, () => Effect.sync(() => known.forget())))
  }

  // Of what is kept, since the caller's object may have changed while the first was asked.
  #standby(kept: Kept<S> | undefined, waiting: Waiting): Effect.Effect<Unsettled<S>, StateInvalid> {
    if (kept === undefined) return Effect.succeed({ _tag: "Deleted", ...waiting })
    return Effect.mapBoth(kept.state.get, {
      onSuccess: (state): Unsettled<S> => ({ _tag: "Saved", ...waiting, state, savedAt: kept.savedAt }),
      onFailure: (error) => invalid(this.#parts.where, error)
    })
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Settling

  /** Whether the first agent is to be asked now: it is time to, and nothing waits for it any more. */
  get #mayAsk(): Effect.Effect<boolean> {
    return Effect.clockWith((clock) => {
      if (!this.#parts.link.isDue(clock.currentTimeMillisUnsafe())) return Effect.succeed(false)
      return this.isWaiting ? Effect.map(this.settle, (waits) => !waits) : Effect.succeed(true)
    })
  }

  readonly settle: Effect.Effect<boolean> = Effect.suspend(() => {
    const { link } = this.#parts
    const brought = Effect.flatMap(this.#open, () => {
      const { seen } = this.#known
      return this.isWaiting && seen !== undefined
        ? Effect.andThen(bring(this.#parts, this.#known, seen), link.up)
        : Effect.void
    })
    return Effect.matchEffect(this.#gate.withPermits(1)(brought), {
      onSuccess: () => {
        if (!this.isWaiting) link.settled(this)
        return Effect.succeed(this.isWaiting)
      },
      onFailure: (error) => Effect.as(isAway(error) ? link.down(error) : link.stuck(error), true)
    })
  })
}
