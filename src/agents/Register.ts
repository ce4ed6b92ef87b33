/**
 * The smallest contract that gives everything else: read the current entry, write the next one *if* the revision is
 * still the expected one, remove. It is all that a backend has to write; see `DataAgent.fromRegister`.
 *
 * A register deals in payloads (text or bytes); schemas, retries, locking and change feeds are added once, above it.
 */
import { type Effect, Exit, type Option, type Stream } from "effect"
import type { Payload } from "../schema/Codec.ts"
import type { Listing, ListingOf } from "./internal/listing.ts"
import type { Member } from "./internal/member.ts"
import type { Cells, Plan } from "./query/ir.ts"
import type * as Revision from "./Revision.ts"
import { type CompareError, type ReadError, RevisionConflict, type WriteError } from "./StateError.ts"

/** A stored payload with the revision that committed it, and when, in milliseconds since the epoch. */
export type Entry = Revision.Revisioned<Payload>

/** What to store, and the time to store with it. */
export interface NewEntry {
  readonly state: Payload
  readonly savedAt: number
}

/** The storage of one state. */
export interface Register {
  /**
   * What several registers of one storage have in common, in this process. Agents of one place share their lock, so that a
   * costly `modify` through one is not run again for a write through another. Default: nothing is shared.
   */
  readonly place?: object | undefined
  /** The current entry. */
  readonly read: Effect.Effect<Option.Option<Entry>, ReadError>
  /**
   * As `read`, begun by the call itself, for storage that is done sooner than the effects around it would be. Calls `answer`
   * once with what came of it, before it returns or later. What comes back takes the read away: then nobody is told. Where it
   * did not begin, having done nothing, it answers `undefined`, and `read` is used instead.
   */
  readonly beginRead?:
    | ((answer: (found: Effect.Effect<Option.Option<Entry>, ReadError>) => void) => (() => void) | undefined)
    | undefined
  /**
   * Stores the next entry in one atomic step, if the current revision is `expected` (`Revision.absent` when there is
   * none; `"any"` always fits), and answers its revision, which is above every one this key ever had. Succeeds only
   * when the entry is as durable as the agent claims.
   */
  readonly write: (next: NewEntry, expected: Revision.Expected) => Effect.Effect<Revision.Revision, CompareError>
  /**
   * As `write`, begun by the call itself, for storage that is done sooner than the effects around it would be. Calls
   * `answer` once with what came of it, before it returns or later; nothing interrupts it. Answers whether it began: where
   * it did not, having done nothing, `write` is used instead.
   */
  readonly begin?:
    | ((
        next: NewEntry,
        expected: Revision.Expected,
        answer: (written: Effect.Effect<Revision.Revision, CompareError>) => void
      ) => boolean)
    | undefined
  /** Removes the state and its history; answers the revision removed, if there was one. That number is not used again. */
  readonly remove: Effect.Effect<Option.Option<Revision.Revision>, WriteError>
  /** Earlier entries, newest first, the current one included. Without it the history is the current entry alone. */
  readonly history?: ((options: Revision.HistoryOptions) => Stream.Stream<Entry, ReadError>) | undefined
  /** One entry by its revision. Without it, the history is searched. */
  readonly at?: ((revision: Revision.Revision) => Effect.Effect<Option.Option<Entry>, ReadError>) | undefined
  /** The newest entry saved at or before a time, in milliseconds since the epoch. Without it, the history is searched. */
  readonly asOf?: ((time: number) => Effect.Effect<Option.Option<Entry>, ReadError>) | undefined
  /**
   * The current entry, then each commit once, in order, also those of other processes. Without it, the commits made
   * through this agent are announced.
   */
  readonly changes?: Stream.Stream<Revision.Change<Payload>, ReadError> | undefined
  /**
   * As `changes`, told by a call and without the states, for caches: begun by the call itself, which answers an exit where
   * nothing is to be waited for; otherwise an effect, to be run once, after which what is stored is told. Answers `undefined`
   * where it cannot, and then, as without it, `changes` is used. Comes with `changes`.
   */
  readonly listen?: ((listener: Listener) => Effect.Effect<Listening, ReadError> | undefined) | undefined
  /**
   * How the state is written together with others of its storage, all or none; comes with `changes`. Without it, the state
   * is written alone.
   */
  readonly member?: Member | undefined
}

/** One who wants to know at once that something was committed. What it throws is logged, and stops nobody else. */
export interface Listener {
  readonly hear: (news: News) => void
}

/** What a listener hears, perhaps more than once, and after something newer. */
export type News =
  /** A commit, or what was found to be stored. */
  | { readonly _tag: Revision.Change<unknown>["_tag"]; readonly revision: Revision.Revision }
  /** Nothing is stored; since when is not known. */
  | { readonly _tag: "Absent" }
  /** There may have been a commit, of which no more is known. */
  | { readonly _tag: "Unknown" }
  /** From now on commits go by unnoticed, until something is heard again: the agent has closed, say. */
  | { readonly _tag: "Gap" }

/** A listener that is told. */
export interface Listening {
  /** It hears nothing from then on. */
  readonly stop: Effect.Effect<void>
}

/** Fails with `RevisionConflict` unless `actual` is what was expected. For the `write` of a register. */
export const check = (
  where: { readonly agent: string; readonly key?: string | undefined },
  expected: Revision.Expected,
  actual: Revision.Revision
): Exit.Exit<void, RevisionConflict> =>
  expected === "any" || expected === actual
    ? Exit.void
    : Exit.fail(new RevisionConflict({ ...where, expected, actual }))

/** The storage of many states, one for each key. The optional members replace one call a key by one for all. */
export interface Store {
  /** As in `Register`: what several stores of the same states have in common. */
  readonly place?: object | undefined
  /** The register of one key. Cheap: nothing is opened or read. */
  readonly at: (key: string) => Register
  /** The keys that have a state, in no particular order, each once. */
  readonly keys: (prefix: string) => Stream.Stream<string, ReadError>
  /** The current entries of many keys; keys without a state are left out. */
  readonly readMany?:
    | ((keys: ReadonlyArray<string>) => Effect.Effect<ReadonlyMap<string, Entry>, ReadError>)
    | undefined
  /** Writes many entries unconditionally, all or none, and answers their revisions in the same order. */
  readonly writeMany?:
    | ((
        entries: ReadonlyArray<readonly [key: string, next: NewEntry]>
      ) => Effect.Effect<ReadonlyArray<Revision.Revision>, WriteError>)
    | undefined
  /** Removes many keys, all or none, and answers those that had a state. */
  readonly removeMany?:
    | ((keys: ReadonlyArray<string>) => Effect.Effect<ReadonlyMap<string, Revision.Revision>, WriteError>)
    | undefined
  /**
   * Answers a query about the states, which are JSON; `undefined` for one that it leaves, and then, as without it, all states
   * are read and looked through in memory.
   */
  readonly query?: ((plan: Plan) => Effect.Effect<ReadonlyArray<Cells> | undefined, ReadError>) | undefined
  /** Lists commits without reading states, which `query` may do; `undefined` where it cannot. @internal */
  readonly listing?: ((which: ListingOf) => Effect.Effect<Listing | undefined, ReadError>) | undefined
}
