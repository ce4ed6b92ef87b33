import type { Id } from "../stream/Log.ts"

/** Who wants to hear of the appends of this process to which stream. */
export class StreamWatchers {
  readonly #notices = new Map<string, Set<() => void>>()

  /** Answers how to stop. */
  add(id: Id, notice: () => void): () => void {
    // A function of its own, so that one who watches twice stops once.
    const own = () => notice()
    const name = nameOf(id)
    const notices = this.#notices.get(name) ?? new Set()
    this.#notices.set(name, notices.add(own))
    return () => {
      notices.delete(own)
      if (notices.size === 0 && this.#notices.get(name) === notices) this.#notices.delete(name)
    }
  }

  tell(id: Id): void {
    if (this.#notices.size === 0) return
    for (const notice of this.#notices.get(nameOf(id)) ?? []) notice()
  }
}

// No collection and key are told for another pair.
const nameOf = ({ collection, key }: Id): string => `${collection.length}:${collection}${key}`
