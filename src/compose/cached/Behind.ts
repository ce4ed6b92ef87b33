import { Effect, Option, Schedule, Semaphore, Stream } from "effect"
import { type Owned, own } from "../../agents/internal/owned.ts"
import { Draft, invalid, onlyCurrent, type StateRegister } from "../../agents/internal/stateRegister.ts"
import { check } from "../../agents/Register.ts"
import * as Revision from "../../agents/Revision.ts"
import { type CompareError, RevisionConflict, type WriteError } from "../../agents/StateError.ts"
import { Ledger, revisionOf } from "./Ledger.ts"
import type { Parts } from "./Parts.ts"
import type { Waiting } from "./Room.ts"

/** A state that was acknowledged and is not in the backend yet. */
interface Pending<S> extends Revision.Revisioned<Owned<S>> {
  /** How many acknowledged writes it is. */
  writes: number
  /** The last of them that was to be written whatever the backend holds; `absent` where all were built on what it held. */
  readonly overwrites: Revision.Revision
}

const later = Schedule.jittered(Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("30 seconds")]))

/** A register that acknowledges writes once they are in memory, and writes those of a while to the one below as one. */
export class Behind<in out S> implements StateRegister<S>, Waiting {
  readonly #parts: Parts<S>
  readonly #ledger: Ledger<S>
  readonly #mutex = Semaphore.makeUnsafe(1)
  #pending: Pending<S> | undefined
  /** States whose write to the backend may or may not have happened. */
  #doubted: ReadonlyArray<S> = []
  #draining = false

  constructor(parts: Parts<S>) {
    this.#parts = parts
    this.#ledger = new Ledger(parts)
  }

  get isPending(): boolean {
    return this.#pending !== undefined
  }

  /** The highest revision given. */
  get last(): number {
    return this.#ledger.last
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Reading

  readonly read: StateRegister<S>["read"] = Effect.suspend(() =>
    this.#pending === undefined
      ? this.#ledger.read(this.#again)
      : Effect.map(this.#ledger.hand(this.#pending), Option.some)
  )

  readonly #again: StateRegister<S>["read"] = Effect.suspend(() =>
    this.#ledger.isWriting ? this.#mutex.withPermit(this.read) : this.read
  )

  readonly history: StateRegister<S>["history"] = (options) => onlyCurrent(this.read, options)

  readonly at: StateRegister<S>["at"] = (revision) => this.#readIf((current) => current.revision === revision)

  readonly asOf: StateRegister<S>["asOf"] = (time) => this.#readIf((current) => current.savedAt <= time)

  #readIf(isIt: (current: Revision.Revisioned<S>) => boolean): StateRegister<S>["read"] {
    return Effect.map(this.read, Option.filter(isIt))
  }

