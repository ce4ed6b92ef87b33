import { Effect, Fiber, type Scope } from "effect"
import type { DataAgent } from "../../agents/DataAgent.ts"
import type { Family } from "../../agents/Family.ts"
import type { Hub } from "../../agents/internal/hub.ts"
import type { Owned } from "../../agents/internal/owned.ts"
import { Cell, type Shared } from "./Cell.ts"
import type { Entry } from "./Entry.ts"

interface Kept<S> {
  readonly key: string
  readonly cell: Cell<S>
  /** Those who rely on it: what they do, the next cell of the same key would not know of. */
  holders: number
  watcher: Fiber.Fiber<void> | undefined
}

const giveBack = (kept: { holders: number }): Effect.Effect<void> =>
  Effect.sync(() => {
    kept.holders--
  })

/** The caches of a family's keys: those used last, and those that are being written. */
export class Cells<in out S> {
  readonly #backend: Family<S>
  readonly #cache: Family<Entry<S>>
  readonly #shared: Shared
  readonly #hub: Hub<Owned<S>>
  readonly #maxKeys: number
  // In order of use, least recent first: a Map keeps insertion order, and a use inserts again.
  readonly #kept = new Map<string, Kept<S>>()
  /** The highest revision of a cell that was dropped: none is given again. */
  #floor = 0

  constructor(backend: Family<S>, cache: Family<Entry<S>>, shared: Shared, hub: Hub<Owned<S>>, maxKeys: number) {
    this.#backend = backend
    this.#cache = cache
    this.#shared = shared
    this.#hub = hub
    this.#maxKeys = maxKeys
  }

  get all(): ReadonlyArray<Cell<S>> {
    return [...this.#kept.values()].map(({ cell }) => cell)
  }

  /** The keys of which something waits to be written. */
  get waiting(): ReadonlyArray<string> {
    return [...this.#kept.values()].flatMap(({ cell, key }) => (cell.behind?.isPending === true ? [key] : []))
  }

  /** Does something with the cache of a key. */
  use<A, E>(key: string, f: (cell: Cell<S>) => Effect.Effect<A, E>): Effect.Effect<A, E> {
    return Effect.suspend(() => {
      const kept = this.#touch(key)
      return kept === undefined ? Effect.flatMap(this.#open(key), ({ cell }) => f(cell)) : f(kept.cell)
    })
  }

  /** The same, and the cache stays until it is done. */
  hold<A, E>(key: string, f: (cell: Cell<S>) => Effect.Effect<A, E>): Effect.Effect<A, E> {
    return Effect.acquireUseRelease(this.#take(key), ({ cell }) => f(cell), giveBack)
  }

  /** The cache of a key, which stays until the scope closes. */
  holdScoped(key: string): Effect.Effect<Cell<S>, never, Scope.Scope> {
    return Effect.map(Effect.acquireRelease(this.#take(key), giveBack), ({ cell }) => cell)
  }

  #take(key: string): Effect.Effect<Kept<S>> {
    return Effect.suspend(() => {
      const kept = this.#touch(key)
      // A cache that was just opened may be dropped before we hold it.
      if (kept === undefined) return Effect.andThen(this.#open(key), this.#take(key))
      kept.holders++
      return Effect.succeed(kept)
    })
  }

  /** A write of many keys at once, of which a part may have happened if it fails. Opens no caches. */
  writeMany<A, E>(keys: ReadonlySet<string>, write: Effect.Effect<A, E>): Effect.Effect<A, E> {
    const fronts = () => [...keys].flatMap((key) => this.#kept.get(key)?.cell.front ?? [])
    return Effect.uninterruptibleMask((restore) =>
      Effect.suspend(() => {
        const begun = fronts()
        for (const front of begun) front.begin()
        return Effect.ensuring(
          restore(write),
          Effect.sync(() => {
            for (const front of begun) front.end(false)
            // Also those that were opened meanwhile.
            for (const front of fronts()) front.invalidate()
          })
        )
      })
    )
  }

  #touch(key: string): Kept<S> | undefined {
    const kept = this.#kept.get(key)
    if (kept !== undefined) {
      this.#kept.delete(key)
      this.#kept.set(key, kept)
    }
    return kept
  }

  #open(key: string): Effect.Effect<Kept<S>> {
    return Effect.uninterruptible(
      Effect.suspend(() => {
        const known = this.#kept.get(key)
        if (known !== undefined) return Effect.succeed(known)
        const { scope, settings } = this.#shared
        const backend: DataAgent<S> = this.#backend.at(key)
        const cell = new Cell(backend, this.#cache.at(key), this.#shared, this.#hub.at(key), this.#floor)
        const kept: Kept<S> = { key, cell, holders: 0, watcher: undefined }
        this.#kept.set(key, kept)
        const watch = settings.follow
          ? Effect.map(Effect.forkIn(cell.front.watch, scope, { startImmediately: true }), (watcher) => {
              kept.watcher = watcher
            })
          : Effect.void
        return Effect.as(Effect.andThen(watch, this.#drop(this.#excess(kept))), kept)
      })
    )
  }

  /** The least recently used ones past the limit, of those that may be dropped. */
  #excess(opened: Kept<S>): ReadonlyArray<Kept<S>> {
    const excess: Array<Kept<S>> = []
    for (const kept of this.#kept.values()) {
      if (this.#kept.size - excess.length <= this.#maxKeys) break
      const { behind, front } = kept.cell
      const isUsed = kept.holders > 0 || front.isWriting || behind?.isPending === true
      if (kept !== opened && !isUsed) excess.push(kept)
    }
    return excess
  }

  #drop(excess: ReadonlyArray<Kept<S>>): Effect.Effect<void> {
    if (excess.length === 0) return Effect.void
    for (const { cell, key } of excess) {
      this.#kept.delete(key)
      this.#floor = Math.max(this.#floor, cell.behind?.last ?? 0)
    }
    const ended = Effect.forEach(
      excess,
      ({ cell, watcher }) =>
        Effect.andThen(cell.front.discard, watcher === undefined ? Effect.void : Fiber.interrupt(watcher)),
      { discard: true }
    )
    // Nobody waits for a cache to forget.
    return Effect.asVoid(Effect.forkIn(ended, this.#shared.scope, { startImmediately: true }))
  }
}
