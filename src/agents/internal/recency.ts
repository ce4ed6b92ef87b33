interface Entry<V> {
  readonly key: string
  value: V
  older: Entry<V> | undefined
  newer: Entry<V> | undefined
}

/**
 * Values by key in the order of their last use. A `Map` from which a key is taken and put back has that order too, but it steps over all that
 * was ever taken out, one by one, whenever it is asked for its oldest: among a million keys for 0.3 ms.
 */
export class Recency<in out V> {
  readonly #entries = new Map<string, Entry<V>>()
  #oldest: Entry<V> | undefined
  #newest: Entry<V> | undefined

  get size(): number {
    return this.#entries.size
  }

  /** The key that was not used for longest. */
  get oldest(): string | undefined {
    return this.#oldest?.key
  }

  /** Without using it. */
  get(key: string): V | undefined {
    return this.#entries.get(key)?.value
  }

  /** Uses a key, if it is there. */
  use(key: string): V | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    this.#touch(entry)
    return entry.value
  }

  /** Uses a key, and puts a value there. */
  set(key: string, value: V): void {
    const known = this.#entries.get(key)
    if (known !== undefined) {
      known.value = value
      this.#touch(known)
      return
    }
    const entry: Entry<V> = { key, value, older: undefined, newer: undefined }
    this.#entries.set(key, entry)
    this.#append(entry)
  }

  /** Answers what was there. */
  delete(key: string): V | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    this.#entries.delete(key)
    this.#unlink(entry)
    // What is dead and old would keep what is young from being collected.
    entry.older = undefined
    entry.newer = undefined
    return entry.value
  }

  /** Answers what was at the key that was not used for longest. */
  deleteOldest(): V | undefined {
    return this.#oldest && this.delete(this.#oldest.key)
  }

  clear(): void {
    this.#entries.clear()
    this.#oldest = undefined
    this.#newest = undefined
  }

  /** In the order of use, the oldest first. Nothing may be used or deleted meanwhile. */
  *[Symbol.iterator](): Generator<readonly [key: string, value: V]> {
    for (let entry = this.#oldest; entry !== undefined; entry = entry.newer) yield [entry.key, entry.value]
  }

  #touch(entry: Entry<V>): void {
    if (entry === this.#newest) return
    this.#unlink(entry)
    this.#append(entry)
  }

  #append(entry: Entry<V>): void {
    entry.older = this.#newest
    entry.newer = undefined
    if (this.#newest === undefined) this.#oldest = entry
    else this.#newest.newer = entry
    this.#newest = entry
  }

  #unlink({ newer, older }: Entry<V>): void {
    if (older === undefined) this.#oldest = newer
    else older.newer = newer
    if (newer === undefined) this.#newest = older
    else newer.older = older
  }
}
