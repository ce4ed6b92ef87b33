import { Cause, Effect, Exit, Fiber, Option } from "effect"
import type { DataAgent } from "../../agents/DataAgent.ts"
import type { Draft, StateRegister, Where } from "../../agents/internal/stateRegister.ts"
import type { Listener, News } from "../../agents/Register.ts"
import type { Expected } from "../../agents/Revision.ts"
import { AgentClosed, type ReadError, StateCorrupt, type StateError } from "../../agents/StateError.ts"
import { Passing } from "../internal/Passing.ts"
import { positionOf } from "../internal/position.ts"
import type { Entry } from "./Entry.ts"
import { answerOf, type Found, type Held } from "./Held.ts"
import { Keeping } from "./Keeping.ts"
import type { Shared } from "./Shared.ts"
import { Standing } from "./Standing.ts"
import { isUndone } from "./undone.ts"

/** One read for all who ask in one generation: those of a later one must see what ended it. */
interface Flight<S> {
  readonly generation: number
  readonly fiber: Fiber.Fiber<Found<S>, ReadError>
}

/** A cache before one state: when it is used, filled and emptied. Members on the prototype: there is one for each key. */
export class Front<in out S> extends Passing<S> implements StateRegister<S>, Listener {
  readonly read: StateRegister<S>["read"]
  readonly standing = new Standing<S>()
  readonly #shared: Shared<S>
  readonly #where: Where
  readonly #codec: DataAgent<S>["codec"]
  readonly #backend: StateRegister<S>
  readonly #keeping: Keeping<S>
  /** When the backend could not be read, in milliseconds. */
  #failedAt = Number.NEGATIVE_INFINITY
  #flight: Flight<S> | undefined

