import { Effect } from "effect"
import type { DataAgent } from "../../agents/DataAgent.ts"
import type { Announcer } from "../../agents/internal/hub.ts"
import type { Owned } from "../../agents/internal/owned.ts"
import type { StateRegister } from "../../agents/internal/stateRegister.ts"
import type { Listening } from "../../agents/Register.ts"
import { unlessWithin } from "../internal/unlessWithin.ts"
import { Behind } from "./Behind.ts"
import type { Entry } from "./Entry.ts"
import { Front } from "./Front.ts"
import { follow } from "./follow.ts"
import type { Shared } from "./Shared.ts"

/** One state behind its cache. */
export class Cell<in out S> {
  readonly key: string
  readonly front: Front<S>
  readonly behind: Behind<S> | undefined
  readonly register: StateRegister<S>
  /** Those who rely on it: what they do, the next cell of the same key would not know of. */
  holders = 0
  readonly #shared: Shared<S>
  readonly #below: StateRegister<S>
  #listening: Listening | undefined

  /** The entry is kept here where there is no cache agent; numbers written behind begin above `floor`. */
  constructor(
    backend: DataAgent<S>,
    cache: DataAgent<Entry<S>> | undefined,
    shared: Shared<S>,
    announcer: Announcer<Owned<S>>,
    floor = 0
  ) {
    const where = { agent: backend.name, key: backend.key }
    const { codec } = backend
    const { behind, counts, room, scope } = shared
    this.key = backend.key ?? ""
    this.#shared = shared
    this.#below = backend.internals.register
    this.front = new Front(where, backend, cache, shared)
    const parts = { where, codec, below: this.front, stored: this.#below.read, announcer, floor, counts, room, scope }
    this.behind = behind && new Behind({ ...parts, equals: shared.equals, ...behind })
    this.register = unlessWithin(this.#below, this.behind ?? this.front, this.front.standing)
  }

  /** Begins to take in the commits of others, where they are to be followed. Before anything is loaded. */
  get follow(): Effect.Effect<void> {
    const { agent, scope, settings } = this.#shared
    if (!settings.follow) return Effect.void
    // What others put into the cache is used unless something newer is known, and a key that was forgotten knows nothing.
    const followed = { agent, register: this.#below, withCurrent: settings.shared }
    return Effect.suspend(() =>
      Effect.mapEager(follow(followed, this.front, scope), (listening) => {
        this.#listening = listening
      })
    )
  }

  /** Nothing is taken in or held any more. */
  get end(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.front.standing.discard()
      return this.#listening?.stop ?? Effect.void
    })
  }
}
