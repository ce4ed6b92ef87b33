import { Deferred, Effect, Exit, Scope } from "effect"
import type { Failure } from "./backend.ts"

interface Session {
  readonly scope: Scope.Closeable
  /** Done when it has begun, or cannot. */
  readonly tried: Deferred.Deferred<void>
  hasBegun: boolean
}

/** Something that goes on while anybody needs it. */
export class Watching {
  readonly #watch: Effect.Effect<void, Failure, Scope.Scope>
  #session: Session | undefined

  constructor(watch: Effect.Effect<void, Failure, Scope.Scope>) {
    this.#watch = watch
  }

  get hasBegun(): boolean {
    return this.#session?.hasBegun === true
  }

  /** Done when it goes on. Who comes second waits for the first, and tries by itself if that one fails or leaves. */
  get begin(): Effect.Effect<void, Failure> {
    return Effect.suspend(() => {
      if (this.hasBegun) return Effect.void
      if (this.#session !== undefined) return Effect.andThen(Deferred.await(this.#session.tried), this.begin)
      const session: Session = { scope: Scope.makeUnsafe(), tried: Deferred.makeUnsafe(), hasBegun: false }
      this.#session = session
      return Effect.onExit(Scope.provide(this.#watch, session.scope), (exit) => {
        session.hasBegun = Exit.isSuccess(exit)
        const ended = session.hasBegun ? Effect.void : this.#end(session)
        return Effect.andThen(ended, Deferred.succeed(session.tried, undefined))
      })
    })
  }

  get end(): Effect.Effect<void> {
    return Effect.suspend(() => (this.#session === undefined ? Effect.void : this.#end(this.#session)))
  }

  #end(session: Session): Effect.Effect<void> {
    if (this.#session === session) this.#session = undefined
    return Scope.close(session.scope, Exit.void)
  }
}
