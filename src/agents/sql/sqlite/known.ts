// A few megabytes at most. Who writes more keys than that pays for a look at the row now and then.
const mostKeys = 20_000

/**
 * The revisions that keys had when they were last written here. Guesses: another process may have written since, and a
 * transaction may have been undone. An UPDATE that names the guess changes the row only where it is right, and then the
 * next revision is known without asking for it, which would cost a third of the UPDATE.
 */
export class Known {
  readonly #collections = new Map<string, Map<string, number>>()
  #count = 0

  get(collection: string, key: string): number | undefined {
    return this.#collections.get(collection)?.get(key)
  }

  set(collection: string, key: string, revision: number): void {
    if (this.get(collection, key) === undefined && ++this.#count > mostKeys) {
      this.#collections.clear()
      this.#count = 1
    }
    const keys = this.#collections.get(collection)
    if (keys === undefined) this.#collections.set(collection, new Map([[key, revision]]))
    else keys.set(key, revision)
  }
}
