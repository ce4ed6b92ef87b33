import type { Connection } from "./connection.ts"

// Often enough to be seen at once, and seldom enough for nobody to notice: each look takes two microseconds.
const intervalMillis = 25

type Notice = (keys: "all") => void

/**
 * Notices commits of other connections, those of other processes among them: SQLite counts them for every connection, as
 * `data_version`. Looks only while somebody watches.
 */
export class Watching {
  readonly #connection: Connection
  readonly #notices = new Set<{ readonly notice: Notice }>()
  #timer: NodeJS.Timeout | undefined
  #seen: number | undefined

  constructor(connection: Connection) {
    this.#connection = connection
  }

  /** Answers how to stop. Throws what SQLite throws. */
  add(notice: Notice): () => void {
    const added = { notice }
    if (this.#timer === undefined) {
      this.#seen = this.#connection.statements.version.get()
      this.#timer = setInterval(() => this.#look(), intervalMillis).unref()
    }
    this.#notices.add(added)
    return () => {
      this.#notices.delete(added)
      if (this.#notices.size > 0) return
      clearInterval(this.#timer)
      this.#timer = undefined
    }
  }

  #look(): void {
    if (!this.#connection.isOpen) return
    try {
      const found = this.#connection.statements.version.get()
      if (found === this.#seen) return
      this.#seen = found
    } catch {
      // It is looked at again soon, and who reads meanwhile hears of what is wrong.
      return
    }
    for (const { notice } of this.#notices) notice("all")
  }
}