  get changes(): StateRegister<S>["changes"] {
    // Not while we write: our own commit is announced before we are told its number.
    const learned = Stream.mapEffect(this.#parts.below.changes, () => this.#mutex.withPermit(this.read))
    return Stream.merge(this.#ledger.changes(this.read), Stream.drain(learned), { haltStrategy: "left" })
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Acknowledging

  readonly write: StateRegister<S>["write"] = (draft, expected) => {
    const { codec, where } = this.#parts
    return Effect.flatMap(draft.payload(codec), () =>
      Effect.flatMap(
        Effect.mapError(own(codec, draft.state), (error) => invalid(where, error)),
        // Once it is in memory it is acknowledged, and on its way.
        (state) => Effect.uninterruptibleMask((restore) => this.#acknowledge(draft, state, expected, restore))
      )
    )
  }

  #acknowledge(
    draft: Draft<S>,
    state: Owned<S>,
    expected: Revision.Expected,
    restore: <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E>
  ): Effect.Effect<Revision.Revision, CompareError> {
    const { counts, room, waits, where } = this.#parts
    const attempt: Effect.Effect<Revision.Revision, CompareError> = Effect.suspend(() => {
      if (room.isClosed) return this.#through(draft, state, expected)
      if (this.#isUnknown) return Effect.andThen(restore(this.read), attempt)
      return Effect.flatMap(check(where, expected, this.#current), () => {
        if (!room.take())
          return waits ? Effect.andThen(restore(room.made), attempt) : this.#through(draft, state, expected)
        const before = this.#pending
        const revision = this.#ledger.next()
        this.#pending = {
          state,
          revision,
          savedAt: draft.savedAt,
          writes: (before?.writes ?? 0) + 1,
          overwrites: expected === "any" ? revision : (before?.overwrites ?? Revision.absent)
        }
        counts.pending++
        room.waiting.add(this)
        this.#ledger.announce(Revision.saved(this.#pending))
        return Effect.as(this.#drain, revision)
      })
    })
    return attempt
  }

  get #isUnknown(): boolean {
    return this.#pending === undefined && this.#ledger.known === undefined
  }

  get #current(): Revision.Revision {
    return this.#pending?.revision ?? this.#ledger.known?.revision ?? Revision.absent
  }

  /** What to expect of the backend. */
  #expected(overwrites: Revision.Expected | undefined): Revision.Expected {
    const { known } = this.#ledger
    if (overwrites === "any" || (overwrites ?? 0) > (known?.revision ?? 0)) return "any"
    return known?.below ?? Revision.absent
  }

  /** A write that the backend acknowledges. What waits goes with it: it is what this one was built upon. */
  #through(draft: Draft<S>, state: Owned<S>, expected: Revision.Expected) {
    const { below, where } = this.#parts
    const write = Effect.gen({ self: this }, function* () {
      if (this.#isUnknown) yield* this.read
      yield* check(where, expected, this.#current)
      const before = this.#pending
      this.#ledger.isWriting = true
      const stored = yield* below.write(draft, this.#expected(expected === "any" ? "any" : before?.overwrites))
      const revision = this.#ledger.next()
      this.#ledger.learn({ revision, below: stored })
      this.#doubted = []
      this.#drop(before)
      this.#ledger.announce(Revision.saved({ state, revision, savedAt: draft.savedAt }))
      return revision
    })
    const ours = Effect.mapError(write, (error) =>
      error._tag === "RevisionConflict" && expected !== "any" ? new RevisionConflict({ ...error, expected }) : error
    )
    return this.#alone(Effect.tapError(ours, () => this.#unsure))
  }

  /** Whether it happened or not: what the backend holds is looked up before it is written again. */
  get #unsure(): Effect.Effect<void> {
    return Effect.sync(() => {
      if (this.#pending === undefined) this.#ledger.learn(undefined)
    })
  }

  get remove(): Effect.Effect<Option.Option<Revision.Revision>, WriteError> {
    const remove = Effect.gen({ self: this }, function* () {
      if (this.#isUnknown) yield* this.read
      const [before, revision] = [this.#pending, this.#current]
      this.#ledger.isWriting = true
      yield* Effect.tapError(this.#parts.below.remove, () => this.#unsure)
      this.#ledger.learn({ revision: Revision.absent, below: Revision.absent })
      this.#doubted = []
      this.#drop(before)
      if (revision === Revision.absent) return Option.none()
      this.#ledger.announce(Revision.deleted(revision))
      return Option.some(revision)
    })
    return this.#alone(Effect.uninterruptible(remove))
  }

  #alone<A, E>(write: Effect.Effect<A, E>): Effect.Effect<A, E> {
    const ended = Effect.sync(() => {
      this.#ledger.isWriting = false
    })
    return this.#mutex.withPermit(Effect.ensuring(write, ended))
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Writing to the backend

  /** Writes what waits, if anything does; one try. */
  readonly flush: Effect.Effect<void, CompareError> = Effect.suspend(() =>
    this.isPending ? this.#mutex.withPermit(Effect.uninterruptible(this.#flush)) : Effect.void
  )

  readonly #flush: Effect.Effect<void, CompareError> = Effect.suspend(() => {
    const pending = this.#pending
    if (pending === undefined) return Effect.void
    const { below, counts, where } = this.#parts
    return Effect.flatMap(this.#ledger.hand(pending), ({ savedAt, state }) => {
      counts.flushes++
      return Effect.matchEffect(below.write(new Draft(where, state, savedAt), this.#expected(pending.overwrites)), {
        onSuccess: (stored) => this.#flushed(pending, stored),
        onFailure: (error) => this.#unflushed(pending, state, error)
      })
    })
  })

  #flushed(pending: Pending<S>, below: Revision.Revision): Effect.Effect<void> {
    this.#doubted = []
    this.#ledger.learn({ revision: pending.revision, below })
    this.#drop(pending)
    return Effect.void
  }

  /** Forgets writes that are in the backend, or never will be. */
  #drop(pending: Pending<S> | undefined): void {
    if (pending === undefined) return
    const { counts, room } = this.#parts
    if (this.#pending === pending) {
      this.#pending = undefined
      room.waiting.delete(this)
    } else if (this.#pending !== undefined) this.#pending.writes -= pending.writes
    counts.pending -= pending.writes
    room.release(pending.writes)
  }

  #unflushed(pending: Pending<S>, state: S, error: CompareError): Effect.Effect<void, CompareError> {
    if (error._tag === "WriteIndeterminate") this.#doubted = [...this.#doubted, state]
    switch (error._tag) {
      case "StateInvalid":
      case "StateTooLarge":
      case "AgentClosed":
        return this.#lost(pending, error)
      case "WriteIndeterminate":
      case "RevisionConflict":
        return this.#lookedUp(pending, state, error)
      default:
        return this.#failed(pending.writes, error, false)
    }
  }

  /** What the backend holds says whether it was this write that changed it. */
  #lookedUp(pending: Pending<S>, state: S, error: CompareError): Effect.Effect<void, CompareError> {
    return Effect.matchEffect(this.#parts.stored, {
      onFailure: () => this.#failed(pending.writes, error, false),
      onSuccess: (found) => {
        const below = revisionOf(found)
        const { known } = this.#ledger
        if (below === known?.below) return this.#failed(pending.writes, error, false)
        const holds = (state: S): boolean => Option.isSome(found) && this.#parts.equals(found.value.state, state)
        if (holds(state)) return this.#flushed(pending, below)
        // Nothing that was built upon what is gone can be written either.
        if (known === undefined || !this.#doubted.some(holds)) return this.#lost(this.#pending ?? pending, error)
        this.#ledger.learn({ ...known, below })
        return this.#flush
      }
    })
  }

