/** Brings what a memory shows up to what its family holds, whoever wrote it. */
import { Array as Arr, Effect, References } from "effect"
import type * as Codec from "../../schema/Codec.ts"
import type { KeyedLock } from "../internal/keyedLock.ts"
import { own } from "../internal/owned.ts"
import type { ReadError } from "../StateError.ts"
import type { Kept } from "./Kept.ts"
import type { Shown, Entry as ShownEntry } from "./Shown.ts"
import type { StoredItems } from "./StoredItems.ts"
import type { Stamp } from "./stamps.ts"
import { turns } from "./turns.ts"

/** Items read in one round trip. */
export const loadBatch = 500

// Round trips under way at once.
const loadConcurrency = 4

/**
 * A family encodes and decodes a batch in one go, item by item: other fibers get their turn after a few of them, not after
 * hundreds as is usual.
 */
export const gently = Effect.provideService(References.MaxOpsBeforeYield, 64)

/** Of which memory. */
export interface Parts<in out A> {
  readonly shown: Shown<A>
  readonly stored: StoredItems<A>
  readonly locks: KeyedLock
  readonly codec: Codec.Codec<A>
}

/** What is to be read, by id, with the stamps that items have at least; none where that does not matter, or where there is no item. */
type Stale = ReadonlyMap<string, Stamp | undefined>

export class Refreshing<in out A> {
  readonly #parts: Parts<A>

  constructor(parts: Parts<A>) {
    this.#parts = parts
  }

  /** Shows all items, or where an index is kept those that differ from it, which is told by what `reading` brings into it. */
  run(reading: Effect.Effect<void, ReadError>): Effect.Effect<void, ReadError> {
    return Effect.gen({ self: this }, function* () {
      const { locks, shown } = this.#parts
      const { index } = shown
      const stale = index === undefined ? yield* this.#everything : yield* this.#stale(index, reading)
      const all = [...stale.keys()]
      let done = 0
      const load = (batch: ReadonlyArray<string>) =>
        Effect.map(Effect.andThen(turns.ready, locks.holdAll(batch, this.load(batch, stale))), () => {
          done += batch.length
          index?.progress?.(done, all.length)
        })
      yield* Effect.forEach(Arr.chunksOf(all, loadBatch), load, { concurrency: loadConcurrency, discard: true })
      yield* index?.caughtUp ?? Effect.void
    }).pipe(gently)
  }

  get #everything(): Effect.Effect<Stale, ReadError> {
    const { shown, stored } = this.#parts
    return Effect.map(stored.ids, (ids) => {
      const all = new Map([...ids, ...shown.ids()].map((id) => [id, undefined]))
      shown.engine.reserve(all.size)
      return all
    })
  }

  /** What the index does not have as it is. A file is read by other threads while the family lists its items. */
  #stale(index: Kept, reading: Effect.Effect<void, ReadError>): Effect.Effect<Stale, ReadError> {
    const { shown, stored } = this.#parts
    return Effect.map(Effect.all([reading, stored.stamps], { concurrency: 2 }), ([, items]) => {
      shown.engine.reserve(items.size)
      return index.stale(items)
    })
  }

  /** Shows what the family holds under these ids, and hides what it does not hold. Stamps must be older than what is read. */
  load(ids: ReadonlyArray<string>, stamps?: Stale): Effect.Effect<void, ReadError> {
    return Effect.gen({ self: this }, function* () {
      const { codec, shown, stored } = this.#parts
      const found = yield* stored.read(ids)
      const entries: Array<ShownEntry<A>> = []
      for (const [id, { item, vector }] of found) {
        const corrupt = (error: Codec.CodecError) => stored.corrupt(id, error.reason)
        const owned = shown.index === undefined ? yield* Effect.mapError(own(codec, item), corrupt) : undefined
        entries.push({ id, owned, vector, stamp: stamps?.get(id) })
      }
      for (const id of ids) if (!found.has(id)) shown.hide(id)
      yield* shown.show(entries)
    })
  }
}
