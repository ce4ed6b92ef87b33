/** Which vectors an engine answers with, and those of them that its table does not have yet. */
import { type Stamp, unknown } from "../stamps.ts"

/** A vector on its way to the table, as it is compared: of length 1 where only directions count, and absent if it has none. */
export interface Fresh {
  readonly vector: Float32Array | undefined
  readonly stamp: Stamp
}

/** What is known of some ids: a vector, or that there is none any more. */
export type Changes = ReadonlyMap<string, Fresh | undefined>

export class Known {
  readonly #ids = new Set<string>()
  /** Those of length 0 where only directions count: no index of a database holds them. */
  readonly #nowhere = new Set<string>()
  readonly #pending = new Map<string, Fresh | undefined>()
  /** What those who read the table are told: all that it may not have had when they asked it. */
  readonly #told = new Set<Map<string, Fresh | undefined>>()
  /** How often everything was forgotten. */
  #generation = 0

  get size(): number {
    return this.#ids.size
  }

  get generation(): number {
    return this.#generation
  }

  has(id: string): boolean {
    return this.#ids.has(id)
  }

  ids(): IterableIterator<string> {
    return this.#ids.values()
  }

  /** The ids of vectors that point nowhere. */
  get nowhere(): ReadonlySet<string> {
    return this.#nowhere
  }

  get pending(): Changes {
    return this.#pending
  }

  set(id: string, vector: Float32Array | undefined, stamp: Stamp = unknown): void {
    this.#ids.add(id)
    if (vector === undefined) this.#nowhere.add(id)
    else this.#nowhere.delete(id)
    this.#note(id, { vector, stamp })
  }

  delete(id: string): void {
    // What the table has of an id that is not known is no business of this engine until it is loaded.
    if (!this.#ids.delete(id)) return
    this.#nowhere.delete(id)
    this.#note(id, undefined)
  }

  #note(id: string, fresh: Fresh | undefined): void {
    // The last place again: what keeps changing must not keep others waiting.
    this.#pending.delete(id)
    this.#pending.set(id, fresh)
    for (const told of this.#told) told.set(id, fresh)
  }

  /** The table has these now. */
  written(changes: Changes): void {
    for (const [id, fresh] of changes) if (this.#pending.get(id) === fresh) this.#pending.delete(id)
  }

  /** Changes that the table may not have, from now until `end` is called. */
  watch(): { readonly changes: Changes; readonly end: () => void } {
    const changes = new Map(this.#pending)
    this.#told.add(changes)
    return { changes, end: () => void this.#told.delete(changes) }
  }

  /** Takes the rows of the table for what is there, apart from the changes. Answers what each vector was made from. */
  load(
    rows: ReadonlyMap<string, { readonly stamp: Stamp; readonly isNowhere: boolean }>,
    changes: Changes
  ): ReadonlyMap<string, Stamp> {
    const stamps = new Map<string, Stamp>()
    this.#ids.clear()
    this.#nowhere.clear()
    const add = (id: string, stamp: Stamp, isNowhere: boolean) => {
      this.#ids.add(id)
      if (isNowhere) this.#nowhere.add(id)
      stamps.set(id, stamp)
    }
    for (const [id, { isNowhere, stamp }] of rows) if (!changes.has(id)) add(id, stamp, isNowhere)
    for (const [id, fresh] of changes) if (fresh !== undefined) add(id, fresh.stamp, fresh.vector === undefined)
    return stamps
  }

  /** Forgets everything; the table keeps what it has. */
  clear(): void {
    this.#generation++
    this.#ids.clear()
    this.#nowhere.clear()
    this.#pending.clear()
    for (const told of this.#told) told.clear()
  }
}
