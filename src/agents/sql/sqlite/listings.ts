import type Database from "better-sqlite3"
import type { Listing, ListingOf } from "../../internal/listing.ts"
import { listingStatement } from "../../query/indexes.ts"
import type { Connection } from "./connection.ts"
import { dialect } from "./dialect.ts"

type Statement = Database.Statement<[from: string, limit: number], Listing[number]>

/**
 * Keys, revisions and times of a collection, without its states. An index of these alone is kept for that, since to read them from
 * rows would be to read the pages of the states as well.
 */
export class Listings {
  readonly #connection: Connection
  readonly #statements = new Map<string, Statement | undefined>()

  constructor(connection: Connection) {
    this.#connection = connection
  }

  of(collection: string, { after, limit, prefix }: ListingOf): Listing | undefined {
    // Nothing lies between a text and the same with a NUL behind it.
    const rows = this.#statementOf(collection)?.all(after === undefined ? prefix : `${after}\0`, limit)
    // Keys come in the order of their bytes, so the first one without the prefix ends those that have it.
    return rows?.at(-1)?.[0].startsWith(prefix) === false ? rows.filter(([key]) => key.startsWith(prefix)) : rows
  }

  #statementOf(collection: string): Statement | undefined {
    if (!this.#statements.has(collection)) this.#statements.set(collection, this.#prepare(collection))
    return this.#statements.get(collection)
  }

  #prepare(collection: string): Statement | undefined {
    const index = listingStatement(dialect, "dgents_state", collection)
    if (index === undefined) return undefined
    const { db } = this.#connection
    if (!this.#connection.hasIndex(index.name)) {
      try {
        db.exec(index.sql)
      } catch {
        // Somebody else is writing, or it is read-only: it takes longer this time.
      }
    }
    return db
      .prepare<[string, number], Listing[number]>(
        `SELECT key, revision, saved_at FROM dgents_state
         WHERE collection = ${dialect.literal(collection)} AND key >= ? ORDER BY key LIMIT ?`
      )
      .raw()
  }
}
