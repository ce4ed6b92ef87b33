/** What is to go wrong, as plain data: it is generated, shrunk, printed and kept like the commands of a script. */
import { random } from "../../SeededScheduler.ts"

/**
 * What a fault does to an operation.
 *
 * - `refuse`: it does not happen, and fails with an error that says so
 * - `loseRequest`: it does not happen, and nobody can tell
 * - `loseReply`: it happens, and nobody can tell
 * - `hang`, `hangAfter`: no answer comes until it is interrupted; before it happened, or after
 * - `slow`: it happens after some yields or milliseconds
 * - `duplicate`: it happens twice, and the first answer is given
 * - `corrupt`, `cut`: one bit of what is read is flipped; what is read has lost its tail
 * - `short`: of what is to be written, the first half is
 */
export type Does =
  | "refuse"
  | "loseRequest"
  | "loseReply"
  | "hang"
  | "hangAfter"
  | "slow"
  | "duplicate"
  | "corrupt"
  | "cut"
  | "short"

/** One thing that goes wrong, and when. */
export interface Fault {
  readonly does: Does
  /** The operation with which it begins, counted from 0 when the plan is armed. Default: 0. */
  readonly from?: number | undefined
  /** The operation before which it ends. Default: never. */
  readonly until?: number | undefined
  /** The share of those operations that it strikes, above 0 and at most 1. Default: all. */
  readonly share?: number | undefined
  /** The names of the operations that it strikes and counts: `write`, `fsync`. Default: all. */
  readonly only?: ReadonlyArray<string> | undefined
  /** The system's error code, for file systems. Default: `EIO`. */
  readonly code?: string | undefined
  /** How often `slow` yields. Default: 1. */
  readonly yields?: number | undefined
  /** How many milliseconds `slow` sleeps on the clock of the fiber. Default: 0. */
  readonly millis?: number | undefined
}

/** Faults under one seed. The same plan does the same to the same operations. */
export interface Plan {
  readonly seed: number
  readonly faults: ReadonlyArray<Fault>
}

/** Nothing goes wrong. */
export const none: Plan = { seed: 0, faults: [] }

/** Whether a fault strikes the nth of the operations that it counts. */
export const strikes = (seed: number, fault: Fault, nth: number): boolean => {
  if (nth < (fault.from ?? 0) || (fault.until !== undefined && nth >= fault.until)) return false
  const share = fault.share ?? 1
  // Drawn for each operation by its number alone, so that the choice for one does not depend on those for others.
  return share >= 1 || draw(seed, nth) < share
}

/** A number in [0, 1) that follows from a seed and a count. */
export const draw = (seed: number, nth: number): number => random(Math.imul(seed + 1, 0x9e3779b1) ^ nth)()

/** A fault as a few words. */
export const showFault = (fault: Fault): string => {
  const { code, does, from = 0, only, share, until } = fault
  const what = code === undefined ? does : `${does} ${code}`
  const which = only === undefined ? "operation" : only.join("/")
  const when =
    until === undefined
      ? `from ${which} ${from} on`
      : until === from + 1
        ? `${which} ${from}`
        : `${which} ${from} to ${until - 1}`
  return `${what}: ${when}${share === undefined || share >= 1 ? "" : `, ${Math.round(share * 100)} % of them`}`
}

/** A plan as one line. */
export const show = ({ faults, seed }: Plan): string =>
  faults.length === 0 ? "no faults" : `${faults.map(showFault).join("; ")} (fault seed ${seed})`
