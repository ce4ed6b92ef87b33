import { type Bounds, type Id, type Part, pageBytes, type Stored } from "../../stream/Log.ts"
import type { Connection } from "./connection.ts"
import { BadRow } from "./errors.ts"
import type { HeadRow } from "./logStatements.ts"

// So many are read before anything is known of their size.
const firstEvents = 16

/** What is read of events. Synchronous; throws what SQLite throws, and `BadRow`. */
export class LogRows {
  readonly #connection: Connection

  constructor(connection: Connection) {
    this.#connection = connection
  }

  read(id: Id, { after, limit }: Part): ReadonlyArray<Stored> {
    return this.#connection.snapshot(() => {
      const head = this.#head(id)
      if (head === undefined) return []
      const [stream, last, compacted] = head
      const found: Array<Stored> = []
      let at = Math.max(after, compacted)
      const end = Math.min(last, at + limit)
      let size = 0
      while (at < end && size < pageBytes) {
        const fitting = size === 0 ? firstEvents : Math.floor(((pageBytes - size) * found.length) / size)
        const wanted = Math.min(end - at, Math.max(1, fitting))
        const rows = this.#connection.statements.log.events.all(stream, at, wanted)
        for (const [position, time, type, data] of rows) {
          if (position !== at + 1) throw this.#gap(id, at + 1)
          found.push({ position, at: time, type, data })
          size += data.length
          at = position
        }
        if (rows.length < wanted) throw this.#gap(id, at + 1)
      }
      return found
    })
  }

  bounds(id: Id): Bounds {
    const [, last, compacted] = this.#head(id) ?? [0, 0, 0]
    return { compacted, last }
  }

  /** Halves the range of positions: times grow with them. */
  positionAt(id: Id, time: number): number {
    return this.#connection.snapshot(() => {
      const head = this.#head(id)
      if (head === undefined) return 0
      const [stream, last, compacted, at] = head
      if (at <= time) return last
      // What is at `low` was there by then, and nothing above `high` was.
      let [low, high] = [compacted, last - 1]
      while (low < high) {
        const middle = Math.ceil((low + high) / 2)
        const found = this.#connection.statements.log.at.get(stream, middle)
        if (found === undefined) throw this.#gap(id, middle)
        if (found <= time) low = middle
        else high = middle - 1
      }
      return low
    })
  }

  keys(
    collection: string,
    { after, limit, prefix }: { readonly prefix: string; readonly after: string | undefined; readonly limit: number }
  ): ReadonlyArray<string> {
    return this.#connection.statements.log.keys
      .all({ collection, from: prefix, after: after ?? null, limit: Math.min(limit, Number.MAX_SAFE_INTEGER) })
      .filter((key) => key.startsWith(prefix))
  }

  #head({ collection, key }: Id): HeadRow | undefined {
    return this.#connection.statements.log.head.get(collection, key)
  }

  #gap({ key }: Id, position: number): BadRow {
    return new BadRow(
      `${this.#connection.file}, stream ${JSON.stringify(key)}, position ${position}`,
      "the event is missing; restore the file from a backup"
    )
  }
}
