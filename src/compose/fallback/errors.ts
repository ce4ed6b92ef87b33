import type { Where } from "../../agents/internal/stateRegister.ts"
import { type StateError, StorageUnavailable, type WriteError, WriteIndeterminate } from "../../agents/StateError.ts"

/** A refusal for good is no outage: who may not write to the first is not to write to the second either. */
export const isAway = (error: StateError): error is StorageUnavailable =>
  error._tag === "StorageUnavailable" && error.retryable

/** What is said when nobody who answers knows the state. */
export const unknown = (where: Where, operation: string): StorageUnavailable => {
  const reason = "the first agent is away, and what the state is by now is not known"
  return new StorageUnavailable({ ...where, operation, reason, retryable: true })
}

/** What is said when the second agent fails too. */
export const besides = (where: Where, error: WriteError, cause: StorageUnavailable | undefined): WriteError => {
  if (error._tag === "WriteIndeterminate") return new WriteIndeterminate({ ...error, ...where })
  if (error._tag !== "StorageUnavailable") return error
  const reason = `the first agent is away (${cause?.reason ?? "it was asked before"}), and the second failed: ${error.reason}`
  return new StorageUnavailable({ ...where, operation: "write", reason, retryable: true, cause: error })
}
