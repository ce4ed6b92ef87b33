/**
 * What clients did to one or more states, and what they were told: plain data that a checker can judge afterwards, in this
 * process or in another one.
 *
 * ```ts
 * const recorder = History.recorder()
 * const recorded = History.recording(agent, "client 1", recorder)
 * // ... use `recorded` like the agent ...
 * Linearizability.judge(recorder.history())
 * ```
 *
 * Several processes write lines (`toLine`) and one merges them (`fromLines`, `merge`): their clock is the machine's. A
 * call is recorded before the operation begins, so that a process killed in the middle leaves an open operation behind,
 * one that may or may not have happened.
 */
import { Option, Schema } from "effect"
import { fold, unfold } from "./internal/linear/events.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Operations

const Action = Schema.Union([
  Schema.Struct({ kind: Schema.Literals(["load", "current", "delete"]) }),
  Schema.Struct({ kind: Schema.Literal("save"), value: Schema.String }),
  Schema.Struct({
    kind: Schema.Literals(["update", "modify"]),
    ran: Schema.optionalKey(Schema.Struct({ read: Schema.String, wrote: Schema.String }))
  }),
  Schema.Struct({ kind: Schema.Literal("compareAndSave"), value: Schema.String, expected: Schema.Number })
])

/**
 * What was called. Values are fingerprints: equal text, equal state. `ran` is what the function of an update saw last,
 * and what it made of it.
 */
export type Action = typeof Action.Type

const Answer = Schema.Union([
  Schema.Struct({
    kind: Schema.Literal("ok"),
    value: Schema.optionalKey(Schema.NullOr(Schema.String)),
    revision: Schema.optionalKey(Schema.Number)
  }),
  Schema.Struct({
    kind: Schema.Literal("refused"),
    error: Schema.String,
    actual: Schema.optionalKey(Schema.Number)
  }),
  Schema.Struct({ kind: Schema.Literal("open"), error: Schema.optionalKey(Schema.String) })
])

/**
 * What the caller was told. `ok` with the value read (`null`: nothing is stored) and the revision shown; `refused`: it did
 * not happen, because of that error; `open`: it may or may not have happened, or may still.
 */
export type Answer = typeof Answer.Type

/** One operation of one client. */
export interface Operation {
  /** Does one operation at a time. */
  readonly client: string
  /** Which state, in a family; `""` for a single agent. */
  readonly key: string
  /** When it was called, by the clock of the recording. */
  readonly call: number
  /** When it returned; absent when it never did. */
  readonly return?: number | undefined
  readonly action: Action
  readonly answer: Answer
}

/** Operations in the order of their calls. */
export type History = ReadonlyArray<Operation>

// ---------------------------------------------------------------------------------------------------------------------
// Recording

const Event = Schema.Union([
  Schema.Struct({ id: Schema.String, at: Schema.Number, client: Schema.String, key: Schema.String, action: Action }),
  Schema.Struct({
    id: Schema.String,
    at: Schema.Number,
    ran: Schema.Struct({ read: Schema.String, wrote: Schema.String })
  }),
  Schema.Struct({ id: Schema.String, at: Schema.Number, answer: Answer })
])

/** A call, the run of an update's function, or a return. The `id` holds the events of one operation together. */
export type Event = typeof Event.Type

export { monotonic, type Recording, recording } from "./internal/linear/recording.ts"

/** A clock that counts how often it was asked: for a single thread, where it makes a history repeat exactly. */
export const ticks = (): (() => number) => {
  let now = 0
  return () => ++now
}

/** Collects events in memory, for the recordings of one process, by a clock of ticks. */
export const recorder = (): {
  readonly record: (event: Event) => void
  readonly clock: () => number
  readonly history: () => History
} => {
  const events: Array<Event> = []
  return {
    record: (event) => {
      events.push(event)
    },
    clock: ticks(),
    history: () => fromEvents(events)
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Lines

/** A history from its events; a call without a return is open. */
export const fromEvents = (events: Iterable<Event>): History => fold(events)

const Line = Schema.fromJsonString(Event)
const encode = Schema.encodeSync(Line)
const decode = Schema.decodeUnknownOption(Line)

/** One event as one line of JSON. */
export const toLine = (event: Event): string => `${encode(event)}\n`

/** A history as lines of JSON. */
export const toLines = (history: History): string => unfold(history).map(toLine).join("")

/**
 * The history that a process wrote line by line. A last line without its newline was cut short by a kill and is left out.
 *
 * @throws Error when any other line is not an event.
 */
export const fromLines = (text: string): History => {
  const lines = text.split("\n").slice(0, -1)
  return fromEvents(
    lines.map((line, i) =>
      Option.getOrThrowWith(decode(line), () => new Error(`Line ${i + 1} of the history is not an event: ${line}`))
    )
  )
}

/** One history from those of several processes of one machine, whose clients have different names. */
export const merge = (...histories: ReadonlyArray<History>): History => histories.flat().sort((a, b) => a.call - b.call)
