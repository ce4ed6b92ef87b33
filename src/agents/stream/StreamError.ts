/**
 * What a stream can fail with besides the `StateError` union. Messages name the place and the next step, never what an event holds.
 */
import { Data } from "effect"
import { placeOf } from "../internal/place.ts"
import type { CompareError, ReadError, StateNotFound, WriteError } from "../StateError.ts"

interface Where {
  /** The name of the stream or the family. */
  readonly agent: string
  /** The key inside a family; absent for a single stream. */
  readonly key?: string | undefined
}

/** An append expected the stream to end at another position. Nothing was appended. */
export class PositionConflict extends Data.TaggedError("PositionConflict")<
  Where & {
    readonly expected: number
    /** The position of the last event; 0 when there is none. */
    readonly actual: number
  }
> {
  override get message() {
    return `The last event of ${placeOf(this.agent, this.key)} is at position ${this.actual}, not at the expected ${this.expected}: somebody else appended. Load again and retry, or use decide, which does so.`
  }
}

/** An event of a type, or of a version of it, that neither the schema nor an upcaster knows. */
export class EventUnknown extends Data.TaggedError("EventUnknown")<
  Where & {
    readonly position: number
    /** As it is stored: `"Deposited"`, or `"Deposited@3"` for its third version. */
    readonly type: string
  }
> {
  override get message() {
    return `The event at position ${this.position} of ${placeOf(this.agent, this.key)} has the type ${JSON.stringify(this.type)}, which the schema does not know. A newer program may have written it: use that one, add the type to the schema, or give an upcaster for it.`
  }
}

/** A fold threw, or gave a state that does not fit its schema. The state is as before; the event stays where it is. */
export class FoldFailed extends Data.TaggedError("FoldFailed")<
  Where & {
    /** The name of the projection; absent for the stream's own fold. */
    readonly projection?: string | undefined
    /** The event that it failed at, or the last one that is in the state. */
    readonly position: number
    /** The type of that event as it is stored, where it is known. */
    readonly type?: string | undefined
    readonly reason: string
    /** What it threw. */
    readonly cause?: unknown
  }
> {
  override get message() {
    const fold = this.projection === undefined ? "The fold" : `The fold of the projection "${this.projection}"`
    const type = this.type === undefined ? "" : `, at an event of the type ${JSON.stringify(this.type)}`
    return `${fold} over ${placeOf(this.agent, this.key)} failed at position ${this.position}${type}: ${this.reason}. A fold has to take every event there is, and must not change the state that it is given: mend it, and load again.`
  }
}

/** Events that are needed were removed by a compaction, and no snapshot stands in for them. */
export class EventsCompacted extends Data.TaggedError("EventsCompacted")<
  Where & {
    readonly projection?: string | undefined
    /** The first position that was asked for. */
    readonly wanted: number
    /** Events up to this position are gone. */
    readonly compacted: number
  }
> {
  override get message() {
    const who = this.projection === undefined ? "" : ` for the projection "${this.projection}"`
    return `The events of ${placeOf(this.agent, this.key)} up to position ${this.compacted} were compacted, and position ${this.wanted} cannot be reached${who}: no snapshot of this fold, version and schema reaches that far. Ask from position ${this.compacted + 1} on, or open it with the snapshots, and the version, that it was compacted with.`
  }
}

/** What reading events can fail with. */
export type EventsError = ReadError | EventUnknown | EventsCompacted

/** What folding them can fail with. */
export type FoldError = EventsError | FoldFailed

/** What looking back can fail with. */
export type TravelError = FoldError | StateNotFound

/** What an append can fail with. */
export type AppendError = WriteError | PositionConflict

/** What deciding can fail with. */
export type DecideError = FoldError | AppendError

/** What a compaction can fail with. */
export type CompactError = FoldError | CompareError

/** Errors that a stream has beside those of states. */
export type StreamError = PositionConflict | EventUnknown | FoldFailed | EventsCompacted
