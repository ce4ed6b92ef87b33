import { Cause, Deferred, Effect, Exit, type Scope } from "effect"

interface Flight<A, E> {
  readonly generation: number
  readonly result: Deferred.Deferred<A, E>
}

/** One read for all who ask in one generation: those of a later one must see what ended it. */
export class Flights<in out A, in out E> {
  readonly #scope: Scope.Scope
  readonly #closed: () => E
  #current: Flight<A, E> | undefined

  /** Reads run in the scope; once it has closed they fail as `closed` says. */
  constructor(scope: Scope.Scope, closed: () => E) {
    this.#scope = scope
    this.#closed = closed
  }

  isUnderWay(generation: number): boolean {
    return this.#current?.generation === generation
  }

  /** Begins a read, or joins the one under way, and answers where its result will be. Not to be interrupted. */
  join(generation: number, read: Effect.Effect<A, E>): Effect.Effect<Deferred.Deferred<A, E>> {
    return Effect.suspend(() => {
      const current = this.#current
      if (current?.generation === generation) return Effect.succeed(current.result)
      const flight: Flight<A, E> = { generation, result: Deferred.makeUnsafe() }
      this.#current = flight
      // In a fiber of its own: whoever missed first may be interrupted, and the others still want the answer.
      return Effect.map(Effect.forkIn(read, this.#scope, { startImmediately: true }), (fiber) => {
        fiber.addObserver((exit) => this.#land(flight, exit))
        return flight.result
      })
    })
  }

  #land(flight: Flight<A, E>, exit: Exit.Exit<A, E>): void {
    if (this.#current === flight) this.#current = undefined
    const isClosed = Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)
    Deferred.doneUnsafe(flight.result, isClosed ? Exit.fail(this.#closed()) : exit)
  }
}
