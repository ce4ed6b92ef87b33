/** A turn of the event loop, from when it is first asked about. */
export class Turn {
  #began: number | undefined
  #number = 0

  /** Tells turns apart. */
  get number(): number {
    this.#begin()
    return this.#number
  }

  /** When this one began, as `performance.now()` has it. */
  get began(): number {
    return this.#begin()
  }

  /** How long this one has lasted. */
  get millis(): number {
    return performance.now() - this.#begin()
  }

  #begin(): number {
    if (this.#began !== undefined) return this.#began
    setImmediate(this.#end)
    this.#began = performance.now()
    return this.#began
  }

  readonly #end = (): void => {
    this.#began = undefined
    this.#number++
  }
}
