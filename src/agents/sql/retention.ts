/** Which superseded states of a key a SQL database keeps. Both limits of a rule hold at once. */
import { Duration } from "effect"
import type * as Claims from "../Claims.ts"
import type { Keep } from "./Engine.ts"

/** Limits of a history; the current state is always kept, and counted. */
export interface Limits {
  /** How many states. */
  readonly bounded?: number | undefined
  /** How long ago a state may have been saved. */
  readonly maxAge?: Duration.Input | undefined
}

/** The current state alone, all states, or as many as are within limits. */
export type History = "none" | "full" | Limits

/** `History` as numbers, `Infinity` where there is no limit. */
export interface Retention {
  readonly count: number
  readonly millis: number
  /** Superseded states are kept as differences, with each of so many revisions in full; 0: all in full. */
  readonly every: number
}

const unlimited = Number.POSITIVE_INFINITY

/** The numbers of a rule. */
export const of = (history: History = "none", deltas = 0): Retention => {
  if (typeof history === "string")
    return { count: history === "none" ? 1 : unlimited, millis: unlimited, every: history === "none" ? 0 : deltas }
  const { bounded = unlimited, maxAge } = history
  return { count: bounded, millis: maxAge === undefined ? unlimited : Duration.toMillis(maxAge), every: deltas }
}

/** What a rule promises: how many states fit an age nobody knows beforehand. */
export const claimOf = (history: History = "none"): Claims.History => {
  if (typeof history === "string") return history
  const { bounded, maxAge } = history
  if (maxAge !== undefined) return bounded === 1 ? "none" : "some"
  return bounded === undefined ? "full" : { bounded }
}

/** What a write at a time tells the database to keep. */
export const keepAt = ({ count, millis }: Retention, now: number): Keep => ({ count, from: now - millis })
