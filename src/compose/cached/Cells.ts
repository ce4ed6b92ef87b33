import { Effect, Exit, type Scope } from "effect"
import type { DataAgent } from "../../agents/DataAgent.ts"
import type { Family } from "../../agents/Family.ts"
import type { Hub } from "../../agents/internal/hub.ts"
import type { Owned } from "../../agents/internal/owned.ts"
import { Recency } from "../../agents/internal/recency.ts"
import { Cell } from "./Cell.ts"
import type { Entry } from "./Entry.ts"
import type { Shared } from "./Shared.ts"

const giveBack = (cell: { holders: number }): Effect.Effect<void> =>
  Effect.sync(() => {
    cell.holders--
  })

/** The caches of a family's keys: those used last, and those that are being written. */
export class Cells<in out S> {
  readonly #backend: Family<S>
  readonly #cache: Family<Entry<S>> | undefined
  readonly #shared: Shared<S>
  readonly #hub: Hub<Owned<S>>
  readonly #maxKeys: number
  readonly #kept = new Recency<Cell<S>>()
  /** The highest revision of a cell that was dropped: none is given again. */
  #floor = 0

  constructor(
    backend: Family<S>,
    cache: Family<Entry<S>> | undefined,
    shared: Shared<S>,
    hub: Hub<Owned<S>>,
    maxKeys: number
  ) {
    this.#backend = backend
    this.#cache = cache
    this.#shared = shared
    this.#hub = hub
    this.#maxKeys = maxKeys
  }

  get all(): ReadonlyArray<Cell<S>> {
    return Array.from(this.#kept, ([, cell]) => cell)
  }

  /** The keys of which something waits to be written. */
  get waiting(): ReadonlyArray<string> {
    return this.all.flatMap(({ behind, key }) => (behind?.isPending === true ? [key] : []))
  }

  /** Does something with the cache of a key. */
  use<A, E>(key: string, f: (cell: Cell<S>) => Effect.Effect<A, E>): Effect.Effect<A, E> {
    return Effect.suspend(() => {
      const cell = this.#kept.use(key)
      return cell === undefined ? Effect.flatMap(this.#open(key), f) : f(cell)
    })
  }

  /** The same, and the cache stays until it is done. */
  hold<A, E>(key: string, f: (cell: Cell<S>) => Effect.Effect<A, E>): Effect.Effect<A, E> {
    return Effect.acquireUseRelease(this.#take(key), f, giveBack)
  }

  /** The cache of a key, which stays until the scope closes. */
  holdScoped(key: string): Effect.Effect<Cell<S>, never, Scope.Scope> {
    return Effect.acquireRelease(this.#take(key), giveBack)
  }

  #take(key: string): Effect.Effect<Cell<S>> {
    return Effect.suspend(() => {
      const cell = this.#kept.use(key)
      // A cache that was just opened may be dropped before we hold it.
      if (cell === undefined) return Effect.andThen(this.#open(key), this.#take(key))
      cell.holders++
      return Exit.succeed(cell)
    })
  }

  /** A write of many keys at once, of which a part may have happened if it fails. Opens no caches. */
  writeMany<A, E>(keys: ReadonlySet<string>, write: Effect.Effect<A, E>): Effect.Effect<A, E> {
    const standings = () => [...keys].flatMap((key) => this.#kept.get(key)?.front.standing ?? [])
    return Effect.uninterruptibleMask((restore) =>
      Effect.suspend(() => {
        const begun = standings()
        for (const standing of begun) standing.begin()
        return Effect.ensuring(
          restore(write),
          Effect.sync(() => {
            for (const standing of begun) standing.end(false)
            // Also those that were opened meanwhile.
            for (const standing of standings()) standing.invalidate()
          })
        )
      })
    )
  }

  /** What is held goes with the scope, even while somebody keeps the family. */
  get end(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { all } = this
      this.#kept.clear()
      return Effect.forEach(all, ({ end }) => end, { discard: true })
    })
  }

  #open(key: string): Effect.Effect<Cell<S>> {
    return Effect.uninterruptible(
      Effect.suspend(() => {
        const known = this.#kept.get(key)
        if (known !== undefined) return Exit.succeed(known)
        const backend: DataAgent<S> = this.#backend.at(key)
        const cell = new Cell(backend, this.#cache?.at(key), this.#shared, this.#hub.at(key), this.#floor)
        this.#kept.set(key, cell)
        const excess = this.#excess(cell)
        const dropped = excess.length === 0 ? Effect.void : this.#drop(excess)
        return Effect.as(Effect.andThen(cell.follow, dropped), cell)
      })
    )
  }

  /** The least recently used ones past the limit, of those that may be dropped. */
  #excess(opened: Cell<S>): ReadonlyArray<Cell<S>> {
    const excess: Array<Cell<S>> = []
    for (const [, cell] of this.#kept) {
      if (this.#kept.size - excess.length <= this.#maxKeys) break
      const { behind, front, holders } = cell
      const isUsed = holders > 0 || front.standing.isWriting || behind?.isPending === true
      if (cell !== opened && !isUsed) excess.push(cell)
    }
    return excess
  }

  #drop(excess: ReadonlyArray<Cell<S>>): Effect.Effect<void> {
    const ended = excess.map((cell) => {
      this.#kept.delete(cell.key)
      this.#floor = Math.max(this.#floor, cell.behind?.last ?? 0)
      return Effect.andThen(cell.front.discard(), cell.end)
    })
    // Nobody waits for a cache to forget.
    const all = Effect.all(ended, { discard: true })
    return Effect.asVoid(Effect.forkIn(all, this.#shared.scope, { startImmediately: true }))
  }
}
