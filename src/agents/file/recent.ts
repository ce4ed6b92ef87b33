import { byteLength } from "../../schema/Codec.ts"
import { Recency } from "../internal/recency.ts"
import type { Current } from "./stored.ts"

/** States of recent use, at most so many keys and bytes: the least recently used ones are forgotten. */
export class Recent {
  readonly #states = new Recency<{ readonly current: Current; readonly bytes: number }>()
  readonly #maxKeys: number
  readonly #maxBytes: number
  #bytes = 0

  constructor(maxKeys: number, maxBytes: number) {
    this.#maxKeys = maxKeys
    this.#maxBytes = maxBytes
  }

  get(key: string): Current | undefined {
    return this.#states.use(key)?.current
  }

  set(key: string, current: Current): void {
    this.forget(key)
    const bytes = current._tag === "None" ? 0 : sizeOf(current)
    this.#states.set(key, { current, bytes })
    this.#bytes += bytes
    while (this.#states.size > this.#maxKeys || this.#bytes > this.#maxBytes)
      this.#bytes -= this.#states.deleteOldest()?.bytes ?? 0
  }

  clear(): void {
    this.#states.clear()
    this.#bytes = 0
  }

  forget(key: string): void {
    this.#bytes -= this.#states.delete(key)?.bytes ?? 0
  }
}

const sizeOf = ({ value: { entry, bytes } }: Extract<Current, { readonly _tag: "Some" }>): number =>
  byteLength(entry.state) + (bytes?.byteLength ?? 0)
