/**
 * Everything that an operation on a state can fail with: one closed union. Each message says what happened, where, and
 * what to do next; none holds a state's content or a password.
 */
import { Data } from "effect"
import { placeOf as at } from "./internal/place.ts"
import type { Revision } from "./Revision.ts"

const pathText = (path: ReadonlyArray<PropertyKey>): string =>
  path.length === 0
    ? "the state"
    : `"${path.map((p, i) => (typeof p === "number" ? `[${p}]` : `${i > 0 ? "." : ""}${String(p)}`)).join("")}"`

interface Where {
  /** The name of the agent or family. */
  readonly agent: string
  /** The key inside a family; absent for a single agent. */
  readonly key?: string | undefined
}

/** No state is stored under this agent (or at this revision or time), and it has no `initial`. */
export class StateNotFound extends Data.TaggedError("StateNotFound")<
  Where & { readonly revision?: Revision; readonly time?: Date }
> {
  override get message() {
    if (this.time !== undefined) {
      const time = Number.isNaN(this.time.getTime()) ? "an invalid date" : this.time.toISOString()
      return `No state of ${at(this.agent, this.key)} that was saved at or before ${time} is kept. None was saved by then, or it has left the history; see history and the history claim.`
    }
    return this.revision === undefined
      ? `No state is stored for ${at(this.agent, this.key)}. Save one first, give the agent an \`initial\`, or use loadOption.`
      : `Revision ${this.revision} of ${at(this.agent, this.key)} is not kept. It never existed or has left the history; see history and the history claim.`
  }
}

/** A state (or key) that does not fit its schema or cannot be stored. Nothing was written. */
export class StateInvalid extends Data.TaggedError("StateInvalid")<
  Where & {
    /** Where in the state, outermost first. */
    readonly path: ReadonlyArray<PropertyKey>
    /** What is wrong, without the value. */
    readonly reason: string
  }
> {
  override get message() {
    return `A state for ${at(this.agent, this.key)} was refused: ${pathText(this.path)}: ${this.reason}. Nothing was written; make the value fit the schema.`
  }
}

/** Stored bytes that fail their checksum or do not decode under the schema. They are left as they are. */
export class StateCorrupt extends Data.TaggedError("StateCorrupt")<
  Where & {
    /** Where the bytes are: a file, a row, an offset. */
    readonly location: string
    readonly reason: string
  }
> {
  override get message() {
    return `What is stored for ${at(this.agent, this.key)} in ${this.location} cannot be read: ${this.reason}. It was left as it is: open it with the schema that wrote it, restore a backup, or move it away.`
  }
}

/** What of a state is limited: its encoded size, the length of its longest collection, how deep it is nested. */
export type Measure = "bytes" | "entries" | "levels"

/** A state larger than the agent may hold, on its way in or (where an agent refuses that) out. Nothing was written. */
export class StateTooLarge extends Data.TaggedError("StateTooLarge")<
  Where & {
    /** What was measured. Default: `"bytes"`. */
    readonly measure?: Measure | undefined
    /** How many of them: encoded bytes, entries of the longest collection, or levels. */
    readonly size: number
    /** The most that is allowed. */
    readonly limit: number
    /** The share of the agent's maximum that this fiber may use, above 0 and at most 1. */
    readonly budget: number
  }
> {
  override get message() {
    const { budget, limit, measure = "bytes", size } = this
    const { advice, what } = tooLarge[measure]
    return `A state ${what(size)} is over the limit of ${limit} ${measure} (budget ${budget}) of ${at(this.agent, this.key)}. Nothing was written; ${advice}.`
  }
}

const tooLarge: Readonly<Record<Measure, { readonly what: (size: number) => string; readonly advice: string }>> = {
  bytes: { what: (size) => `of ${size} bytes`, advice: "shorten or summarise the state, or raise maxBytes" },
  entries: {
    what: (size) => `with ${size} entries in one collection`,
    advice: "shorten that collection, or raise maxEntries"
  },
  levels: { what: (size) => `of ${size} nested levels`, advice: "flatten the state, or raise maxLevels" }
}

/** A conditional write found another revision than it expected. Nothing was written. */
export class RevisionConflict extends Data.TaggedError("RevisionConflict")<
  Where & {
    readonly expected: Revision
    /** The revision found; 0 when there is no state. */
    readonly actual: Revision
  }
> {
  override get message() {
    return `${at(this.agent, this.key)} is at revision ${this.actual}, not at the expected ${this.expected}: somebody else wrote. Load again and retry, or use modify, which does so.`
  }
}

/** A reply was lost or the last step failed after the visible one: the write may or may not have happened. */
export class WriteIndeterminate extends Data.TaggedError("WriteIndeterminate")<
  Where & { readonly reason: string; readonly cause?: unknown }
> {
  override get message() {
    return `A write to ${at(this.agent, this.key)} may or may not have happened: ${this.reason}. Load the state to see which before writing again.`
  }
}

/** The backend could not be reached or refused to work. The operation did not happen. */
export class StorageUnavailable extends Data.TaggedError("StorageUnavailable")<
  Where & {
    /** What was being done: `read`, `write`, `open`, ... */
    readonly operation: string
    readonly reason: string
    /** Whether the same call may succeed later without anybody changing something. */
    readonly retryable: boolean
    readonly cause?: unknown
  }
> {
  override get message() {
    return `${at(this.agent, this.key)} could not ${this.operation}: ${this.reason}. ${this.retryable ? "Trying again may help." : "Trying again will not help until this is put right."}`
  }
}

/** The agent was used after its scope had closed. */
export class AgentClosed extends Data.TaggedError("AgentClosed")<Where> {
  override get message() {
    return `${at(this.agent, this.key)} was used after its scope had closed. Keep its scope or layer open as long as the agent is in use.`
  }
}

/** What reading can fail with. */
export type ReadError = StateCorrupt | StateTooLarge | StorageUnavailable | AgentClosed

/** What an unconditional write can fail with. */
export type WriteError = ReadError | StateInvalid | WriteIndeterminate

/** What a conditional write can fail with. */
export type CompareError = WriteError | RevisionConflict

/** The closed union. */
export type StateError = CompareError | StateNotFound

const tags: ReadonlySet<string> = new Set<StateError["_tag"]>([
  "StateNotFound",
  "StateInvalid",
  "StateCorrupt",
  "StateTooLarge",
  "RevisionConflict",
  "WriteIndeterminate",
  "StorageUnavailable",
  "AgentClosed"
])

/** Whether a value is one of the union. */
export const isStateError = (u: unknown): u is StateError =>
  u instanceof Error && "_tag" in u && typeof u._tag === "string" && tags.has(u._tag)
