import { Effect, Schema, type Scope } from "effect"
import type { Codec } from "../../schema/Codec.ts"
import { Counts } from "./Figures.ts"
import { behindOf, behindSettings, type Policy, type Settings, settingsOf } from "./Policy.ts"
import { Room } from "./Room.ts"
import { trusted } from "./trusted.ts"

/** What the caches of one constructor have in common. */
export class Shared<in out S> {
  readonly counts = new Counts()
  readonly settings: Settings
  readonly scope: Scope.Scope
  readonly behind: ReturnType<typeof behindSettings> | undefined
  readonly room: Room
  /** Copies states that stay in this process: they were checked, or read, by the backend. */
  readonly copying: Codec<S>
  readonly agent: string
  readonly #schema: Schema.Codec<S, unknown>
  #equals: ((a: S, b: S) => boolean) | undefined

  constructor(agent: string, schema: Schema.Codec<S, unknown>, policy: Policy, scope: Scope.Scope) {
    const behind = behindOf(policy)
    this.settings = settingsOf(policy)
    this.scope = scope
    this.behind = behind && behindSettings(behind)
    this.room = new Room(this.behind?.maxPending ?? 0)
    this.copying = trusted(schema)
    this.agent = agent
    this.#schema = schema
  }

  // Made for the first who has to compare.
  get equals(): (a: S, b: S) => boolean {
    this.#equals ??= Schema.toEquivalence(Schema.toType(this.#schema))
    return this.#equals
  }

  /** Says that the cache could not do something. */
  failed(operation: string, error: { readonly message: string }): Effect.Effect<void> {
    return Effect.logDebug(`Cached: the cache of agent "${this.agent}" could not ${operation}: ${error.message}`)
  }
}