  constructor(where: Where, backend: DataAgent<S>, cache: DataAgent<Entry<S>> | undefined, shared: Shared<S>) {
    super(backend.internals.register)
    this.#shared = shared
    this.#where = where
    this.#codec = backend.codec
    this.#backend = backend.internals.register
    this.#keeping = new Keeping(shared, this.standing, cache)
    this.read = Effect.suspend(() => this.#read())
  }

  /** Nothing is used or kept again. */
  discard(): Effect.Effect<void> {
    return this.#keeping.discard()
  }

  hear(news: News): void {
    this.standing.hear(news)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Reading

  #read(): Effect.Effect<Found<S>, ReadError> {
    const { settings } = this.#shared
    const { held, isWriting } = this.standing
    if (held === undefined) return this.#missed()
    if (!isWriting && held.freshUntil === Number.POSITIVE_INFINITY) return this.#hit(held)
    return Effect.clockWith((clock) => {
      const now = clock.currentTimeMillisUnsafe()
      const past = now - held.freshUntil
      if (!isWriting && past < 0) return this.#hit(held)
      if (!isWriting && past < settings.staleWhileRevalidate)
        return this.#stale(this.#refresh(now), () => this.#missed())
      if (past >= settings.staleIfError) return this.#missed()
      return this.#isFailing(now)
        ? this.#stale(Effect.void, () => this.#missed())
        : this.#unlessUnavailable(this.#missed())
    })
  }

  #hit(held: Held<S>): Effect.Effect<Found<S>, ReadError> {
    const { counts } = this.#shared
    if (held.answer === undefined)
      return this.#keeping.lookUp(
        (answer) => {
          counts.hits++
          return Exit.succeed(answer)
        },
        () => this.#missed()
      )
    counts.hits++
    return held.answer
  }

  /** Answers from an entry that is not fresh, if the cache has it, and does something besides. */
  #stale<E>(besides: Effect.Effect<void>, otherwise: () => Effect.Effect<Found<S>, E>): Effect.Effect<Found<S>, E> {
    return this.#keeping.lookUp((answer) => {
      this.#shared.counts.staleHits++
      return Effect.as(besides, answer)
    }, otherwise)
  }

  #missed(): Effect.Effect<Found<S>, ReadError> {
    const { counts, settings } = this.#shared
    const missed = Effect.suspend(() => {
      counts.misses++
      return this.#miss
    })
    return settings.shared ? this.#keeping.adopted(missed) : missed
  }

  #unlessUnavailable(missed: Effect.Effect<Found<S>, ReadError>): Effect.Effect<Found<S>, ReadError> {
    return Effect.catchTag(missed, "StorageUnavailable", (error) =>
      Effect.clockWith((clock) => {
        const { held } = this.standing
        const past = clock.currentTimeMillisUnsafe() - (held?.freshUntil ?? 0)
        // What became known to be out of date meanwhile is no answer.
        return held !== undefined && past < this.#shared.settings.staleIfError
          ? this.#stale(Effect.void, () => Effect.fail(error))
          : Effect.fail(error)
      })
    )
  }

  #isFailing(now: number): boolean {
    return now - this.#failedAt < this.#shared.settings.retryAfter
  }

  #refresh(now: number): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.#current !== undefined || this.#isFailing(now)) return Effect.void
      this.#shared.counts.refreshes++
      return Effect.asVoid(this.#load)
    })
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Loading

  get #miss(): Effect.Effect<Found<S>, ReadError> {
    return Effect.uninterruptibleMask((restore) => {
      const current = this.#current
      return current === undefined
        ? Effect.flatMap(this.#load, (fiber) => restore(this.#landed(fiber)))
        : restore(Effect.flatMap(this.#landed(current.fiber), (found) => this.#again(found)))
    })
  }

  /** The read that is under way for those who ask now. */
  get #current(): Flight<S> | undefined {
    return this.#flight?.generation === this.standing.generation ? this.#flight : undefined
  }

  /** Begins a read, in a fiber of its own: whoever missed first may be interrupted, and the others still want the answer. */
  get #load(): Effect.Effect<Fiber.Fiber<Found<S>, ReadError>> {
    return Effect.clockWith((clock) => {
      const { generation } = this.standing
      const loadedAt = clock.currentTimeMillisUnsafe()
      const load = Effect.matchEffect(this.#backend.read, {
        onSuccess: (found) => {
          this.#failedAt = Number.NEGATIVE_INFINITY
          return Effect.as(this.#keeping.learn(found, clock, loadedAt, generation), found)
        },
        onFailure: (error) => {
          this.#shared.counts.failures++
          this.#failedAt = clock.currentTimeMillisUnsafe()
          return Exit.fail(error)
        }
      })
      return Effect.map(Effect.forkIn(load, this.#shared.scope, { startImmediately: true }), (fiber) => {
        if (fiber.pollUnsafe() === undefined) this.#await({ generation, fiber })
        return fiber
      })
    })
  }

  #await(flight: Flight<S>): void {
    this.#flight = flight
    flight.fiber.addObserver(() => {
      if (this.#flight === flight) this.#flight = undefined
    })
  }

  #landed(fiber: Fiber.Fiber<Found<S>, ReadError>): Effect.Effect<Found<S>, ReadError> {
    const exit = fiber.pollUnsafe()
    return exit === undefined
      ? Effect.flatMap(Fiber.await(fiber), (exit) => this.#unlessClosed(exit))
      : this.#unlessClosed(exit)
  }

  // Reads run in the scope of the cache: once it has closed they are interrupted.
  #unlessClosed(exit: Exit.Exit<Found<S>, ReadError>): Exit.Exit<Found<S>, ReadError> {
    const isClosed = Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)
    return isClosed ? Exit.fail(new AgentClosed(this.#where)) : exit
  }

  /** What was read for somebody else, who may change it. */
  #again(found: Found<S>): Effect.Effect<Found<S>, StateCorrupt> {
    const { held } = this.standing
    if (Option.isNone(found)) return Exit.succeed(found)
    if (held?.answer !== undefined && held.revision === found.value.revision) return held.answer
    return Effect.flatten(
      Effect.mapError(
        answerOf(this.#shared.copying, found),
        ({ reason }) => new StateCorrupt({ ...this.#where, location: "memory", reason })
      )
    )
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Writing

  write(draft: Draft<S>, expected: Expected): ReturnType<StateRegister<S>["write"]> {
    if (this.#shared.settings.around) return this.#around(this.#backend.write(draft, expected))
    return Effect.clockWith((clock) =>
      // What is cached is what is stored, not the caller's object, which may change while the backend writes.
      Effect.flatMap(draft.payload(this.#codec), (payload) => {
        const loadedAt = clock.currentTimeMillisUnsafe()
        return Effect.tap(this.#around(this.#backend.write(draft, expected)), (revision) => {
          const { generation } = this.standing
          const position = positionOf({ _tag: "Saved", revision })
          return Effect.matchEffect(this.#codec.decode(payload), {
            onSuccess: (state) => {
              const found = Option.some({ state, revision, savedAt: draft.savedAt })
              return this.#keeping.fill({ found, position, generation, clock, loadedAt })
            },
            onFailure: ({ reason }) => this.#shared.failed("decode", { message: reason })
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
        if (this.#shared.settings.around || Option.isNone(removed)) return Effect.void
        const position = positionOf({ _tag: "Deleted", revision: removed.value })
        const { generation } = this.standing
        return this.#keeping.fill({ found: Option.none(), position, generation, clock, loadedAt })
      })
    })
  }

  #around<A, E extends StateError>(write: Effect.Effect<A, E>): Effect.Effect<A, E> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.suspend(() => {
        this.standing.begin()
        return Effect.onExit(restore(write), (exit) => {
          this.standing.end(isUndone(exit))
          return Effect.void
        })
      })
    )
  }
}
