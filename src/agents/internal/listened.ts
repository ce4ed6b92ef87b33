import { Effect, Exit, Scope } from "effect"
import type { Listening, News } from "../Register.ts"
import type { Current } from "./backend.ts"

/** What is to be told of what was found. */
export const newsOf = (current: Current | undefined): News =>
  current === undefined ? { _tag: "Absent" } : { _tag: "Saved", revision: current.revision }

interface Leaving {
  readonly leave: (key: string) => Effect.Effect<void>
}

/** One who hears of a key through a follower. Members on the prototype: there is one for each key that is cached. */
export class Listened implements Listening {
  readonly #follower: Leaving
  readonly #key: string
  readonly #heard: Listening
  readonly #scope: Scope.Closeable | undefined

  constructor(follower: Leaving, key: string, heard: Listening, scope: Scope.Closeable | undefined) {
    this.#follower = follower
    this.#key = key
    this.#heard = heard
    this.#scope = scope
  }

  get stop(): Effect.Effect<void> {
    const left = Effect.andThen(this.#heard.stop, this.#follower.leave(this.#key))
    return this.#scope === undefined ? left : Effect.andThen(left, Scope.close(this.#scope, Exit.void))
  }
}
