import * as Revision from "../Revision.ts"
import {
  AgentClosed,
  type CompareError,
  type ReadError,
  RevisionConflict,
  StateCorrupt,
  StateInvalid,
  StorageUnavailable,
  type WriteError,
  WriteIndeterminate
} from "../StateError.ts"
import type { Conflict, Failure } from "./backend.ts"
import type { Where } from "./stateRegister.ts"

/** What a reading agent says about a failure of its database. `operation` as in `StorageUnavailable`. */
export const readError =
  (where: Where, operation: string) =>
  (failure: Failure): ReadError => {
    switch (failure._tag) {
      case "Unavailable":
        return new StorageUnavailable({ ...where, operation, ...withoutTag(failure) })
      case "Corrupt":
        return new StateCorrupt({ ...where, ...withoutTag(failure) })
      case "Closed":
        return new AgentClosed(where)
      // Neither comes of reading, but a driver may be wrong.
      case "Indeterminate":
        return new StorageUnavailable({
          ...where,
          operation,
          reason: failure.reason,
          retryable: true,
          cause: failure.cause
        })
      case "Invalid":
        return new StorageUnavailable({ ...where, operation, reason: failure.reason, retryable: false })
    }
  }

/** The same for an unconditional write. */
export const writeError =
  (where: Where, operation: string) =>
  (failure: Failure): WriteError => {
    switch (failure._tag) {
      case "Invalid":
        return new StateInvalid({ ...where, path: [], reason: failure.reason })
      case "Indeterminate":
        return new WriteIndeterminate({ ...where, ...withoutTag(failure) })
      default:
        return readError(where, operation)(failure)
    }
  }

/** The same for a write that expected a revision. */
export const compareError =
  (where: Where, expected: Revision.Expected) =>
  (failure: Failure | Conflict): CompareError =>
    failure._tag !== "Conflict"
      ? writeError(where, "write")(failure)
      : new RevisionConflict({
          ...where,
          expected: expected === "any" ? Revision.absent : expected,
          actual: Revision.make(failure.actual)
        })

const withoutTag = <A extends { readonly _tag: string }>({ _tag, ...rest }: A): Omit<A, "_tag"> => rest
