/**
 * The index of a memory in a table that its engine keeps. The items are the truth and the table is a shortcut: each row says from which
 * state of its item it was made, as `stamps.ts` tells them apart, and that is compared with the items at each open and `refresh`.
 */
import { Effect } from "effect"
import type { ReadError } from "../StateError.ts"
import type { IndexTable } from "./Engine.ts"
import type { Kept } from "./Kept.ts"
import { Stamped } from "./stamps.ts"

// A statement holds about so many: fewer are written a little later.
const together = 128

export class KeptTable extends Stamped implements Kept {
  readonly progress: undefined
  readonly together: number = together
  readonly #name: string
  readonly #memory: string
  readonly #table: IndexTable

  /** The table of a memory of this name, in messages, and of this one, in the table. */
  constructor(name: string, memory: string, table: IndexTable) {
    super()
    this.#name = name
    this.#memory = memory
    this.#table = table
  }

  get load(): Effect.Effect<void, ReadError> {
    return this.#table.open(this.#memory)
  }

  get reload(): Effect.Effect<void, ReadError> {
    return this.#table.load((stamps) => this.replace(stamps))
  }

  get caughtUp(): Effect.Effect<void, ReadError> {
    return this.#table.complete
  }

  // The engine writes what it is told by itself.
  readonly saveIfDue: Effect.Effect<void> = Effect.void

  get save(): Effect.Effect<void> {
    return Effect.catch(this.#table.save, (error) =>
      Effect.logWarning(`Memory "${this.#name}": its table lacks what came last: ${error.message}`)
    )
  }

  unsaved<B>(effect: Effect.Effect<B>): Effect.Effect<B> {
    return effect
  }
}
