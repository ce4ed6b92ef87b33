/**
 * By what one tells whether an item is still the one that a vector was made from: the commit that its family counts, and when
 * that was. Both, since the numbers of a family that was put back from a backup come again.
 */
import { Array as Arr, Effect, Option, Stream } from "effect"
import type { Family } from "../Family.ts"
import type { Listing } from "../internal/listing.ts"
import { isPlain } from "../query/compile.ts"
import * as Ir from "../query/ir.ts"
import type { ReadError } from "../StateError.ts"
import { idOf, itemPrefix, keyOf } from "./keys.ts"
import type { Stored } from "./Stored.ts"
import { turns } from "./turns.ts"

export interface Stamp {
  readonly revision: number
  readonly savedAt: number
}

/** Of what is not known for certain: no item has it. */
export const unknown: Stamp = { revision: 0, savedAt: 0 }

/** What each vector of an index was made from, as far as that is known. */
export class Stamped {
  #stamps = new Map<string, Stamp>()

  get size(): number {
    return this.#stamps.size
  }

  get all(): ReadonlyMap<string, Stamp> {
    return this.#stamps
  }

  ids(): IterableIterator<string> {
    return this.#stamps.keys()
  }

  has(id: string): boolean {
    return this.#stamps.has(id)
  }

  set(id: string, stamp: Stamp = unknown): void {
    this.#stamps.set(id, stamp)
  }

  delete(id: string): boolean {
    return this.#stamps.delete(id)
  }

  clear(): void {
    this.#stamps.clear()
  }

  replace(stamps: ReadonlyMap<string, Stamp>): void {
    this.#stamps = new Map(stamps)
  }

  /** The items whose vectors were not made from them, or not for certain; and without a stamp the ids that have no item any more. */
  stale(items: Listed): ReadonlyMap<string, Stamp | undefined> {
    const stale = new Map<string, Stamp | undefined>()
    let known = 0
    items.each((id, revision, savedAt) => {
      const stamp = this.#stamps.get(id)
      if (stamp !== undefined) known++
      if (stamp?.revision !== revision || stamp.savedAt !== savedAt) stale.set(id, { revision, savedAt })
    })
    if (known === this.size) return stale
    const there = new Set<string>()
    items.each((id) => there.add(id))
    for (const id of this.#stamps.keys()) if (!there.has(id)) stale.set(id, undefined)
    return stale
  }
}

/** The stamps of all items. There may be many of them, so they stay as they came. */
export class Listed {
  readonly #pages: Array<Listing> = []
  #size = 0

  get size(): number {
    return this.#size
  }

  add(page: Listing): void {
    this.#pages.push(page)
    this.#size += page.length
  }

  /** Calls `use` with each of them. */
  each(use: (id: string, revision: number, savedAt: number) => void): void {
    for (const page of this.#pages) for (const [key, revision, savedAt] of page) use(idOf(key), revision, savedAt)
  }
}

// States read at once where a family answers no queries; where it does, keys named in one, and rows answered by one. Those of a
// listing take a microsecond each.
const statesAtOnce = 16
const keysInQuery = 500
const rowsInPage = 2000
const rowsInListing = 5000

/** Of all items. By a listing or by queries where the family answers such; otherwise every item is read. */
export const all = <A>(family: Family<Stored<A>>): Effect.Effect<Listed, ReadError> =>
  Effect.gen(function* () {
    const listed = (yield* paged(listing(family), rowsInListing)) ?? (yield* paged(queried(family), rowsInPage))
    if (listed !== undefined) return listed
    const found = new Listed()
    found.add(yield* read(family, family.keys({ prefix: itemPrefix })))
    return found
  })

/** Of those among these items that there are. */
export const of = <A>(
  family: Family<Stored<A>>,
  ids: ReadonlyArray<string>
): Effect.Effect<ReadonlyMap<string, Stamp>, ReadError> =>
  Effect.gen(function* () {
    const found = new Map<string, Stamp>()
    for (const keys of Arr.chunksOf(ids.map(keyOf), keysInQuery)) {
      yield* turns.ready
      const asked = yield* ask(family, { where: { _tag: "OneOf", operand: Ir.key, values: keys } })
      for (const [key, revision, savedAt] of asked ?? (yield* read(family, Stream.fromIterable(keys))))
        found.set(idOf(key), { revision, savedAt })
    }
    return found
  })

/** Answers a page of what comes behind a key, as far as the family can. */
type Paging = (after: string | undefined, limit: number) => Effect.Effect<Listing | undefined, ReadError>

const paged = (pages: Paging | undefined, limit: number): Effect.Effect<Listed | undefined, ReadError> =>
  Effect.gen(function* () {
    const found = new Listed()
    for (let page: Listing | undefined; ; ) {
      yield* turns.ready
      page = yield* pages?.(page?.at(-1)?.[0], limit) ?? Effect.undefined
      if (page === undefined) return undefined
      found.add(page)
      if (page.length < limit) return found
    }
  })

const listing = <A>({ listing }: Family<Stored<A>>): Paging | undefined =>
  listing === undefined ? undefined : (after, limit) => listing({ prefix: itemPrefix, after, limit })

const queried =
  <A>(family: Family<Stored<A>>): Paging =>
  (after, limit) =>
    ask(family, {
      where: { _tag: "StartsWith", operand: Ir.key, text: itemPrefix },
      // Behind the key, whichever revision it has.
      after: after === undefined ? undefined : { key: after, revision: Number.MAX_SAFE_INTEGER },
      limit
    })

/** What the family answers itself, if it does. */
const ask = <A>(
  family: Family<Stored<A>>,
  which: Pick<Ir.RowsPlan, "where" | "after" | "limit">
): Effect.Effect<Listing | undefined, ReadError> => {
  const { query } = family
  if (query === undefined || !isPlain(family)) return Effect.succeed(undefined)
  const columns = [Ir.key, Ir.revision, Ir.savedAt]
  const rows = Effect.suspend(() => query({ _tag: "Rows", over: "current", offset: 0, orderBy: [], columns, ...which }))
  return Effect.map(rows, (cells) =>
    cells?.map(([key, revision, savedAt]) => [String(key), Number(revision), Number(savedAt)])
  )
}

const read = <A>(
  family: Family<Stored<A>>,
  keys: Stream.Stream<string, ReadError>
): Effect.Effect<Listing, ReadError> =>
  Effect.map(
    Stream.runCollect(
      Stream.mapEffect(
        keys,
        (key) =>
          Effect.map(
            family.at(key).current,
            Option.map(({ revision, savedAt }) => [key, revision, savedAt] as const)
          ),
        { concurrency: statesAtOnce }
      )
    ),
    Arr.getSomes
  )
