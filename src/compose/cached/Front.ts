import { Deferred, Effect, Exit, Option, Random, type Scope } from "effect"
import type { DataAgent } from "../../agents/DataAgent.ts"
import type { Draft, StateRegister, Where } from "../../agents/internal/stateRegister.ts"
import { absent, type Change, type Expected } from "../../agents/Revision.ts"
import { AgentClosed, type ReadError, type StateError } from "../../agents/StateError.ts"
import { positionOf } from "../internal/position.ts"
import type { Entry } from "./Entry.ts"
import type { Counts } from "./Figures.ts"
import { Flights } from "./Flights.ts"
import { follow } from "./follow.ts"
import type { Settings } from "./Policy.ts"
import { type Found, type Report, Slot } from "./Slot.ts"
import { isUndone } from "./undone.ts"

/** What a front is made of. */
export interface Parts<in out S> {
  readonly where: Where
  readonly backend: DataAgent<S>
  readonly cache: DataAgent<Entry<S>>
  readonly settings: Settings
  readonly counts: Counts
  /** Reads of the backend run in it. */
  readonly scope: Scope.Scope
}

/** A cache before one state: when it is used, filled and emptied. */
export class Front<in out S> {
  readonly read: Effect.Effect<Found<S>, ReadError>
  readonly #parts: Parts<S>
  readonly #backend: StateRegister<S>
  readonly #slot: Slot<S>
  /** Grows with each write that begins or ends and each commit announced: what was read before is not kept after. */
  #generation = 0
  /** Writes under way: what is read meanwhile may be either state, and is not kept. */
  #writing = 0
  /** The latest commit that is known. */
  #seen = 0
  /** Whether commits are announced to us, where they are asked for. */
  #watching = true
  #discarded = false
  /** Whether an entry of somebody else may be as new as what is known here. */
  #mayAdopt = true
  /** When the backend could not be read, in milliseconds. */
  #failedAt = Number.NEGATIVE_INFINITY
  readonly #flights: Flights<Found<S>, ReadError>

