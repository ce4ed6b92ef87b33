/** The best items of a ranking that pass: items are in memory, or are read where they are stored. */
import { Effect, Exit } from "effect"
import type { Owned } from "../internal/owned.ts"
import type * as Ir from "../query/ir.ts"
import type { ReadError } from "../StateError.ts"
import type { Match, Request } from "./Engine.ts"
import type { StoredItem } from "./Stored.ts"

/** An item that was found, as it was when it was scored. */
export interface Found<out A> extends Match {
  readonly owned: Owned<A>
}

/** Where the items of a memory are. */
export interface Items<out A> {
  /** The item under an id, where all items are in memory. Where they are not, this is absent, and they are read. */
  readonly held?: ((id: string) => Owned<A> | undefined) | undefined
  /** Reads items; ids without one are left out. */
  readonly stored: (ids: ReadonlyArray<string>) => Effect.Effect<ReadonlyMap<string, StoredItem<A>>, ReadError>
  /** The ids of the stored items that fit a condition. */
  readonly matching: (condition: Ir.Condition) => Effect.Effect<ReadonlyArray<string>, ReadError>
}

/** Which items pass. */
export interface Passes<in A> {
  /** Whether anything is left out at all. */
  readonly isAll: boolean
  readonly item: (item: A, id: string) => boolean
  /** The part that storage can answer. */
  readonly condition: Ir.Condition | undefined
}

/** What ranks ids: an engine for one vector, or the words of a text. */
export interface Ranking<out E> {
  readonly search: <B>(request: Request, answer: (matches: ReadonlyArray<Match>) => B) => Effect.Effect<B, E>
  /** How many ids there are. */
  readonly size: () => number
}

/** What is asked of a ranking. */
export interface Wanted<in A> {
  readonly count: number
  readonly minScore: number
  readonly passes: Passes<A>
}

/** What is in memory is there at once: a failure is a schema that does not keep its word. */
export const read = <A>({ get }: Owned<A>): A =>
  // Sound: an exit is an effect, and what it succeeds with is its value.
  Exit.isExit(get) && Exit.isSuccess(get) ? (get.value as A) : Effect.runSync(Effect.orDie(get))

/** The best items of a ranking. */
export const best = <A, E>(
  ranking: Ranking<E>,
  items: Items<A>,
  wanted: Wanted<A>
): Effect.Effect<ReadonlyArray<Found<A>>, ReadError | E> => {
  const { held } = items
  if (held === undefined) return bestStored(ranking, items, wanted)
  const { count, minScore, passes } = wanted
  const accept = (id: string): boolean => {
    const owned = held(id)
    return owned !== undefined && passes.item(read(owned), id)
  }
  return ranking.search({ k: count, minScore, accept: passes.isAll ? undefined : accept }, (matches) =>
    matches.flatMap((match) => {
      const owned = held(match.id)
      return owned === undefined ? [] : [{ ...match, owned }]
    })
  )
}

// Candidates for each hit that is wanted, where not all pass; and how many more of them each further time.
const spare = 4

// Of this share of all vectors on, the ids that pass are looked up first: what it takes to find them among the
// candidates would be to read a good part of the items.
const tooMany = 1 / 16

const bestStored = <A, E>(
  ranking: Ranking<E>,
  items: Items<A>,
  { count, minScore, passes }: Wanted<A>
): Effect.Effect<ReadonlyArray<Found<A>>, ReadError | E> =>
  Effect.gen(function* () {
    const passing = new Passing(items, passes)
    let accept: ((id: string) => boolean) | undefined
    let k = passes.isAll ? count : spare * count
    for (;;) {
      const matches = yield* ranking.search({ k, minScore, accept }, (found) => found)
      const found = yield* passing.take(matches, count)
      if (found.length === count || matches.length < k) return found
      const needed = found.length === 0 ? Number.POSITIVE_INFINITY : (matches.length * count) / found.length
      if (accept === undefined && passes.condition !== undefined && needed > tooMany * ranking.size()) {
        const ids = new Set(yield* items.matching(passes.condition))
        accept = (id) => ids.has(id)
        k = count
      } else k *= spare
    }
  })

/** Reads items that are stored, each once, and keeps those that pass. */
class Passing<in out A> {
  readonly #items: Items<A>
  readonly #passes: Passes<A>
  /** What was read: an item that passes, or nothing. */
  readonly #known = new Map<string, Owned<A> | undefined>()

  constructor(items: Items<A>, passes: Passes<A>) {
    this.#items = items
    this.#passes = passes
  }

  take(ranked: ReadonlyArray<Match>, count: number): Effect.Effect<ReadonlyArray<Found<A>>, ReadError> {
    return Effect.gen({ self: this }, function* () {
      const found: Array<Found<A>> = []
      for (let start = 0; start < ranked.length && found.length < count; ) {
        const batch = ranked.slice(start, start + Math.min(500, Math.max(16, 2 * (count - found.length))))
        yield* this.#read(batch)
        for (const match of batch) {
          const owned = this.#known.get(match.id)
          if (owned !== undefined && found.length < count) found.push({ ...match, owned })
        }
        start += batch.length
      }
      return found
    })
  }

  #read(batch: ReadonlyArray<Match>): Effect.Effect<void, ReadError> {
    const ids = batch.flatMap(({ id }) => (this.#known.has(id) ? [] : [id]))
    if (ids.length === 0) return Effect.void
    return Effect.map(this.#items.stored(ids), (stored) => {
      for (const id of ids) {
        const entry = stored.get(id)
        const passes = entry !== undefined && (this.#passes.isAll || this.#passes.item(entry.item, id))
        this.#known.set(id, passes ? { get: Effect.succeed(entry.item) } : undefined)
      }
    })
  }
}
