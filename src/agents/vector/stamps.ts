/**
 * By what one tells whether an item is still the one that a vector was made from: the commit that its family counts, and when
 * that was. Both, since the numbers of a family that was put back from a backup come again.
 */
import { Array as Arr, Effect, Option, Stream } from "effect"
import type { Family } from "../Family.ts"
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

export const isSame = (a: Stamp | undefined, b: Stamp | undefined): boolean =>
  a !== undefined && b !== undefined && a.revision === b.revision && a.savedAt === b.savedAt

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

  /** The ids whose vectors were not made from these items, or not for certain; also those that have no item any more. */
  stale(items: ReadonlyMap<string, Stamp>): ReadonlyArray<string> {
    const stale: Array<string> = []
    for (const [id, stamp] of items) if (!isSame(this.#stamps.get(id), stamp)) stale.push(id)
    for (const id of this.#stamps.keys()) if (!items.has(id)) stale.push(id)
    return stale
  }
}

type Stamps = Effect.Effect<ReadonlyMap<string, Stamp>, ReadError>

// States read at once where a family answers no queries; where it does, keys named in one, and rows answered by one.
const statesAtOnce = 16
const keysInQuery = 500
const rowsInPage = 2000

/** Of all items, by id. By queries where the family answers such; otherwise every item is read. */
export const all = <A>(family: Family<Stored<A>>): Stamps =>
  Effect.gen(function* () {
    const found = new Map<string, Stamp>()
    const where: Ir.Condition = { _tag: "StartsWith", operand: Ir.key, text: itemPrefix }
    let after: Ir.RowsPlan["after"]
    for (;;) {
      const page = yield* ask(family, { where, after, limit: rowsInPage })
      if (page === undefined) return new Map(yield* read(family, family.keys({ prefix: itemPrefix })))
      for (const [id, stamp] of page) found.set(id, stamp)
      const last = page.at(-1)
      if (last === undefined || page.length < rowsInPage) return found
      after = { key: keyOf(last[0]), revision: last[1].revision }
    }
  })

/** Of those among these items that there are. */
export const of = <A>(family: Family<Stored<A>>, ids: ReadonlyArray<string>): Stamps =>
  Effect.gen(function* () {
    const found = new Map<string, Stamp>()
    for (const keys of Arr.chunksOf(ids.map(keyOf), keysInQuery)) {
      const asked = yield* ask(family, { where: { _tag: "OneOf", operand: Ir.key, values: keys } })
      for (const [id, stamp] of asked ?? (yield* read(family, Stream.fromIterable(keys)))) found.set(id, stamp)
    }
    return found
  })

type Pairs = ReadonlyArray<readonly [id: string, stamp: Stamp]>

/** What the family answers itself, if it does. */
const ask = <A>(
  family: Family<Stored<A>>,
  which: Pick<Ir.RowsPlan, "where" | "after" | "limit">
): Effect.Effect<Pairs | undefined, ReadError> => {
  const { query } = family
  if (query === undefined || !isPlain(family)) return Effect.succeed(undefined)
  const columns = [Ir.key, Ir.revision, Ir.savedAt]
  const rows = Effect.suspend(() => query({ _tag: "Rows", over: "current", offset: 0, orderBy: [], columns, ...which }))
  return Effect.map(turns.begin() ? rows : Effect.andThen(turns.next, rows), (cells) =>
    cells?.map(([key, revision, savedAt]) => [
      idOf(String(key)),
      { revision: Number(revision), savedAt: Number(savedAt) }
    ])
  )
}

const read = <A>(family: Family<Stored<A>>, keys: Stream.Stream<string, ReadError>): Effect.Effect<Pairs, ReadError> =>
  Effect.map(
    Stream.runCollect(
      Stream.mapEffect(
        keys,
        (key) =>
          Effect.map(
            family.at(key).current,
            Option.map(({ revision, savedAt }) => [idOf(key), { revision, savedAt }] as const)
          ),
        { concurrency: statesAtOnce }
      )
    ),
    Arr.getSomes
  )
