/** The items of a memory, as its family keeps them. */
import { Effect, Stream } from "effect"
import type { Family } from "../Family.ts"
import type * as Ir from "../query/ir.ts"
import { type ReadError, StateCorrupt, type WriteError } from "../StateError.ts"
import { idOf, itemPrefix, keyOf } from "./keys.ts"
import type { Stored, StoredItem } from "./Stored.ts"
import * as Stamps from "./stamps.ts"
import * as Where from "./where.ts"

export class StoredItems<in out A> {
  readonly family: Family<Stored<A>>
  readonly #name: string
  readonly #dimension: number

  constructor(name: string, family: Family<Stored<A>>, dimension: number) {
    this.family = family
    this.#name = name
    this.#dimension = dimension
  }

  get ids(): Effect.Effect<ReadonlyArray<string>, ReadError> {
    return Effect.map(Stream.runCollect(this.family.keys({ prefix: itemPrefix })), (keys) => keys.map(idOf))
  }

  get stamps() {
    return Stamps.all(this.family)
  }

  matching(condition: Ir.Condition): Effect.Effect<ReadonlyArray<string>, ReadError> {
    return Effect.map(Where.keys(this.family, condition), (keys) => keys.map(idOf))
  }

  /** Those of these ids that there are. */
  read(ids: ReadonlyArray<string>): Effect.Effect<ReadonlyMap<string, StoredItem<A>>, ReadError> {
    return Effect.flatMap(this.family.loadMany(ids.map(keyOf)), (found) => {
      const items = new Map<string, StoredItem<A>>()
      for (const [key, stored] of found) {
        const id = idOf(key)
        if (stored._tag !== "Item") return Effect.fail(this.corrupt(id, "it holds settings, not an item"))
        if (stored.vector.length !== this.#dimension) {
          const lengths = `${stored.vector.length} numbers instead of ${this.#dimension}`
          return Effect.fail(this.corrupt(id, `its vector has ${lengths}`))
        }
        items.set(id, stored)
      }
      return Effect.succeed(items)
    })
  }

  /** Saves items; at least one. */
  save(items: ReadonlyArray<Omit<StoredItem<A>, "_tag"> & { readonly id: string }>): Effect.Effect<void, WriteError> {
    const states = items.map(({ id, item, vector }) => [keyOf(id), { _tag: "Item", item, vector } as const] as const)
    const [first] = states
    return first !== undefined && states.length === 1
      ? this.family.at(first[0]).save(first[1])
      : this.family.saveMany(states)
  }

  /** Removes items; at least one. */
  remove(ids: ReadonlyArray<string>): Effect.Effect<void, WriteError> {
    const [first] = ids
    return first !== undefined && ids.length === 1
      ? this.family.at(keyOf(first)).delete
      : this.family.deleteMany(ids.map(keyOf))
  }

  /**
   * The stamps of items that were saved since a time, up to now. What was saved earlier or comes later somebody else has saved.
   * A failure is none: what has no stamp is read again when it matters.
   */
  stampsSince(begun: number, ids: ReadonlyArray<string>): Effect.Effect<ReadonlyMap<string, Stamps.Stamp>> {
    return Effect.clockWith((clock) =>
      Effect.map(
        Effect.orElseSucceed(Stamps.of(this.family, ids), () => new Map<string, Stamps.Stamp>()),
        (found) => {
          const ended = clock.currentTimeMillisUnsafe()
          return new Map([...found].filter(([, { savedAt }]) => begun <= savedAt && savedAt <= ended))
        }
      )
    )
  }

  corrupt(key: string, reason: string): StateCorrupt {
    return new StateCorrupt({ agent: this.#name, key, location: `family "${this.family.name}"`, reason })
  }
}
