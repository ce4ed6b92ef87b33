import { Recency } from "../../agents/internal/recency.ts"

/**
 * What is known of each state of a family. There is one cell for a key as long as anybody uses it, since all who do have to
 * know the same; those used last are kept besides, for what they remember.
 */
export class Cells<in out Cell extends WeakKey> {
  readonly #make: (key: string) => Cell
  readonly #keep: number
  readonly #all = new Map<string, WeakRef<Cell>>()
  readonly #recent = new Recency<Cell>()
  readonly #collected = new FinalizationRegistry<string>((key) => {
    if (this.#all.get(key)?.deref() === undefined) this.#all.delete(key)
  })

  constructor(keep: number, make: (key: string) => Cell) {
    this.#keep = keep
    this.#make = make
  }

  at(key: string): Cell {
    const cell = this.#all.get(key)?.deref() ?? this.#add(key)
    this.#recent.set(key, cell)
    if (this.#recent.size > this.#keep) this.#recent.deleteOldest()
    return cell
  }

  #add(key: string): Cell {
    const cell = this.#make(key)
    this.#all.set(key, new WeakRef(cell))
    this.#collected.register(cell, key)
    return cell
  }
}
