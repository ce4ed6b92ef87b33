/** What a memory shows, in step: vectors in the engine, items here, or in the family alone where an index is kept in a file. */
import { Effect } from "effect"
import type { Owned } from "../internal/owned.ts"
import type { Words } from "./bm25.ts"
import type { Engine } from "./Engine.ts"
import type { Kept } from "./Kept.ts"
import type { Stamp } from "./stamps.ts"
import { turns } from "./turns.ts"

/** An item with its vector, and what tells it from other items of its id, as far as that is known. */
export interface Entry<A> {
  readonly id: string
  /** Absent where items are not held in memory. */
  readonly owned: Owned<A> | undefined
  readonly vector: Float32Array
  readonly stamp?: Stamp | undefined
}

// Setting this many takes some milliseconds.
const setAtOnce = 1000

export class Shown<in out A> {
  readonly engine: Engine
  /** Where the index is kept; then items are read from the family when they are needed. */
  readonly index: Kept | undefined
  readonly #words: Words
  readonly #items = new Map<string, Owned<A>>()

  constructor(engine: Engine, words: Words, index: Kept | undefined) {
    this.engine = engine
    this.index = index
    this.#words = words
  }

  get size(): number {
    return (this.index ?? this.#items).size
  }

  ids(): IterableIterator<string> {
    return this.index === undefined ? this.#items.keys() : this.index.ids()
  }

  has(id: string): boolean {
    return (this.index ?? this.#items).has(id)
  }

  /** An item that is held in memory. */
  held(id: string): Owned<A> | undefined {
    return this.#items.get(id)
  }

  /** Shows entries: a few in one instant, many together while other fibers run. */
  show(entries: ReadonlyArray<Entry<A>>): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { engine, index } = this
      if (entries.length < (index?.together ?? setAtOnce) || engine.setMany === undefined) {
        for (const { id, stamp, vector } of entries) engine.set(id, vector, stamp)
        this.#note(entries)
        return Effect.void
      }
      const set = engine.setMany(entries.map(({ id, stamp, vector }) => [id, vector, stamp] as const))
      if (index !== undefined) {
        const note = Effect.map(turns.ready, () => this.#note(entries))
        // A file that is saved in between would hold vectors that nobody knows the items of.
        return index.unsaved(Effect.uninterruptibleMask((restore) => Effect.andThen(restore(set), note)))
      }
      // Whoever finds a vector finds its item, from the first moment on.
      this.#note(entries)
      return set
    })
  }

  #note(entries: ReadonlyArray<Entry<A>>): void {
    for (const { id, owned, stamp } of entries) {
      if (this.index !== undefined) this.index.set(id, stamp)
      else if (owned !== undefined) this.#items.set(id, owned)
      this.#words.changed(id)
    }
  }

  hide(id: string): void {
    this.engine.delete(id)
    this.#items.delete(id)
    this.index?.delete(id)
    this.#words.changed(id)
  }

  clear(): void {
    this.engine.clear()
    this.#items.clear()
    this.index?.clear()
    this.#words.clear()
  }
}
