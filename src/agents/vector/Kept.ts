/** An index that outlives its memory: a file, or a table that the engine itself keeps. Items are then read when they are needed. */
import { Effect, type Scope } from "effect"
import type { ReadError, StorageUnavailable } from "../StateError.ts"
import type { Engine } from "./Engine.ts"
import * as KeptIndex from "./KeptIndex.ts"
import { KeptTable } from "./KeptTable.ts"
import type { Listed, Stamp } from "./stamps.ts"

export interface Kept {
  /** Told, while items are read that the index does not have as they are now, how many of them have been. */
  readonly progress: ((done: number, total: number) => void) | undefined
  /** From how many vectors on they are given to the engine together, while other fibers run. */
  readonly together: number
  readonly size: number
  readonly ids: () => IterableIterator<string>
  readonly has: (id: string) => boolean
  /** The items whose vectors were not made from them, or not for certain; and without a stamp the ids that have no item any more. */
  readonly stale: (items: Listed) => ReadonlyMap<string, Stamp | undefined>
  /** Takes note of a vector; the engine is told in the same instant. */
  readonly set: (id: string, stamp: Stamp | undefined) => void
  readonly delete: (id: string) => boolean
  readonly clear: () => void
  /** At open, before anything else. */
  readonly load: Effect.Effect<void, ReadError>
  /** Before what is stale is looked up: takes what others have written to the index. */
  readonly reload: Effect.Effect<void, ReadError>
  /** After all that was stale has been set. */
  readonly caughtUp: Effect.Effect<void, ReadError>
  /** After each write. */
  readonly saveIfDue: Effect.Effect<void>
  /** At the end of the scope. A failure is logged: it costs no item, only time at the next open. */
  readonly save: Effect.Effect<void>
  /** Runs an effect while nothing is saved. */
  readonly unsaved: <B>(effect: Effect.Effect<B>) => Effect.Effect<B>
}

/** The index of a memory of this name, in messages, and of this one, in what it is kept in; none where an engine makes it anew. */
export const make = (
  name: string,
  memory: string,
  engine: Engine,
  options: KeptIndex.IndexOptions | undefined
): Effect.Effect<Kept | undefined, StorageUnavailable, Scope.Scope> => {
  if (options !== undefined) return KeptIndex.make(name, memory, engine, options)
  return Effect.succeed(engine.table === undefined ? undefined : new KeptTable(name, memory, engine.table))
}
