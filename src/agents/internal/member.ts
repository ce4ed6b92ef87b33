/** How states take part in a write of several: what `Transactional` asks of a storage that can do all of it or none. */
import type { Effect, Option } from "effect"
import type { Entry, NewEntry } from "../Register.ts"
import type { Expected, Revision } from "../Revision.ts"
import type { CompareError, ReadError, WriteError } from "../StateError.ts"
import type { Where } from "./stateRegister.ts"

/** What is to happen to one state. Of a state that is only expected nothing is written. */
export type Step =
  /** Afresh: what was there goes first, with its history. */
  | { readonly _tag: "Put"; readonly next: NewEntry; readonly expected: Expected; readonly isAfresh: boolean }
  | { readonly _tag: "Remove"; readonly expected: Expected }
  | { readonly _tag: "Expect"; readonly expected: Revision }

/** A step made ready by a member, for the storage of that member alone. */
export interface Part {
  readonly where: Where
}

/** What can write several states in one step. */
export interface Storage {
  /**
   * Does what all parts say, or none of it, and fails with a conflict that names the state whose revision is not the one
   * expected. Uninterruptible once begun. No state is in it twice.
   */
  readonly write: (parts: ReadonlyArray<Part>) => Effect.Effect<void, CompareError>
}

/** One state that can be written together with others. */
export interface Member {
  /** States of one storage can be written together. */
  readonly storage: Storage
  /** With the key, which state it is, whoever has a handle on it. */
  readonly place: object
  readonly key: string
  readonly read: Effect.Effect<Option.Option<Entry>, ReadError>
  /** Errors of the write name the state as `where` does. */
  readonly part: (step: Step, where: Where) => Effect.Effect<Part, WriteError>
}
