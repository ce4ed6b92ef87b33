import { ends, floors } from "./reached.ts"
import type { RegisterOperation, RegisterOptions } from "./register.ts"

/**
 * Which writes nobody can have seen, in whatever order: without them the operations that remain can have answered as they
 * did. Where a history is wrong, and an answer fits no write by its time, those that fit by their values or by
 * their revisions count as seen: whoever reads the history looks for them.
 */
export const unseen = (
  history: ReadonlyArray<RegisterOperation>,
  { before, initial }: RegisterOptions
): ((operation: RegisterOperation) => boolean) => {
  const revisions = new Set(history.flatMap(({ wrote }) => wrote?.revision ?? []))
  const writes = history.filter(({ wrote }) => wrote !== undefined)
  const inRange = ranges(history, before?.revision ?? 0)
  const replaced = replacements(writes)
  const seenWrites = new Set<RegisterOperation>()
  for (const reader of history) {
    if (reader.seen === undefined) continue
    const fitting = writes.filter((writer) => writer !== reader && fits(reader, writer, revisions, initial))
    const inTime = fitting.filter(
      (writer) => writer.call <= (reader.return ?? Number.POSITIVE_INFINITY) && reader.call <= replaced(writer)
    )
    const plausible = inTime.filter((writer) => inRange(writer, reader.seen?.revision))
    const told = writes.filter(({ wrote }) => wrote?.revision !== undefined && wrote.revision === reader.seen?.revision)
    for (const writer of [plausible, inTime, fitting, told].find(({ length }) => length > 0) ?? [])
      seenWrites.add(writer)
  }
  return (operation) => !seenWrites.has(operation)
}

/** Whether what was seen is what was written, as far as value and revision go. */
const fits = (
  { seen }: RegisterOperation,
  { wrote }: RegisterOperation,
  told: ReadonlySet<number>,
  initial: string | undefined
): boolean => {
  if (seen === undefined || wrote === undefined) return false
  const { revision, value } = seen
  if (wrote.value === null) return value === null || revision === 0 || (value !== undefined && value === initial)
  if (value !== undefined && value !== wrote.value) return false
  if (revision === undefined) return value !== undefined
  return wrote.revision === undefined ? revision !== 0 && !told.has(revision) : revision === wrote.revision
}

/** When another write had certainly replaced one: the first return of those that began after it had returned. */
const replacements = (writes: ReadonlyArray<RegisterOperation>) => {
  const latestFirst = [...writes].sort((a, b) => b.call - a.call)
  const returns: Array<number> = []
  let first = Number.POSITIVE_INFINITY
  for (const write of latestFirst) {
    first = Math.min(first, write.return ?? Number.POSITIVE_INFINITY)
    returns.push(first)
  }
  return ({ return: returned }: RegisterOperation): number => {
    if (returned === undefined) return Number.POSITIVE_INFINITY
    // How many writes began after it.
    let [low, high] = [0, latestFirst.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((latestFirst[middle]?.call ?? 0) > returned) low = middle + 1
      else high = middle
    }
    return returns[low - 1] ?? Number.POSITIVE_INFINITY
  }
}

/**
 * Whether a write that was not told its revision can have this one: above what was there before it, and not above what was
 * there after it.
 */
const ranges = (history: ReadonlyArray<RegisterOperation>, start: number) => {
  const sorted = ends(history)
  const { before } = floors(sorted, start)
  const ceilings = new Map<RegisterOperation, number>()
  let ceiling = Number.POSITIVE_INFINITY
  for (const { isReturn, operation } of [...sorted].reverse()) {
    const { return: returned, seen, wrote } = operation
    if (isReturn) ceilings.set(operation, ceiling)
    // What an open operation expected was perhaps never there.
    else if (returned !== undefined)
      ceiling = Math.min(
        ceiling,
        seen?.revision === undefined || seen.revision === 0 ? ceiling : seen.revision,
        wrote?.revision === undefined ? ceiling : wrote.revision - 1
      )
  }
  return (operation: RegisterOperation, revision: number | undefined): boolean =>
    revision === undefined ||
    revision === 0 ||
    operation.wrote?.revision !== undefined ||
    (before(operation).revision < revision && revision <= (ceilings.get(operation) ?? Number.POSITIVE_INFINITY))
}
