import { Exit, Option } from "effect"
import { historyLength } from "../../Claims.ts"
import type { Entry, NewEntry } from "../../Register.ts"
import * as Revision from "../../Revision.ts"
import { RevisionConflict, StateCorrupt } from "../../StateError.ts"
import type { StoreOptions } from "../SqlDriver.ts"
import type { Connection } from "./connection.ts"
import type { Row, Statements } from "./statements.ts"

/**
 * The rows of one collection. Everything here is synchronous and throws what SQLite throws; what writes is to be called
 * inside a transaction.
 */
export class Collection {
  readonly name: string
  /** How many states of a key are kept, the current one included; at least that one, whatever the option says. */
  readonly keep: number
  readonly #options: StoreOptions
  readonly #statements: Statements
  readonly #file: string

  constructor(connection: Connection, options: StoreOptions) {
    this.name = options.collection
    this.keep = Math.max(1, Math.floor(historyLength(options.history)) || 1)
    this.#options = options
    this.#statements = connection.statements
    this.#file = connection.file
  }

  read(key: string): Option.Option<Entry> {
    const row = this.#statements.read.get(this.name, key)
    return row === undefined ? Option.none() : Option.some(this.#entry(key, row))
  }

  /** Entries below `before`, newest first, the current one included. */
  page(key: string, before: number, limit: number): ReadonlyArray<Entry> {
    const rows = this.#statements.history.all(this.name, key, before, this.name, key, before, limit)
    return rows.map((row) => this.#entry(key, row))
  }

  /** The entry of one revision, if it is kept. */
  at(key: string, revision: Revision.Revision): Option.Option<Entry> {
    const found = this.keep === 1 ? Option.getOrUndefined(this.read(key)) : this.page(key, revision + 1, 1)[0]
    return found?.revision === revision ? Option.some(found) : Option.none()
  }

  /** Keys in the order of their bytes, from `from` on or after `after`. */
  keys(start: { readonly from: string } | { readonly after: string }, limit: number): ReadonlyArray<string> {
    return "from" in start
      ? this.#statements.keysFrom.all(this.name, start.from, limit)
      : this.#statements.keysAfter.all(this.name, start.after, limit)
  }

  put(key: string, next: NewEntry, expected: Revision.Expected): Exit.Exit<Revision.Revision, RevisionConflict> {
    if (expected === "any") return Exit.succeed(this.overwrite(key, next))
    const { insert, revision, update } = this.#statements
    this.#archive(key)
    if (expected === Revision.absent) {
      const first = insert.get(this.name, key, this.name, next.savedAt, next.state)
      if (first !== undefined) return Exit.succeed(Revision.make(first))
    } else if (update.run(next.savedAt, next.state, this.name, key, expected).changes === 1) {
      return Exit.succeed(this.#prune(key, expected + 1))
    }
    // The transaction that this fails in is rolled back, and what was archived with it.
    const actual = Revision.make(revision.get(this.name, key) ?? Revision.absent)
    return Exit.fail(new RevisionConflict({ ...this.#options.where(key), expected, actual }))
  }

  overwrite(key: string, { savedAt, state }: NewEntry): Revision.Revision {
    this.#archive(key)
    const revision = this.#statements.upsert.get(this.name, key, this.name, savedAt, state)
    if (revision === undefined) throw new Error("an upsert answered no revision")
    return this.#prune(key, revision)
  }

  /** Answers the revisions removed, and keeps every key of the collection from starting at or below them again. */
  remove(keys: ReadonlyArray<string>): ReadonlyMap<string, Revision.Revision> {
    const { raiseFloor, remove, removeHistory } = this.#statements
    const removed = new Map<string, Revision.Revision>()
    let highest = 0
    for (const key of keys) {
      const revision = remove.get(this.name, key)
      if (revision === undefined) continue
      removeHistory.run(this.name, key)
      highest = Math.max(highest, revision)
      removed.set(key, Revision.make(revision))
    }
    if (highest > 0) raiseFloor.run(this.name, highest)
    return removed
  }

  #archive(key: string): void {
    if (this.keep > 1) this.#statements.archive.run(this.name, key)
  }

  // "none" neither adds to a history that was kept before nor takes it away.
  #prune(key: string, current: number): Revision.Revision {
    if (this.#options.history !== "none" && this.keep !== Number.POSITIVE_INFINITY)
      this.#statements.prune.run(this.name, key, current - this.keep)
    return Revision.make(current)
  }

  #entry(key: string, [revision, savedAt, state]: Row): Entry {
    if (typeof state === "string") return { state, savedAt, revision: Revision.make(revision) }
    if (state instanceof Uint8Array) {
      const bytes = new Uint8Array(state.buffer, state.byteOffset, state.byteLength)
      return { state: bytes, savedAt, revision: Revision.make(revision) }
    }
    const location = `${this.#file}, revision ${revision}`
    throw new StateCorrupt({ ...this.#options.where(key), location, reason: "the row holds neither text nor bytes" })
  }
}
