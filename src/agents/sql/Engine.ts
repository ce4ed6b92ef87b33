/**
 * What a database has to do so that `SqlAgent` runs on it: rows in, rows out. Schemas, retries, paging, histories of
 * deltas, change feeds and errors that name the agent are added once, above it (`store.ts`).
 */
import type { Effect, Scope } from "effect"
import type { Payload } from "../../schema/Codec.ts"
import type { Claims } from "../Claims.ts"
import type { Conflict, Current, Failure } from "../internal/backend.ts"
import type { Listing, ListingOf } from "../internal/listing.ts"
import type { Index } from "../query/indexes.ts"
import type { Dialect, Source } from "../query/sql.ts"
import type { Entry } from "../Register.ts"
import type { Log } from "../stream/Log.ts"
import type { Connection } from "./postgres/connection.ts"

export type { Conflict, Current, Failure } from "../internal/backend.ts"

/** Which state: collections and keys are data, to be bound and never pasted into SQL. Any well-formed strings. */
export interface Id {
  readonly collection: string
  readonly key: string
}

/** A state of a history: in full, or as the JSON Patch that makes it from the one after it. */
export interface Past extends Entry {
  readonly isPatch: boolean
}

/** Which superseded states stay when a state is written. */
export interface Keep {
  /** How many states, the current one included. 1: the history is left alone. `Infinity`: all. */
  readonly count: number
  /** Superseded states saved before this time, in milliseconds since the epoch, go. `-Infinity`: none for its age. */
  readonly from: number
}

/** A state to be stored in one step with its history. */
export interface Put extends Id {
  readonly _tag: "Put"
  readonly state: Payload
  readonly savedAt: number
  /** The revision that has to be current; 0: no state; `"any"` always fits. */
  readonly expected: number | "any"
  readonly keep: Keep
  /**
   * What goes into the history in place of the superseded state, if that has the revision `base`: the JSON Patch that makes
   * it from this one. The superseded state itself if it has another revision.
   */
  readonly patch: { readonly base: number; readonly text: string } | undefined
}

/** A state to be removed with its history. Its revision is not used again in the collection. */
export interface Remove extends Id {
  readonly _tag: "Remove"
}

/** A state that has to have this revision, 0 for no state, when the rest of the write is done. It is not written itself. */
export interface Expect extends Id {
  readonly _tag: "Expect"
  readonly expected: number
}

/**
 * What happens in one step: all of it, or none where a revision is not the one expected. No key is in it twice, except in
 * this order: expected, removed, put (which expects `"any"` then).
 */
export type Write = ReadonlyArray<Put | Remove | Expect>

/**
 * The revisions written, removed or expected, in the order of the write; 0 where there was nothing to remove, or where
 * nothing was expected.
 */
export type Written = ReadonlyArray<number>

/** A statement with its parameters. */
export interface Statement {
  readonly sql: string
  readonly params: ReadonlyArray<string | number | bigint | null | Uint8Array>
}

/** Where a page of keys begins: with the first one not below `from`, or the first one above `after`. */
export type KeysFrom = { readonly from: string } | { readonly after: string }

/** Events in a database: what `Log` says of them, which is about streams, apart from the states. */
export type EventLog = Omit<Log, "name" | "claims" | "ping">

/** A statement on PostgreSQL, with what is bound to its placeholders; arrays as one parameter each. */
export type PostgresQuery = Connection["query"]

/** A database that is open. Every operation fails with `Closed` after the scope of the driver. */
export interface Engine {
  /** Names the kind of database in errors and spans: `"sqlite"`. */
  readonly name: string
  /** What holds for every state of this database; the history is up to each agent. */
  readonly claims: Omit<Claims, "history">
  /** How queries are written for it. Without it they are evaluated here, over every state. */
  readonly dialect?: Dialect | undefined
  /**
   * The rows of a collection that queries are about: its current states, or with `keep` what of its history is within that.
   * Comes with a dialect.
   */
  readonly source?: ((collection: string, keep: Keep | undefined) => Source) | undefined
  /** Makes an index on the current states of a collection, if it is not there. Comes with a dialect; see `indexStatement`. */
  readonly index?: ((collection: string, index: Index) => Effect.Effect<void, Failure>) | undefined
  /** What `Store` says of a listing. */
  readonly listing?: ((collection: string, which: ListingOf) => Effect.Effect<Listing | undefined, Failure>) | undefined
  /** The current state. */
  readonly read: (id: Id) => Effect.Effect<Current | undefined, Failure>
  /** The same, where it is there at once: an effect that is done already, mostly. */
  readonly readNow?: ((id: Id) => Effect.Effect<Current | undefined, Failure>) | undefined
  /** The current states of many keys as of one moment; those that are missing are left out. */
  readonly readMany: (
    collection: string,
    keys: ReadonlyArray<string>
  ) => Effect.Effect<ReadonlyMap<string, Current>, Failure>
  /** States with a revision below `before`, newest first, the current one included, at most `limit`; one moment. */
  readonly history: (id: Id, before: number, limit: number) => Effect.Effect<ReadonlyArray<Past>, Failure>
  /** The newest revision saved at or before a time, in milliseconds since the epoch; 0 for none. Looks up, never scans. */
  readonly revisionAt: (id: Id, time: number) => Effect.Effect<number, Failure>
  /** A revision that no removed state of the collection was above; 0 at first. */
  readonly floor: (collection: string) => Effect.Effect<number, Failure>
  /** Keys that have a state, in the order of their UTF-8 bytes, at most `limit`. */
  readonly keys: (collection: string, start: KeysFrom, limit: number) => Effect.Effect<ReadonlyArray<string>, Failure>
  /**
   * Stores, in one atomic step, as durable as claimed when it succeeds. Writes that come together share a commit, and each
   * is answered for itself. Uninterruptible once begun; answers come in the order of the commits.
   */
  readonly write: (write: Write) => Effect.Effect<Written, Failure | Conflict>
  /** The same as `begin` of a register is to its `write`. */
  readonly begin?:
    | ((write: Write, answer: (written: Effect.Effect<Written, Failure | Conflict>) => void) => boolean)
    | undefined
  /** Runs a statement that reads, in one snapshot. Rows as objects, columns by name. */
  readonly query: (statement: Statement) => Effect.Effect<ReadonlyArray<Readonly<Record<string, unknown>>>, Failure>
  /**
   * Statements on one session of PostgreSQL, where the database is one, for what is neither a state nor an event. They are run again
   * when their connection breaks, so they have to be such that this does no harm. At most `millis` in all; default: the driver's limit.
   */
  readonly postgres?:
    | (<A>(statements: (query: PostgresQuery) => Promise<A>, millis?: number) => Effect.Effect<A, Failure>)
    | undefined
  /** The events of this database, for `StreamAgent`. Without it the database keeps states alone. */
  readonly log?: EventLog | undefined
  /**
   * Until the scope closes, tells when others may have committed to a collection: which keys, or `"all"` when it cannot be
   * told. Never misses one that is still to be seen, and may tell of commits made here as well.
   */
  readonly watch: (
    collection: string,
    notice: (keys: ReadonlyArray<string> | "all") => void
  ) => Effect.Effect<void, Failure, Scope.Scope>
  /** A round trip that changes nothing. */
  readonly ping: Effect.Effect<void, Failure>
}
