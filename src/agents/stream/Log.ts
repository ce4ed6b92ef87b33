/**
 * What a storage of events has to do so that `StreamAgent` runs on it: text in, text out. Schemas, folds, snapshots,
 * projections and errors that name the agent are added once, above it.
 */
import type { Effect, Scope } from "effect"
import type { Claims } from "../Claims.ts"
import type { Failure } from "../internal/backend.ts"

/** Which stream: collections and keys are data. Any well-formed strings. */
export interface Id {
  readonly collection: string
  readonly key: string
}

/** An event on its way in. */
export interface NewEvent {
  /** Which kind of event, for those who read the log without its schema. */
  readonly type: string
  /** The encoded event: JSON text without line breaks. */
  readonly data: string
}

/** An event of a log. */
export interface Stored extends NewEvent {
  /** 1 for the first event of a stream, then one more each; never used again. */
  readonly position: number
  /** When it was appended, in milliseconds since the epoch; never before the event in front of it. */
  readonly at: number
}

/** Events to be appended in one step, all or none of them. */
export interface Append extends Id {
  /** One at least. */
  readonly events: ReadonlyArray<NewEvent>
  /** The position of the last event that has to be there; 0: none; `"any"` always fits. */
  readonly expected: number | "any"
  /** The clock of who appends. An event is never older than the one in front of it: then it gets that one's time. */
  readonly at: number
  /**
   * Names the append: one with an id that the stream knows appends nothing and answers the positions of the first time, whatever it
   * expects. Known are at least the ids of events that are still kept.
   */
  readonly id: string | undefined
}

/** Where the events of an append are. */
export interface Appended {
  readonly first: number
  readonly last: number
  /** Nothing was appended now: an append of this id was done before. */
  readonly wasKnown: boolean
}

/** An append that found another position than it expected. Nothing was appended. */
export interface Conflict {
  readonly _tag: "Conflict"
  /** The position of the last event; 0 when there is none. */
  readonly actual: number
}

/** Which events a stream has: those above `compacted` up to `last`. */
export interface Bounds {
  /** Events up to this position are gone; 0: none are. */
  readonly compacted: number
  /** The position of the last event there ever was; 0: none. */
  readonly last: number
}

/** How many bytes the data of a page may have before `read` may end it, so that pages of large events fit in memory: 1 MiB. */
export const pageBytes = 1_048_576

/** A part of a stream. */
export interface Part {
  /** Only events above this position. */
  readonly after: number
  /** At most so many events. */
  readonly limit: number
}

/** A storage that is open. Every operation fails with `Closed` after its scope. */
export interface Log {
  /** Names the kind of storage in errors and spans: `"file"`. */
  readonly name: string
  readonly claims: Omit<Claims, "history">
  /**
   * Appends in one atomic step, as durable as claimed when it succeeds. Appends that come together share a commit, and each is
   * answered for itself, in the order of the positions. Uninterruptible once begun.
   */
  readonly append: (append: Append) => Effect.Effect<Appended, Failure | Conflict>
  /**
   * Events oldest first, without a gap, from the first one kept above `after`; fewer than the limit only when there are no more of
   * them, or when those of the page have `pageBytes` or more together.
   */
  readonly read: (id: Id, part: Part) => Effect.Effect<ReadonlyArray<Stored>, Failure>
  readonly bounds: (id: Id) => Effect.Effect<Bounds, Failure>
  /**
   * The position of the last event appended at or before a time, in milliseconds since the epoch; looks up. Where no such event is
   * kept: 0, or any position up to the last one compacted.
   */
  readonly positionAt: (id: Id, time: number) => Effect.Effect<number, Failure>
  /** Removes the events up to a position, and nothing behind it; positions stay as they are. All of them at most. */
  readonly compact: (id: Id, upTo: number) => Effect.Effect<void, Failure>
  /** Keys of streams that ever had an event, in the order of their UTF-8 bytes, above `after` if given, at most `limit`. */
  readonly keys: (
    collection: string,
    options: { readonly prefix: string; readonly after: string | undefined; readonly limit: number }
  ) => Effect.Effect<ReadonlyArray<string>, Failure>
  /**
   * Until the scope closes, tells when a stream may have new events, whoever appended them. Never misses one that is still to be
   * read, and may tell too often.
   */
  readonly watch: (id: Id, notice: () => void) => Effect.Effect<void, Failure, Scope.Scope>
  /** A round trip that changes nothing. */
  readonly ping: Effect.Effect<void, Failure>
}
