/** Many writes in one transaction, each answered for itself. Free of Effect: it runs in the worker too. */
import type { Conflict, Failure, Put, Remove, Write, Written } from "../Engine.ts"
import type { Connection } from "./connection.ts"
import { CommitFailed, isBusy, mayBeOfCommit, mayHaveHappened, writeFailure } from "./errors.ts"
import { change, isWrite, type Work } from "./logSteps.ts"

/** A bug, to be thrown where the write was asked for. */
export interface Defect {
  readonly _tag: "Defect"
  readonly error: unknown
}

/** What became of a write. */
export type Outcome = Written | Conflict | Failure | Defect

/** Commits one write; `"busy"` when another connection has the lock, and nothing was done. */
export const commitOne = (connection: Connection, write: Work): Outcome | "busy" => {
  try {
    const replaced = replaceAlone(connection, write)
    return replaced === undefined ? committed(connection, write) : [replaced]
  } catch (error) {
    return isBusy(error) ? "busy" : failed(connection, error)
  }
}

/** Commits writes in their order; `"busy"` when another connection has the lock, and nothing was done. */
export const commit = (connection: Connection, writes: ReadonlyArray<Work>): ReadonlyArray<Outcome> | "busy" => {
  const [first] = writes
  if (first !== undefined && writes.length === 1) {
    const outcome = commitOne(connection, first)
    return outcome === "busy" ? outcome : [outcome]
  }
  try {
    return together(connection, writes, (write) => apply(connection, write))
  } catch (error) {
    if (isBusy(error)) return "busy"
    if (mayHaveHappened(error)) return writes.map(() => failed(connection, error))
  }
  // One of them is at fault. It is found out which by undoing it alone.
  try {
    return together(connection, writes, (write) => isolated(connection, write))
  } catch (error) {
    if (isBusy(error)) return "busy"
    if (mayHaveHappened(error)) return writes.map(() => failed(connection, error))
  }
  // Together they do not fit at all, or SQLite gave the whole transaction up.
  return writes.map((write) => alone(connection, write))
}

const together = (
  connection: Connection,
  writes: ReadonlyArray<Work>,
  step: (write: Work) => Outcome
): ReadonlyArray<Outcome> => connection.transaction(() => writes.map(step), hasWritten)

/**
 * Replaces one state by one statement, which is a transaction of its own: BEGIN and COMMIT beside it take a twentieth of a save. Answers its
 * revision; `undefined` where it takes more, and nothing was done.
 */
const replaceAlone = (connection: Connection, write: Work): number | undefined => {
  if (!isWrite(write) || write.length > 1) return undefined
  const step = write[0]
  if (step?._tag !== "Put" || step.keep.count > 1) return undefined
  const { collection, expected, key } = step
  const current = expected === "any" ? connection.known.get(collection, key) : expected
  if (current === undefined || current === 0) return undefined
  try {
    return replace(connection, step, current)
  } catch (error) {
    throw mayBeOfCommit(error) ? new CommitFailed(error) : error
  }
}

const hasWritten = (outcomes: ReadonlyArray<Outcome>): boolean => outcomes.some(isWritten)

/** Whether a write was done. */
export const isWritten = (outcome: Outcome): outcome is Written => Array.isArray(outcome)

const isolated = (connection: Connection, write: Work): Outcome => {
  try {
    return connection.part(() => apply(connection, write))
  } catch (error) {
    if (!connection.db.inTransaction) throw error
    return failed(connection, error)
  }
}

const committed = (connection: Connection, write: Work): Outcome =>
  together(connection, [write], (write) => apply(connection, write))[0] ?? []

const alone = (connection: Connection, write: Work): Outcome => {
  try {
    return committed(connection, write)
  } catch (error) {
    return failed(connection, error)
  }
}

const failed = (connection: Connection, error: unknown): Failure | Defect => {
  try {
    return writeFailure(error, connection.file)
  } catch {
    return { _tag: "Defect", error }
  }
}

const apply = (connection: Connection, write: Work): Written | Conflict => {
  if (!isWrite(write)) return change(connection.statements.log, write)
  const conflict = conflictIn(connection, write)
  if (conflict !== undefined) return conflict
  const revisions: Array<number> = []
  for (const step of write) {
    const written =
      step._tag === "Put" ? put(connection, step) : step._tag === "Remove" ? remove(connection, step) : step.expected
    // It is alone: the expectations of several have been looked at before the first of them was done.
    if (typeof written !== "number") return written
    revisions.push(written)
  }
  return revisions
}

/** The first of several expectations that is not met. The lock is held: what is met stays so. */
const conflictIn = ({ statements }: Connection, write: Write): Conflict | undefined => {
  if (write.length === 1 && write[0]?._tag === "Put") return undefined
  for (const [part, step] of write.entries()) {
    if (step._tag === "Remove" || step.expected === "any") continue
    const actual = statements.revision.get(step.collection, step.key) ?? 0
    if (actual !== step.expected) return { _tag: "Conflict", actual, part }
  }
  return undefined
}

const put = (connection: Connection, step: Put): number | Conflict => {
  const { statements } = connection
  const { collection, expected, keep, key, patch } = step
  const isKept = keep.count > 1
  // Where nothing goes into the history first, it is the UPDATE itself that compares.
  if (expected === 0 || (isKept && expected !== "any")) {
    const actual = statements.revision.get(collection, key) ?? 0
    if (actual !== expected) return { _tag: "Conflict", actual }
  }
  if (expected === 0) return insert(connection, step)
  if (isKept) {
    const isPatched =
      patch !== undefined && statements.archivePatch.run(patch.text, collection, key, patch.base).changes > 0
    if (!isPatched) statements.archive.run(collection, key)
  }
  const revision = expected === "any" ? replaceAny(connection, step) : replace(connection, step, expected)
  if (revision === undefined) return { _tag: "Conflict", actual: statements.revision.get(collection, key) ?? 0 }
  if (isKept) {
    if (keep.count !== Number.POSITIVE_INFINITY) statements.pruneCount.run(collection, key, revision - keep.count)
    if (keep.from !== Number.NEGATIVE_INFINITY) statements.pruneAge.run(collection, key, collection, key, keep.from)
  }
  return revision
}

/** Replaces the current state if it has this revision. */
const replace = (
  { known, statements }: Connection,
  { collection, key, savedAt, state }: Put,
  revision: number
): number | undefined => {
  if (statements.updateFrom.run(savedAt, state, collection, key, revision).changes === 0) return undefined
  known.set(collection, key, revision + 1)
  return revision + 1
}

/** Replaces the current state, or stores the first one. */
const replaceAny = (connection: Connection, put: Put): number => {
  const { known, statements } = connection
  const { collection, key, savedAt, state } = put
  const guess = known.get(collection, key)
  const next = guess === undefined ? undefined : replace(connection, put, guess)
  if (next !== undefined) return next
  const first = connection.firstRevision(collection)
  const revision = statements.upsert.get(collection, key, first, first, savedAt, state) ?? first
  known.set(collection, key, revision)
  return revision
}

const insert = (connection: Connection, { collection, key, savedAt, state }: Put): number => {
  const first = connection.firstRevision(collection)
  connection.statements.insert.run(collection, key, first, first, savedAt, state)
  connection.known.set(collection, key, first)
  return first
}

const remove = (connection: Connection, { collection, key }: Remove): number => {
  const { statements } = connection
  const revision = statements.remove.get(collection, key)
  if (revision === undefined) return 0
  statements.removeHistory.run(collection, key)
  statements.raiseFloor.run(collection, revision)
  connection.forgetFloor(collection)
  return revision
}