  constructor(parts: Parts<S>) {
    const { backend, cache, counts, scope, settings, where } = parts
    this.#parts = parts
    this.#backend = backend.internals.register
    this.#slot = new Slot(cache, this.#failed)
    this.#flights = new Flights<Found<S>, ReadError>(scope, () => new AgentClosed(where))
    const unknown = Effect.suspend(() => {
      counts.misses++
      return this.#miss
    })
    const missed = settings.shared ? this.#adopted(unknown) : unknown
    const hit = this.#slot.lookUp(
      (answer) => {
        counts.hits++
        return Exit.succeed(answer)
      },
      () => missed
    )
    this.read = Effect.suspend(() => {
      const { held } = this.#slot
      if (held === undefined) return missed
      const isQuiet = !this.isWriting
      if (isQuiet && held.freshUntil === Number.POSITIVE_INFINITY) return hit
      return Effect.clockWith((clock) => {
        const now = clock.currentTimeMillisUnsafe()
        const past = now - held.freshUntil
        if (isQuiet && past < 0) return hit
        if (isQuiet && past < settings.staleWhileRevalidate) return this.#stale(this.#refresh(now), missed)
        if (past >= settings.staleIfError) return missed
        return this.#isFailing(now) ? this.#stale(Effect.void, missed) : this.#unlessUnavailable(missed)
      })
    })
  }

  /** When the entry held was read or written, in milliseconds; undefined without one. */
  get loadedAt(): number | undefined {
    return this.#slot.held?.loadedAt
  }

  get isWriting(): boolean {
    return this.#writing > 0
  }

  /** What is cached is not used again, nor what is being read. */
  invalidate(): void {
    this.#slot.held = undefined
    this.#generation++
    this.#mayAdopt = false
  }

  /** The same for good, and takes away what the cache keeps, unless it is that of others too. */
  get discard(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.#discarded = true
      this.invalidate()
      return this.#parts.settings.shared ? Effect.void : this.#slot.clear
    })
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Commits of others

  /** Takes in the commits that the backend announces, until it is interrupted. */
  get watch(): Effect.Effect<void> {
    return follow(this.#parts.backend, (change) => this.#observe(change), this.#unwatched)
  }

  #observe(change: Change<S>): void {
    this.#watching = true
    const position = positionOf(change)
    // Our own commits come back as announcements too, perhaps long after; only news matter.
    if (position <= this.#seen) return
    this.#seen = position
    this.invalidate()
    // Nothing older than this commit is taken for it.
    this.#mayAdopt = true
  }

  // A deletion in the gap would go unnoticed, so nothing is fresh until an announcement comes again.
  get #unwatched(): Effect.Effect<void> {
    return Effect.clockWith((clock) => {
      this.#watching = false
      this.#generation++
      const { held } = this.#slot
      if (held !== undefined) held.freshUntil = Math.min(held.freshUntil, clock.currentTimeMillisUnsafe())
      return Effect.void
    })
  }

  get #name(): string {
    return `agent "${this.#parts.where.agent}"`
  }

  readonly #failed: Report = (operation, error) =>
    Effect.logDebug(`Cached: the cache of ${this.#name} could not ${operation}: ${error.message}`)

  // -------------------------------------------------------------------------------------------------------------------
  // Reading

  /** Answers from an entry that is not fresh, if the cache has it, and does something besides. */
  #stale<E>(besides: Effect.Effect<void>, otherwise: Effect.Effect<Found<S>, E>): Effect.Effect<Found<S>, E> {
    return this.#slot.lookUp(
      (answer) => {
        this.#parts.counts.staleHits++
        return Effect.as(besides, answer)
      },
      () => otherwise
    )
  }

  /** What somebody else put into the cache, if it is as new as all that is known here and not too old. */
  #adopted(otherwise: Effect.Effect<Found<S>, ReadError>): Effect.Effect<Found<S>, ReadError> {
    return Effect.suspend(() => {
      if (!this.#mayAdopt || this.isWriting) return otherwise
      return Effect.flatMap(this.#slot.peek, (entry) =>
        Effect.clockWith((clock) => {
          const { counts, settings } = this.#parts
          if (entry?._tag !== "Hit") return otherwise
          const position = positionOf({ _tag: "Saved", revision: entry.revision })
          const now = clock.currentTimeMillisUnsafe()
          // Clocks differ: nothing is from the future.
          const loadedAt = Math.min(entry.loadedAt, now)
          const freshUntil = loadedAt + settings.ttl
          const generation = this.#generation
          const isAsNew = this.#mayAdopt && this.#watching && this.#mayKeep(position, generation)
          if (freshUntil <= now || !isAsNew) return otherwise
          this.#seen = position
          const { revision, savedAt, state } = entry
          this.#slot.held = { revision, position, generation, loadedAt, freshUntil }
          counts.hits++
          return Effect.succeed(Option.some({ state, revision, savedAt }))
        })
      )
    })
  }

  #unlessUnavailable(missed: Effect.Effect<Found<S>, ReadError>): Effect.Effect<Found<S>, ReadError> {
    return Effect.catchTag(missed, "StorageUnavailable", (error) =>
      Effect.clockWith((clock) => {
        const { held } = this.#slot
        const past = clock.currentTimeMillisUnsafe() - (held?.freshUntil ?? 0)
        // What became known to be out of date meanwhile is no answer.
        return held !== undefined && past < this.#parts.settings.staleIfError
          ? this.#stale(Effect.void, Effect.fail(error))
          : Effect.fail(error)
      })
    )
  }

  #isFailing(now: number): boolean {
    return now - this.#failedAt < this.#parts.settings.retryAfter
  }

  #refresh(now: number): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.#flights.isUnderWay(this.#generation) || this.#isFailing(now)) return Effect.void
      this.#parts.counts.refreshes++
      return Effect.asVoid(this.#join)
    })
  }

  readonly #miss: Effect.Effect<Found<S>, ReadError> = Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(this.#join, (result) => restore(Deferred.await(result)))
  )

  get #join(): Effect.Effect<Deferred.Deferred<Found<S>, ReadError>> {
    return Effect.clockWith((clock) => {
      const generation = this.#generation
      const loadedAt = clock.currentTimeMillisUnsafe()
      const load = Effect.tap(this.#backend.read, (found) => this.#learn(found, loadedAt, generation))
      const noted = Effect.tapError(load, () =>
        Effect.sync(() => {
          this.#parts.counts.failures++
          this.#failedAt = clock.currentTimeMillisUnsafe()
        })
      )
      return this.#flights.join(generation, noted)
    })
  }

  #learn(found: Found<S>, loadedAt: number, generation: number): Effect.Effect<void> {
    this.#failedAt = Number.NEGATIVE_INFINITY
    const isSome = Option.isSome(found)
    const position = isSome ? positionOf({ _tag: "Saved", revision: found.value.revision }) : this.#seen
    if (this.#mayKeep(position, generation)) {
      const entry: Entry<S> = isSome ? { _tag: "Hit", ...found.value, loadedAt } : { _tag: "Empty", loadedAt }
      return this.#fill(entry, position, generation)
    }
    const { held } = this.#slot
    // What is not kept may be newer than what is held all the same, and somebody knows it now.
    const isNewer = isSome ? position > (held?.position ?? 0) : generation >= (held?.generation ?? 0)
    if (isNewer && held?.revision !== absent) this.#slot.held = undefined
    return Effect.void
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Writing

  write(draft: Draft<S>, expected: Expected): ReturnType<StateRegister<S>["write"]> {
    const { codec } = this.#parts.backend
    if (this.#parts.settings.around) return this.#around(this.#backend.write(draft, expected))
    return Effect.clockWith((clock) =>
      // What is cached is what is stored, not the caller's object, which may change while the backend writes.
      Effect.flatMap(draft.payload(codec), (payload) => {
        const loadedAt = clock.currentTimeMillisUnsafe()
        return Effect.tap(this.#around(this.#backend.write(draft, expected)), (revision) => {
          const generation = this.#generation
          const position = positionOf({ _tag: "Saved", revision })
          return Effect.matchEffect(codec.decode(payload), {
            onSuccess: (state) => {
              const entry: Entry<S> = { _tag: "Hit", state, revision, savedAt: draft.savedAt, loadedAt }
              return this.#fill(entry, position, generation)
            },
            onFailure: ({ reason }) => this.#failed("decode", { message: reason })
          })
        })
      })
    )
  }

  get remove(): StateRegister<S>["remove"] {
    return Effect.clockWith((clock) => {
      const loadedAt = clock.currentTimeMillisUnsafe()
      return Effect.tap(this.#around(this.#backend.remove), (removed) => {
        // Where nothing was removed, there is no telling at which point in the order of commits.
        if (this.#parts.settings.around || Option.isNone(removed)) return Effect.void
        const position = positionOf({ _tag: "Deleted", revision: removed.value })
        return this.#fill({ _tag: "Empty", loadedAt }, position, this.#generation)
      })
    })
  }

  #around<A, E extends StateError>(write: Effect.Effect<A, E>): Effect.Effect<A, E> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.suspend(() => {
        this.begin()
        return Effect.onExit(restore(write), (exit) => {
          this.end(isUndone(exit))
          return Effect.void
        })
      })
    )
  }

  /** A write of this state begins: nothing read before it ends is kept, nor anything from before it. */
  begin(): void {
    this.#writing++
    this.#generation++
  }

  /** It has ended; with what was there before only if it is certain that it did not happen. */
  end(isUndone: boolean): void {
    this.#writing--
    this.#generation++
    if (isUndone) return
    this.#slot.held = undefined
    this.#mayAdopt = false
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Filling

  #mayKeep(position: number, generation: number): boolean {
    return !this.#discarded && !this.isWriting && generation === this.#generation && position >= this.#seen
  }

  /** Puts an entry into the cache unless it is out of date, and uses it if it is not out of date by then. */
  #fill(entry: Entry<S>, position: number, generation: number): Effect.Effect<void> {
    const { settings } = this.#parts
    const { loadedAt } = entry
    const fill = (share: number): Effect.Effect<void> => {
      if (!this.#mayKeep(position, generation)) return Effect.void
      const fresh = this.#watching ? settings.ttl * share : 0
      this.#slot.held = undefined
      this.#seen = position
      if (fresh + settings.staleWhileRevalidate + settings.staleIfError <= 0) return Effect.void
      this.#mayAdopt = true
      const revision = entry._tag === "Empty" ? absent : entry.revision
      const held = { revision, position, generation, loadedAt, freshUntil: loadedAt + fresh }
      return this.#slot.put(entry, held, () => this.#mayKeep(position, generation))
    }
    if (settings.jitter === 0) return Effect.suspend(() => fill(1))
    return Effect.flatMap(Random.next, (random) => fill(1 - settings.jitter * random))
  }
}
