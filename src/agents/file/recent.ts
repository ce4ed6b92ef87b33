import { byteLength } from "../../schema/Codec.ts"
import type { Current } from "./stored.ts"

/** States of recent use, at most so many keys and bytes: the least recently used ones are forgotten. */
export class Recent {
  // A Map keeps insertion order, and a use inserts again.
  readonly #states = new Map<string, { readonly current: Current; readonly bytes: number }>()
  readonly #maxKeys: number
  readonly #maxBytes: number
  #bytes = 0

  constructor(maxKeys: number, maxBytes: number) {
    this.#maxKeys = maxKeys
    this.#maxBytes = maxBytes
  }

  get(key: string): Current | undefined {
    const found = this.#states.get(key)
    if (found === undefined) return undefined
    if (this.#states.size > 1) {
      this.#states.delete(key)
      this.#states.set(key, found)
    }
    return found.current
  }

  set(key: string, current: Current): void {
    this.forget(key)
    const bytes = current._tag === "None" ? 0 : sizeOf(current)
    this.#states.set(key, { current, bytes })
    this.#bytes += bytes
    for (const oldest of this.#states.keys()) {
      if (this.#states.size <= this.#maxKeys && this.#bytes <= this.#maxBytes) return
      this.forget(oldest)
    }
  }

  clear(): void {
    this.#states.clear()
    this.#bytes = 0
  }

  forget(key: string): void {
    const found = this.#states.get(key)
    if (found === undefined) return
    this.#states.delete(key)
    this.#bytes -= found.bytes
  }
}

const sizeOf = ({ value: { entry, bytes } }: Extract<Current, { readonly _tag: "Some" }>): number =>
  byteLength(entry.state) + (bytes?.byteLength ?? 0)
