/** What is done to events within a transaction. Free of Effect: it runs in the worker too. */
import type { Append, Id } from "../../stream/Log.ts"
import type { Conflict, Write } from "../Engine.ts"
import type { LogStatements } from "./logStatements.ts"

/** Events to be appended. Written are the first position, the last one, and 1 if they were there before. */
export interface AppendStep extends Append {
  readonly _tag: "Append"
}

/** Events to be removed, `count` of them: those up to a position that is in the stream. */
export interface CompactStep extends Id {
  readonly _tag: "Compact"
  readonly upTo: number
  readonly count: number
}

/** What is done in one step of a group, all or none of it: to states, or to events. */
export type Work = Write | AppendStep | CompactStep

/** Whether it is done to states. */
export const isWrite = (work: Work): work is Write => Array.isArray(work)

/** How many rows are written, more or less. */
export const rowsOf = (work: Work): number =>
  isWrite(work) ? work.length : work._tag === "Append" ? work.events.length : work.count

/** How many bytes are written, more or less. */
export const sizeOf = (work: Work): number => {
  let bytes = 0
  if (isWrite(work)) {
    for (const step of work) if (step._tag === "Put") bytes += step.state.length
  } else if (work._tag === "Append") for (const { data } of work.events) bytes += data.length
  return bytes
}

/** Does it. */
export const change = (statements: LogStatements, step: AppendStep | CompactStep): ReadonlyArray<number> | Conflict =>
  step._tag === "Append" ? append(statements, step) : compact(statements, step)

const append = (
  statements: LogStatements,
  { at, collection, events, expected, id, key }: AppendStep
): ReadonlyArray<number> | Conflict => {
  const head = statements.head.get(collection, key)
  const known = head === undefined || id === undefined ? undefined : statements.known.get(head[0], id)
  if (known !== undefined) return [...known, 1]
  const before = head?.[1] ?? 0
  if (expected !== "any" && expected !== before) return { _tag: "Conflict", actual: before }
  const first = before + 1
  const last = before + events.length
  if (last < first) return [first, last, 0]
  const stream = head?.[0] ?? statements.begin.get(collection, key) ?? 0
  const time = Math.max(at, head?.[3] ?? at)
  let position = before
  for (const { data, type } of events) {
    position++
    // The last one carries the id: as long as any of them is kept, it is.
    const isNamed = id !== undefined && position === last
    statements.insert.run(stream, position, time, type, data, isNamed ? id : null, isNamed ? first : null)
  }
  statements.advance.run(last, time, stream)
  return [first, last, 0]
}

const compact = (statements: LogStatements, { collection, key, upTo }: CompactStep): ReadonlyArray<number> => {
  const head = statements.head.get(collection, key)
  if (head === undefined || upTo <= head[2]) return []
  statements.forget.run(head[0], upTo)
  statements.compacted.run(upTo, head[0])
  return []
}