  #lost(pending: Pending<S>, error: CompareError): Effect.Effect<void, CompareError> {
    this.#drop(pending)
    this.#parts.counts.lost += pending.writes
    if (this.#pending === undefined) {
      this.#doubted = []
      this.#ledger.learn(undefined)
    }
    // Subscribers are told of what is there instead.
    return Effect.andThen(Effect.ignore(this.read), this.#failed(pending.writes, error, true))
  }

  #failed(writes: number, error: CompareError, lost: boolean): Effect.Effect<void, CompareError> {
    const { counts, onFailure, where } = this.#parts
    counts.flushFailures++
    return Effect.andThen(onFailure({ agent: where.agent, key: where.key, error, writes, lost }), Effect.fail(error))
  }

  /** Writes what waits after a while, for as long as something does. */
  get #drain(): Effect.Effect<void> {
    if (this.#draining) return Effect.void
    this.#draining = true
    const { delay, scope } = this.#parts
    const flushed = Effect.ignore(Effect.retry(this.flush, { while: () => this.isPending, schedule: later }))
    const drained: Effect.Effect<void> = Effect.suspend(() => {
      if (this.isPending) return Effect.andThen(Effect.sleep(delay), Effect.andThen(flushed, drained))
      this.#draining = false
      return Effect.void
    })
    return Effect.asVoid(Effect.forkIn(Effect.interruptible(drained), scope))
  }

  /** Writes what waits, for the last time. */
  readonly close: Effect.Effect<void> = Effect.suspend(() =>
    Effect.catch(this.flush, (error) =>
      this.#pending === undefined ? Effect.void : Effect.ignore(this.#lost(this.#pending, error))
    )
  )
}
