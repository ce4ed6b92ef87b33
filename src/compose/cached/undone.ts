import { Cause, Exit } from "effect"
import type { StateError } from "../../agents/StateError.ts"

const undone: ReadonlySet<StateError["_tag"]> = new Set<StateError["_tag"]>([
  "StorageUnavailable",
  "StateInvalid",
  "StateTooLarge"
])

/** Whether a write ended in a way that says that nothing was written, and not that somebody else did. */
export const isUndone = (exit: Exit.Exit<unknown, StateError>): boolean =>
  Exit.isFailure(exit) &&
  exit.cause.reasons.every((reason) => Cause.isFailReason(reason) && undone.has(reason.error._tag))
