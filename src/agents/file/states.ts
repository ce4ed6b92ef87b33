import type { Effect, Option, Scope, Stream } from "effect"
import type * as Register from "../Register.ts"
import type * as Revision from "../Revision.ts"
import type { CompareError, ReadError, StateCorrupt, StorageUnavailable, WriteError } from "../StateError.ts"
import type { Kept } from "./retention.ts"
import type { Current, Where, Writing } from "./stored.ts"

/** What opening can fail with. */
export type OpenFailure = StateCorrupt | StorageUnavailable

/**
 * The states of one directory as one way of sharing sees them. All but `known` and, if `readsAlone` says so, `current` run
 * one at a time a key.
 */
export interface States {
  /** What is stored, if that is known without a look. */
  readonly known: (key: string) => Current | undefined
  /** Whether `current` needs no turn. */
  readonly readsAlone: boolean
  /** Recovers what a crash left; until it has succeeded, nothing else is asked. */
  readonly recover: (where: Where, writing: Writing) => Effect.Effect<void, OpenFailure>
  /** What is stored, verified and durable. */
  readonly current: (where: Where, key: string, writing: Writing) => Effect.Effect<Current, ReadError>
  /** Replaces the state, if its revision is the expected one. */
  readonly write: (
    where: Where,
    key: string,
    writing: Writing,
    next: Register.NewEntry,
    expected: Revision.Expected
  ) => Effect.Effect<Revision.Revision, CompareError>
  /** Removes the state, then its history; answers the revision removed. */
  readonly remove: (
    where: Where,
    key: string,
    writing: Writing
  ) => Effect.Effect<Option.Option<Revision.Revision>, WriteError>
  /** The keys that have a state, as of what is durable. */
  readonly keys: (where: Where) => Stream.Stream<string, OpenFailure>
  /** What is stored of the revisions before the current one and from `since` on, newest first. */
  readonly earlier: (
    where: Where,
    key: string,
    current: Revision.Revision,
    since: number
  ) => Effect.Effect<ReadonlyArray<Kept>, ReadError>
  /** One of them; none when it has been removed. */
  readonly earlierEntry: (
    where: Where,
    key: string,
    revision: number,
    since: number
  ) => Effect.Effect<Option.Option<Register.Entry>, ReadError>
  /** Sees to it that the commits of other processes are published, until the scope closes; none where there are no others. */
  readonly follow?: (where: Where, key: string, writing: Writing) => Effect.Effect<void, ReadError, Scope.Scope>
  /** Gives up what is held: locks, marks, handles. */
  readonly close: Effect.Effect<void>
}
