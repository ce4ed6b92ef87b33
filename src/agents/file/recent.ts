import type { Option } from "effect"
import { byteLength } from "../../schema/Codec.ts"
import type { Entry } from "../Register.ts"

/** Entries of recent use, at most so many keys and bytes: the least recently used ones are forgotten. */
export class Recent {
  // A Map keeps insertion order, and a use inserts again.
  readonly #entries = new Map<string, { readonly entry: Option.Option<Entry>; readonly bytes: number }>()
  readonly #maxKeys: number
  readonly #maxBytes: number
  #bytes = 0

  constructor(maxKeys: number, maxBytes: number) {
    this.#maxKeys = maxKeys
    this.#maxBytes = maxBytes
  }

  get(key: string): Option.Option<Entry> | undefined {
    const found = this.#entries.get(key)
    if (found === undefined) return undefined
    if (this.#entries.size > 1) {
      this.#entries.delete(key)
      this.#entries.set(key, found)
    }
    return found.entry
  }

  set(key: string, entry: Option.Option<Entry>): void {
    this.forget(key)
    const bytes = entry._tag === "None" ? 0 : byteLength(entry.value.state)
    this.#entries.set(key, { entry, bytes })
    this.#bytes += bytes
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#maxKeys && this.#bytes <= this.#maxBytes) return
      this.forget(oldest)
    }
  }

  forget(key: string): void {
    const found = this.#entries.get(key)
    if (found === undefined) return
    this.#entries.delete(key)
    this.#bytes -= found.bytes
  }
}
