import { Effect, Option } from "effect"
import type * as DataAgent from "../../agents/DataAgent.ts"
import { backoff } from "../../agents/internal/backoff.ts"
import { absent, type Revision } from "../../agents/Revision.ts"
import { type CompareError, type ReadError, RevisionConflict, type StateNotFound } from "../../agents/StateError.ts"

/** Three states of one memory that a merge makes one of. */
export interface Merging<out S> {
  /** What the run began with. */
  readonly base: S
  /** What it made of that. */
  readonly mine: S
  /** What others have stored meanwhile. */
  readonly theirs: S
}

/**
 * How runs on one memory that overlap get along:
 * - `"serialize"`: they wait for each other; the memory is locked while the logic runs
 * - `"optimistic"`: they run at the same time, and one whose memory was written meanwhile runs again
 * - `{ merge }`: they run at the same time and once, and one whose memory was written meanwhile stores what a pure
 *   function makes of both
 */
export type Mode<S> =
  | "serialize"
  | "optimistic"
  | {
      readonly merge: (states: Merging<S>) => S
    }

/** What `transact` takes besides. */
export interface Transaction<S> extends DataAgent.ModifyOptions {
  readonly mode?: Mode<S> | undefined
}

/** Runs an effect on the state of a memory, and stores what it makes of it. */
export const transact = <S, A, E, R>(
  memory: DataAgent.DataAgent<S>,
  f: (state: S) => Effect.Effect<readonly [A, S], E, R>,
  { mode = "serialize", retries }: Transaction<S>
): Effect.Effect<A, E | StateNotFound | CompareError, R> => {
  if (mode === "serialize") return memory.modify(f, { retries })
  if (mode === "optimistic") return optimistic(memory, f, retries ?? 16)
  return merging(memory, f, mode.merge, retries ?? Number.POSITIVE_INFINITY)
}

interface Found<S> {
  readonly state: S
  readonly revision: Revision
}

/** The state with its revision; the `initial` where none is stored. */
const found = <S>(memory: DataAgent.DataAgent<S>): Effect.Effect<Found<S>, StateNotFound | ReadError> =>
  Effect.flatMap(
    memory.current,
    (current): Effect.Effect<Found<S>, StateNotFound | ReadError> =>
      Option.isSome(current)
        ? Effect.succeed(current.value)
        : Effect.map(memory.load, (state) => ({ state, revision: absent }))
  )

/** A conflict of a commit of ours: the logic may fail with one of its own, which is none of our business. */
class Overtaken {
  readonly conflict: RevisionConflict

  constructor(conflict: RevisionConflict) {
    this.conflict = conflict
  }
}

const commit = <S>(memory: DataAgent.DataAgent<S>, next: S, expected: Revision) =>
  Effect.mapError(memory.compareAndSave(next, expected), (error) =>
    error instanceof RevisionConflict ? new Overtaken(error) : error
  )

/** Again after each conflict of a commit: the first time at once. */
const again = <A, E, R>(
  attempt: Effect.Effect<A, E | Overtaken, R>,
  retries: number
): Effect.Effect<A, Exclude<E, Overtaken> | RevisionConflict, R> => {
  const isOvertaken = (error: unknown): error is Overtaken => error instanceof Overtaken
  const tried =
    retries <= 0
      ? attempt
      : Effect.catchIf(attempt, isOvertaken, () =>
          Effect.retry(attempt, { while: isOvertaken, schedule: backoff, times: retries - 1 })
        )
  return Effect.mapError(tried, (error) =>
    // Sound: what is not `Overtaken` is one of the others.
    isOvertaken(error) ? error.conflict : (error as Exclude<E, Overtaken>)
  )
}

const optimistic = <S, A, E, R>(
  memory: DataAgent.DataAgent<S>,
  f: (state: S) => Effect.Effect<readonly [A, S], E, R>,
  retries: number
) =>
  again(
    Effect.flatMap(found(memory), ({ revision, state }) =>
      Effect.flatMap(f(state), ([answer, next]) => Effect.as(commit(memory, next, revision), answer))
    ),
    retries
  )

const merging = <S, A, E, R>(
  memory: DataAgent.DataAgent<S>,
  f: (state: S) => Effect.Effect<readonly [A, S], E, R>,
  merge: (states: Merging<S>) => S,
  retries: number
) =>
  Effect.flatMap(found(memory), (base) =>
    Effect.flatMap(f(base.state), ([answer, mine]) => {
      let theirs: Found<S> | undefined
      const next = Effect.suspend(() =>
        theirs === undefined
          ? commit(memory, mine, base.revision)
          : commit(memory, merge({ base: base.state, mine, theirs: theirs.state }), theirs.revision)
      )
      // What others have stored is read after a conflict only.
      const read = Effect.map(found(memory), (found) => {
        theirs = found
      })
      const attempt = Effect.tapError(next, (error) => (error instanceof Overtaken ? read : Effect.void))
      return Effect.as(again(attempt, retries), answer)
    })
  )
