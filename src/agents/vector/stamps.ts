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

/** What each vector of an index was made from, as far as that is known. There may be many, so they are numbers in one list. */
export class Stamped {
  /** Where the stamp of an id is. */
  readonly #places = new Map<string, number>()
  /** Revision and time by place. */
  #numbers = new Float64Array(2 * 64)
  #free: Array<number> = []

  get size(): number {
    return this.#places.size
  }

  ids(): IterableIterator<string> {
    return this.#places.keys()
  }

  has(id: string): boolean {
    return this.#places.has(id)
  }

  get(id: string): Stamp | undefined {
    const place = this.#places.get(id)
    // The casts are sound: there are two numbers for each place.
    return place === undefined
      ? undefined
      : { revision: this.#numbers[2 * place] as number, savedAt: this.#numbers[2 * place + 1] as number }
  }

  set(id: string, { revision, savedAt }: Stamp = unknown): void {
    let place = this.#places.get(id)
    if (place === undefined) {
      place = this.#free.pop() ?? this.#places.size
      this.#places.set(id, place)
    }
    if (2 * place >= this.#numbers.length) {
      const longer = new Float64Array(2 * this.#numbers.length)
      longer.set(this.#numbers)
      this.#numbers = longer
    }
    this.#numbers[2 * place] = revision
    this.#numbers[2 * place + 1] = savedAt
  }

  delete(id: string): boolean {
    const place = this.#places.get(id)
    if (place === undefined) return false
    this.#free.push(place)
    return this.#places.delete(id)
  }

  clear(): void {
    this.#places.clear()
    this.#free = []
  }

  replace(stamps: ReadonlyMap<string, Stamp>): void {
    this.clear()
    for (const [id, stamp] of stamps) this.set(id, stamp)
  }

  /** The items whose vectors were not made from them, or not for certain; and without a stamp the ids that have no item any more. */
  stale(items: Listed): ReadonlyMap<string, Stamp | undefined> {
    const stale = new Map<string, Stamp | undefined>()
    let known = 0
    items.each((id, revision, savedAt) => {
      const place = this.#places.get(id)
      if (place !== undefined) known++
      const isSame =
        place !== undefined && this.#numbers[2 * place] === revision && this.#numbers[2 * place + 1] === savedAt
      if (!isSame) stale.set(id, { revision, savedAt })
    })
    if (known === this.size) return stale
    const there = new Set<string>()
    items.each((id) => there.add(id))
    for (const id of this.#places.keys()) if (!there.has(id)) stale.set(id, undefined)
    return stale
  }
}

/** A page of stamps: revision and time of each id. */
interface Page {
  readonly ids: ReadonlyArray<string>
  readonly numbers: Float64Array
}

/** The stamps of all items. There may be many of them, so what they came in is not kept. */
export class Listed {
  readonly #pages: Array<Page> = []
  #size = 0

  get size(): number {
    return this.#size
  }

  add(page: Listing): void {
    const numbers = new Float64Array(2 * page.length)
    const ids = page.map(([key, revision, savedAt], i) => {
      numbers[2 * i] = revision
      numbers[2 * i + 1] = savedAt
      return idOf(key)
    })
    this.#pages.push({ ids, numbers })
    this.#size += page.length
  }

  /** Calls `use` with each of them. */
  each(use: (id: string, revision: number, savedAt: number) => void): void {
    // Sound: there are two numbers for each id.
    for (const { ids, numbers } of this.#pages)
      for (const [i, id] of ids.entries()) use(id, numbers[2 * i] as number, numbers[2 * i + 1] as number)
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
