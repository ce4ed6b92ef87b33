import { ends, floors, type Reached } from "./reached.ts"
import { type RegisterOperation, type RegisterOptions, startOf } from "./register.ts"
import { quote } from "./words.ts"

/** Why revisions and times do not fit together, and the operations that show it, the offending one last. */
export interface RevisionViolation {
  readonly reason: string
  readonly operations: ReadonlyArray<RegisterOperation>
}

/**
 * What is wrong with the revisions of one register, in O(n log n). It finds everything where every operation shows its
 * revision and nothing is deleted or left open; elsewhere what it finds is wrong, and what it passes may be.
 */
export const checkRevisions = (
  operations: ReadonlyArray<RegisterOperation>,
  options: RegisterOptions = {}
): RevisionViolation | undefined => {
  const facts = gather(operations, options)
  for (const operation of operations) {
    const violation = checkAlone(operation, facts)
    if (violation !== undefined) return violation
  }
  return checkOrder(facts)
}

// ---------------------------------------------------------------------------------------------------------------------
// What is known

interface Facts {
  readonly operations: ReadonlyArray<RegisterOperation>
  readonly options: RegisterOptions
  /** The revision before the history. */
  readonly start: number
  /** Who was told first that a revision is its own. */
  readonly told: ReadonlyMap<number, RegisterOperation>
  /** Who saw a revision first, or was told of it. */
  readonly known: ReadonlyMap<number, RegisterOperation>
  /** The revisions known, ascending. */
  readonly ascending: ReadonlyArray<number>
  /** Who read a revision first together with its value. */
  readonly read: ReadonlyMap<number, RegisterOperation>
  /** Who wrote a value, by call. */
  readonly writers: ReadonlyMap<string, ReadonlyArray<RegisterOperation>>
  /** Who failed to write a value, last. */
  readonly failed: ReadonlyMap<string, RegisterOperation>
  /** When the first write began whose revision nobody told, and the first deletion. */
  readonly untoldFrom: number
  readonly deletedFrom: number
}

const gather = (operations: ReadonlyArray<RegisterOperation>, options: RegisterOptions): Facts => {
  const told = new Map<number, RegisterOperation>()
  const known = new Map<number, RegisterOperation>()
  const read = new Map<number, RegisterOperation>()
  const writers = new Map<string, Array<RegisterOperation>>()
  const failed = new Map<string, RegisterOperation>()
  let untoldFrom = Number.POSITIVE_INFINITY
  let deletedFrom = Number.POSITIVE_INFINITY
  const first = (map: Map<number, RegisterOperation>, revision: number, operation: RegisterOperation) => {
    if (!map.has(revision)) map.set(revision, operation)
  }
  for (const operation of operations) {
    const { call, seen, wrote } = operation
    const isOpen = operation.return === undefined
    if (operation.failed !== undefined) failed.set(operation.failed, operation)
    if (wrote?.revision !== undefined) {
      first(told, wrote.revision, operation)
      first(known, wrote.revision, operation)
    } else if (wrote?.value === null) deletedFrom = Math.min(deletedFrom, call)
    else if (wrote !== undefined) untoldFrom = Math.min(untoldFrom, call)
    if (wrote?.value != null) {
      const same = writers.get(wrote.value)
      if (same === undefined) writers.set(wrote.value, [operation])
      else same.push(operation)
    }
    if (seen?.revision !== undefined && seen.revision !== 0 && !isOpen) {
      first(known, seen.revision, operation)
      if (seen.value != null) first(read, seen.revision, operation)
    }
  }
  const ascending = [...known.keys()].sort((a, b) => a - b)
  const start = startOf(options).revision
  return { operations, options, start, told, known, ascending, read, writers, failed, untoldFrom, deletedFrom }
}

/** The largest known revision below one. */
const below = ({ ascending }: Facts, revision: number): number | undefined => {
  let [low, high] = [0, ascending.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((ascending[middle] ?? 0) < revision) low = middle + 1
    else high = middle
  }
  return ascending[low - 1]
}

