import { Effect, Exit } from "effect"
import type { Entry } from "../Register.ts"
import * as Deltas from "./deltas.ts"
import type { Engine, Failure, Id, Past } from "./Engine.ts"

/** Which part of a history. */
export interface Part {
  /** Only revisions below. */
  readonly before: number
  readonly limit: number
  /** How many revisions lie at most between two that are kept in full. A hint: more is found as well. */
  readonly every: number
  /** The entry after the part, if it is at hand. */
  readonly newer?: Entry | undefined
}

/**
 * States newest first, in full: what is stored as a patch is made from the states after it, of which at most `every` more
 * are read.
 */
export const page = (
  engine: Engine,
  id: Id,
  { before, every, limit, newer }: Part
): Effect.Effect<ReadonlyArray<Entry>, Failure> =>
  Effect.flatMap(engine.history(id, before, limit), (rows) => {
    const first = rows[0]
    if (first?.isPatch !== true || newer?.revision === first.revision + 1) return whole(id, rows, newer)
    return Effect.flatMap(base(engine, id, first.revision, every), (newer) => whole(id, rows, newer))
  })

/** The state after a revision, in full, if the chain of patches up to it is whole. */
const base = (engine: Engine, id: Id, revision: number, every: number): Effect.Effect<Entry | undefined, Failure> => {
  // Patches end at a revision that is kept in full, which is near unless the option was changed.
  const read = (count: number): Effect.Effect<Entry | undefined, Failure> =>
    Effect.flatMap(engine.history(id, revision + 1 + count, count), (rows) => {
      const start = rows.findLastIndex((row) => !row.isPatch && row.revision > revision)
      if (start >= 0) return Effect.map(whole(id, rows.slice(start), undefined), last(revision + 1))
      return rows.length < count ? Exit.succeed(undefined) : read(count * 4)
    })
  return read(Math.max(every, 16))
}

const last = (revision: number) => (rows: ReadonlyArray<Entry>) => rows.find((row) => row.revision === revision)

/** Rows in full, as far as each patch has the state after it: where that is gone, so is what was kept as a difference from it. */
const whole = (
  { key }: Id,
  rows: ReadonlyArray<Past>,
  newer: Entry | undefined
): Effect.Effect<ReadonlyArray<Entry>, Failure> => {
  const entries: Array<Entry> = []
  let after = newer
  for (const { isPatch, revision, savedAt, state } of rows) {
    if (!isPatch) after = { state, savedAt, revision }
    else if (after?.revision !== revision + 1) continue
    else {
      try {
        after = { state: Deltas.patch(after.state, state), savedAt, revision }
      } catch {
        const location = `revision ${revision}${key === "" ? "" : ` of key ${JSON.stringify(key)}`}`
        return Effect.fail({ _tag: "Corrupt", location, reason: "its patch does not fit the state after it" })
      }
    }
    entries.push(after)
  }
  return Exit.succeed(entries)
}
