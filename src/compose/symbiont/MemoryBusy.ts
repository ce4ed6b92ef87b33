import { Cause, Data, Effect } from "effect"
import { EndlessWait } from "../../agents/internal/heldLocks.ts"

/**
 * A tool was not run, because its memory is held by the run that uses the tool, or by one that waits for that run: to wait
 * for it would never end.
 */
export class MemoryBusy extends Data.TaggedError("MemoryBusy")<{
  /** The name of the tool. */
  readonly tool: string
  readonly reason: string
}> {
  override get message() {
    return `The tool "${this.tool}" was not run: ${this.reason} Give the tool a memory of its own, or run the one that uses it with the mode "optimistic" or { merge }, which locks nothing while its logic runs.`
  }
}

/** Fails where a wait that would never end was refused. */
export const orBusy = <A, E, R>(tool: string, run: Effect.Effect<A, E, R>): Effect.Effect<A, E | MemoryBusy, R> =>
  Effect.catchCause(run, (cause): Effect.Effect<never, E | MemoryBusy> => {
    const defect = cause.reasons.filter(Cause.isDieReason).find(({ defect }) => defect instanceof EndlessWait)?.defect
    return defect instanceof EndlessWait
      ? Effect.fail(new MemoryBusy({ tool, reason: defect.message }))
      : Effect.failCause(cause)
  })
