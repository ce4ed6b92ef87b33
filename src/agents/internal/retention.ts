/** Which earlier states are kept. All limits of one rule hold at once, so the strictest decides. */
import { Duration } from "effect"
import type * as Claims from "../Claims.ts"

/** Limits of a history; the current state is always kept, and counted. */
export interface Limits {
  /** How many states: a whole number from 1, or `Infinity`. */
  readonly bounded?: number | undefined
  /** How long ago a state may have been saved: more than 0. */
  readonly maxAge?: Duration.Input | undefined
  /** How many bytes the earlier states may have together, as they are stored: from 0. */
  readonly maxBytes?: number | undefined
}

/** The current state alone, all states, or as many as fit. */
export type Keep = "none" | "full" | Limits

/** `Keep` as numbers, `Infinity` where there is no limit. */
export interface Retention {
  readonly count: number
  readonly millis: number
  readonly bytes: number
}

const unlimited = Number.POSITIVE_INFINITY

/** The numbers of a rule. */
export const of = (keep: Keep = "none"): Retention => {
  if (keep === "none") return { count: 1, millis: unlimited, bytes: unlimited }
  if (keep === "full") return { count: unlimited, millis: unlimited, bytes: unlimited }
  const { bounded = unlimited, maxAge, maxBytes = unlimited } = keep
  return {
    count: bounded,
    millis: maxAge === undefined ? unlimited : Duration.toMillis(maxAge),
    bytes: maxBytes
  }
}

/** What a rule promises: how many states fit an age or a number of bytes nobody knows beforehand. */
export const claimOf = (keep: Keep = "none"): Claims.History => {
  if (typeof keep === "string") return keep
  const { bounded, maxAge, maxBytes } = keep
  if (maxAge !== undefined || maxBytes !== undefined) return bounded === 1 ? "none" : "some"
  return bounded === undefined ? "full" : { bounded }
}
