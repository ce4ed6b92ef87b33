/** Which superseded states of a key a SQL database keeps, and in what form. */
import * as Rule from "../internal/retention.ts"
import type { Keep } from "./Engine.ts"

/** Limits of a history; the current state is always kept, and counted. */
export type Limits = Omit<Rule.Limits, "maxBytes">

/** The current state alone, all states, or as many as are within limits. */
export type History = "none" | "full" | Limits

/** `History` as numbers, `Infinity` where there is no limit. */
export interface Retention extends Omit<Rule.Retention, "bytes"> {
  /** Superseded states are kept as differences, with each of so many revisions in full; 0: all in full. */
  readonly every: number
}

/** The numbers of a rule. */
export const of = (history: History | undefined, deltas: number): Retention => {
  const { count, millis } = Rule.of(history)
  // Without a history nothing is superseded that a difference could be kept of.
  return { count, millis, every: count === 1 ? 0 : deltas }
}

/** What a rule promises: how many states fit an age nobody knows beforehand. */
export const claimOf: (history?: History) => ReturnType<typeof Rule.claimOf> = Rule.claimOf

/** What a write at a time tells the database to keep. */
export const keepAt = ({ count, millis }: Retention, now: number): Keep => ({ count, from: now - millis })
