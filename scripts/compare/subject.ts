import type { Conversation } from "../../bench/states.ts"

/** What a connection answers when it is asked how it commits. */
export interface Settings {
  readonly journal: string
  /** 0 off, 1 normal, 2 full, 3 extra: https://www.sqlite.org/pragma.html#pragma_synchronous */
  readonly synchronous: number
  /** The version of SQLite in the driver. */
  readonly sqlite: string
}

/** A product with a database file open. What answers with a promise is awaited, and anything else has happened. */
export interface Subject {
  readonly save: (key: string, state: Conversation) => unknown
  /** The state as it was saved. */
  readonly load: (key: string) => unknown
  /** Closes the database, and tells how it was set until then. */
  readonly close: () => Promise<Settings>
}

/** Opens a product on a file that is not there yet. */
export type Open = (file: string) => Promise<Subject>