// ---------------------------------------------------------------------------------------------------------------------
// Whatever the times: does an answer fit what the others were told?

const checkAlone = (operation: RegisterOperation, facts: Facts): RevisionViolation | undefined => {
  const { seen, wrote } = operation
  if (operation.return === undefined) return undefined
  if (seen?.unlike !== undefined && seen.unlike === seen.revision)
    return {
      reason: `${operation.client} was refused though it found revision ${seen.revision}, the very one that it expected`,
      operations: [operation]
    }
  return (
    (wrote?.revision === undefined ? undefined : checkWrite(operation, wrote.revision, facts)) ??
    (seen?.revision === undefined || seen.revision === 0
      ? undefined
      : checkSeenRevision(operation, seen.revision, facts)) ??
    (seen?.value == null || seen.revision !== undefined ? undefined : checkSeenValue(operation, seen.value, facts))
  )
}

const checkWrite = (operation: RegisterOperation, revision: number, facts: Facts): RevisionViolation | undefined => {
  const { client, seen } = operation
  const expected = seen?.revision
  const first = facts.told.get(revision)
  if (first !== undefined && first !== operation)
    return {
      reason: `${first.client} and ${client} were both told that revision ${revision} is theirs`,
      operations: [first, operation]
    }
  if (revision <= facts.start)
    return {
      reason: `${client} was told of revision ${revision} though the state began at ${facts.start}`,
      operations: [operation]
    }
  if (expected === undefined) return undefined
  if (revision <= expected)
    return {
      reason: `${client} replaced revision ${expected} by revision ${revision}, which is not above it`,
      operations: [operation]
    }
  // After a deletion the revisions that were deleted lie between "nothing" and the new one.
  if (expected === 0 && (facts.deletedFrom <= (operation.return ?? 0) || facts.start > 0)) return undefined
  const between = below(facts, revision)
  const by = between === undefined ? undefined : facts.known.get(between)
  if (between === undefined || by === undefined || between <= expected) return undefined
  const replaced = expected === 0 ? "nothing" : `revision ${expected}`
  return {
    reason:
      by.wrote?.revision === between && by.seen?.revision === expected
        ? `${by.client} and ${client} both replaced ${replaced}, by revision ${between} and by ${revision}: one of the two is lost`
        : `${client} replaced ${replaced} by revision ${revision}, though revision ${between} came in between`,
    operations: [by, operation]
  }
}

const checkSeenRevision = (
  operation: RegisterOperation,
  revision: number,
  facts: Facts
): RevisionViolation | undefined => {
  const { client, seen } = operation
  const before = facts.options.before
  const writer = facts.told.get(revision)
  const value = seen?.value
  if (before !== undefined && before.value !== null && revision === before.revision)
    return value === undefined || value === before.value
      ? undefined
      : {
          reason: `${client} read ${quote(value)} as revision ${revision}, which was ${before.value} before`,
          operations: [operation]
        }
  if (writer !== undefined) {
    if (value === undefined || value === writer.wrote?.value) return undefined
    return {
      reason: `${client} read ${quote(value)} as revision ${revision}, under which ${writer.client} wrote ${quote(writer.wrote?.value)}`,
      operations: [writer, operation]
    }
  }
  const reader = facts.read.get(revision)
  if (value !== undefined && reader !== undefined && reader.seen?.value !== value)
    return {
      reason: `${reader.client} and ${client} read different values as revision ${revision}: ${quote(reader.seen?.value)} and ${quote(value)}`,
      operations: [reader, operation]
    }
  const until = operation.return ?? Number.POSITIVE_INFINITY
  const could =
    value == null
      ? facts.untoldFrom <= until
      : (facts.writers.get(value) ?? []).some(
          (by) => by !== operation && by.wrote?.revision === undefined && by.call <= until
        )
  if (could) return undefined
  if (value != null) return unwritten(operation, `${value} as revision ${revision}`, value, facts)
  return {
    reason: `${client} ${seen?.unlike === undefined ? "replaced" : "was refused because of"} revision ${revision}, which nobody wrote`,
    operations: [operation]
  }
}

