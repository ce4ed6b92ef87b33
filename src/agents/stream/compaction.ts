import { Effect } from "effect"
import * as Claims from "../Claims.ts"
import { StorageUnavailable } from "../StateError.ts"
import type { CompactError } from "./StreamError.ts"
import type { Compactable, Internals } from "./streams.ts"
import type { View } from "./view.ts"

/** A view as a compaction sees it. */
export const compactable = <E, S>(view: View<E, S>): Compactable => ({
  projection: view.projection,
  snapshotClaims: view.keeper?.agent.claims,
  pin: (upTo) => view.pin(upTo)
})

/**
 * Removes the events before a position or a time. What the folds need in their stead is saved first; the last event always stays, so
 * that who reads sees that there is one.
 */
export const compact = <E, S>(
  { claims, journal, projections, view, where }: Internals<E, S>,
  before: number | Date
): Effect.Effect<void, CompactError> =>
  Effect.gen(function* () {
    const { from } = yield* journal.resolve({ from: before })
    const { compacted, last } = yield* journal.bounds
    const { since } = yield* view.current
    const upTo = Math.min(from, last) - 1
    // What is deleted is needed by nobody, and goes as a whole.
    if (upTo < since) return yield* since - 1 > compacted ? journal.compact(since - 1) : Effect.void
    if (!(upTo > compacted)) return
    const folds = [compactable(view), ...projections.all()]
    for (const fold of folds) {
      const reason = refusal(fold, claims)
      if (reason !== undefined)
        return yield* new StorageUnavailable({ ...where, operation: "compact", reason, retryable: false })
    }
    yield* Effect.forEach(folds, (fold) => fold.pin(upTo), { discard: true })
    yield* journal.compact(upTo)
  })

/** Why the snapshots of a fold cannot take the place of events. */
const refusal = ({ projection, snapshotClaims }: Compactable, log: Claims.Claims): string | undefined => {
  const whose = projection === undefined ? "the stream" : `its projection "${projection}"`
  if (snapshotClaims === undefined)
    return `${whose} has no snapshots, without which the state would be gone with the events; give it some`
  const weaker = Claims.weaker(snapshotClaims, log)
  const isAsStrong =
    weaker.durability === log.durability && weaker.consistency === log.consistency && weaker.sharing === log.sharing
  return isAsStrong
    ? undefined
    : `the snapshots of ${whose} promise less than its log (${Claims.describe({ ...snapshotClaims, history: "none" })}), and would be all that is left of the events; keep them in an agent that promises as much`
}
