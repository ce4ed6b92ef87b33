import type { Brand } from "effect"

/**
 * The number of a commit: above 0, growing with every commit of one key, never reused, not even after a delete. Numbers need
 * not be dense, nor begin with 1: in Redis they begin with the server's time.
 */
export type Revision = number & Brand.Brand<"dgents/Revision">

/** A revision from a number that a backend stored. */
// A brand exists in types only, so this cast changes nothing at run time.
export const make = (n: number): Revision => n as Revision

/** The expected revision of a state that does not exist: `compareAndSave(state, Revision.absent)` creates. */
export const absent: Revision = make(0)

/** What a conditional write expects to find: a revision, `absent`, or anything at all. */
export type Expected = Revision | "any"

/** A state with the revision that committed it, and when, in milliseconds since the epoch. */
export interface Revisioned<out S> {
  readonly state: S
  readonly revision: Revision
  readonly savedAt: number
}

/**
 * One commit, as seen by `changes`: a state was saved, or the state was deleted. Then `revision` is the last one that it had; where
 * another process deleted it, and the storage keeps nothing of a family's keys that are gone, the last one that is known here.
 */
export type Change<S> =
  | ({ readonly _tag: "Saved" } & Revisioned<S>)
  | { readonly _tag: "Deleted"; readonly revision: Revision }

/** A saved state as a change. */
export const saved = <S>(current: Revisioned<S>): Change<S> => ({ _tag: "Saved", ...current })

/** A deletion as a change. */
export const deleted = (revision: Revision): Change<never> => ({ _tag: "Deleted", revision })

/** Which part of a history: newest first, at most `limit`, only revisions below `before`. */
export interface HistoryOptions {
  readonly limit?: number | undefined
  readonly before?: Revision | undefined
}