const checkSeenValue = (operation: RegisterOperation, value: string, facts: Facts): RevisionViolation | undefined => {
  const { before, initial } = facts.options
  if (value === initial || value === before?.value) return undefined
  const until = operation.return ?? Number.POSITIVE_INFINITY
  if ((facts.writers.get(value) ?? []).some((by) => by !== operation && by.call <= until)) return undefined
  return unwritten(operation, value, value, facts)
}

const unwritten = (operation: RegisterOperation, what: string, value: string, facts: Facts): RevisionViolation => {
  const failed = facts.failed.get(value)
  const error = failed?.source.answer.kind === "refused" ? failed.source.answer.error : ""
  return failed === undefined || failed.call > (operation.return ?? 0)
    ? { reason: `${operation.client} read ${what}, which nobody had begun to write`, operations: [operation] }
    : {
        reason: `${operation.client} read ${what}, but the ${failed.source.action.kind} of ${failed.client} that would have written it failed with ${error}, which says that it did not happen`,
        operations: [failed, operation]
      }
}

// ---------------------------------------------------------------------------------------------------------------------
// Against the times: what returned before an operation was called was there before it

const checkOrder = (facts: Facts): RevisionViolation | undefined => {
  const sorted = ends(facts.operations)
  const { before } = floors(sorted, facts.start)
  for (const { isReturn, operation } of sorted) {
    const violation = isReturn ? checkAgainst(operation, before(operation), facts) : undefined
    if (violation !== undefined) return violation
  }
  return undefined
}

const checkAgainst = (operation: RegisterOperation, floor: Reached, facts: Facts): RevisionViolation | undefined => {
  const { client, seen, wrote } = operation
  const violation = (what: string): RevisionViolation => ({
    reason: `${client} ${what} after ${because(floor)}`,
    operations: [...floor.by, operation]
  })
  if (seen?.revision !== undefined && seen.revision !== 0 && seen.revision < floor.revision)
    return violation(
      wrote !== undefined
        ? `replaced revision ${seen.revision}`
        : seen.unlike !== undefined
          ? `was refused because it found revision ${seen.revision}`
          : `read revision ${seen.revision}`
    )
  if (wrote?.revision !== undefined && wrote.revision <= floor.revision)
    return violation(`was given revision ${wrote.revision}`)
  const until = operation.return ?? Number.POSITIVE_INFINITY
  if (facts.deletedFrom <= until || floor.revision === 0) return undefined
  const isNothing = seen?.revision === 0 || seen?.value === null
  if (isNothing) return violation(wrote === undefined ? "found nothing" : "replaced nothing")
  const { before, initial } = facts.options
  const value = seen?.value
  if (value == null || seen?.revision !== undefined || value === before?.value) return undefined
  const writers = (facts.writers.get(value) ?? []).filter((by) => by !== operation && by.call <= until)
  const last = Math.max(0, ...writers.map((by) => by.wrote?.revision ?? Number.POSITIVE_INFINITY))
  if (last >= floor.revision || (writers.length === 0 && value !== initial)) return undefined
  const what = writers.length === 0 ? "what an agent without a state loads" : `last written as revision ${last}`
  return violation(`read ${value}, ${what},`)
}

const because = ({ atLeast, by, revision }: Reached): string => {
  const last = by.at(-1)
  if (last === undefined) return `revision ${revision} had been there from the beginning`
  if (!atLeast) return `${last.client} ${hadRevision(last)}`
  const first = by.length > 1 ? by[0] : undefined
  const since = first === undefined ? "" : `, which began after ${first.client} ${hadRevision(first)}`
  return `the ${last.source.action.kind} of ${last.client} had returned${since}: revision ${revision} or a later one was there`
}

const hadRevision = ({ seen, wrote, source: { action } }: RegisterOperation): string => {
  if (wrote?.revision !== undefined) return `had been told of revision ${wrote.revision}`
  if (wrote !== undefined) return `had done its ${action.kind}`
  if (seen?.unlike !== undefined) return `had been refused because it found revision ${seen.revision}`
  return `had read revision ${seen?.revision}`
}
