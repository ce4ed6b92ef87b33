/**
 * Revisions across a fall. Each write that goes to the second agent is given the next number. The first, when it is back, is
 * given the last of them in one write, which is shown with the number that it had; so the revisions of the first from
 * there on are shown higher by the number of the writes before it. Numbers grow, and none is given twice.
 */
import { make, type Revision } from "../../agents/Revision.ts"
import type { Shift } from "./Standby.ts"

/** How much the revisions of the first agent after one are shown higher. */
const shiftAfter = (shifts: ReadonlyArray<Shift>, revision: number): number =>
  shifts.findLast(({ after }) => after <= revision)?.by ?? 0

/** The number shown for a revision of the first agent. */
export const shown = (shifts: ReadonlyArray<Shift>, revision: number): Revision =>
  make(revision === 0 ? 0 : revision + shiftAfter(shifts, revision - 1))

/** The highest number given so far, where the highest revision of the first agent is known; nothing waits. */
export const last = (shifts: ReadonlyArray<Shift>, highest: number): Revision =>
  make(highest + shiftAfter(shifts, highest))

/** The revision of the first agent that has a number; `undefined` for that of a write that went to the second. */
export const stored = (shifts: ReadonlyArray<Shift>, number: number): Revision | undefined => {
  if (number === 0 || shifts.length === 0) return make(number)
  const candidates = [0, ...shifts.map(({ by }) => by)].map((by) => make(number - by))
  return candidates.find((revision) => revision > 0 && shown(shifts, revision) === number)
}

/** The lowest revision of the first agent that is shown at or above a number. */
export const storedFrom = (shifts: ReadonlyArray<Shift>, number: number): Revision => {
  const before = shifts.findLast(({ after, by }) => after + by < number)
  const next = shifts.find(({ after, by }) => after + by >= number)
  return make(Math.min(number - (before?.by ?? 0), (next?.after ?? Number.POSITIVE_INFINITY) + 1))
}

/** The shifts, with another one for the revisions above the highest so far. */
export const shifted = (shifts: ReadonlyArray<Shift>, after: number, by: number): ReadonlyArray<Shift> => {
  const before = shifts.filter((shift) => shift.after < after)
  return (before.at(-1)?.by ?? 0) === by ? before : [...before, { after, by }]
}
