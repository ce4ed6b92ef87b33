import type { Effect, Scope } from "effect"
import type { StateRegister } from "../../agents/internal/stateRegister.ts"
import type { Counts } from "./Figures.ts"
import type { Book } from "./Ledger.ts"
import type { Failure } from "./Policy.ts"
import type { Room } from "./Room.ts"

/** What is handed to writes behind. */
export interface Parts<in out S> extends Book<S> {
  /** What the backend holds, past the cache. */
  readonly stored: StateRegister<S>["read"]
  readonly room: Room
  readonly counts: Counts
  /** In milliseconds. */
  readonly delay: number
  /** Whether a write waits where there is no room; otherwise it writes through. */
  readonly waits: boolean
  readonly onFailure: (failure: Failure) => Effect.Effect<void>
  readonly equals: (a: S, b: S) => boolean
  readonly scope: Scope.Scope
}
