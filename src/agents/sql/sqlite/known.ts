// A few megabytes at most. Who writes more keys than that pays for a look at the row now and then.
const mostKeys = 20_000

interface Guess {
  revision: number
}

/**
 * The revisions that keys had when they were last written here. Guesses: another process may have written since, and a
 * transaction may have been undone. An UPDATE that names the guess changes the row only where it is right, and then the
 * next revision is known without asking for it, which would cost a third of the UPDATE.
 */
export class Known {
  readonly #collections = new Map<string, Map<string, Guess>>()
  // Mostly the next write is to the collection of the one before.
  #collection: string | undefined
  #keys: Map<string, Guess> | undefined
  #count = 0

  get(collection: string, key: string): number | undefined {
    return this.#keysOf(collection)?.get(key)?.revision
  }

  set(collection: string, key: string, revision: number): void {
    const guess = this.#keysOf(collection)?.get(key)
    if (guess === undefined) this.#add(collection, key, { revision })
    else guess.revision = revision
  }

  #keysOf(collection: string): Map<string, Guess> | undefined {
    if (this.#collection !== collection) {
      this.#collection = collection
      this.#keys = this.#collections.get(collection)
    }
    return this.#keys
  }

  #add(collection: string, key: string, guess: Guess): void {
    if (++this.#count > mostKeys) {
      this.#collections.clear()
      this.#count = 1
    }
    const keys = this.#collections.get(collection) ?? new Map<string, Guess>()
    this.#collections.set(collection, keys.set(key, guess))
    this.#collection = collection
    this.#keys = keys
  }
}
