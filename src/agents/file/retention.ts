/**
 * Which earlier states of a file are kept. A history is never shown beyond the limits; on disk older states stay until a
 * compaction is worth while.
 */
import type { Retention } from "../internal/retention.ts"

export { claimOf, type Keep, type Limits, of, type Retention } from "../internal/retention.ts"

/** An earlier state in storage. */
export interface Kept {
  readonly revision: number
  readonly bytes: number
}

/** Those of the earlier states, newest first, that are within the limits of count and bytes. */
export const within = (all: ReadonlyArray<Kept>, { bytes, count }: Retention): ReadonlyArray<Kept> => {
  const most = all.slice(0, Math.max(0, count - 1))
  let total = 0
  const end = most.findIndex((kept) => {
    total += kept.bytes
    return total > bytes
  })
  return end === -1 ? most : most.slice(0, end)
}
