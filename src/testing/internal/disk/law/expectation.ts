/** Which states a recovery may find, given what was attempted and acknowledged when the crash came. */
import { Option } from "effect"
import { type Claims, historyLength, historyMost } from "../../../../agents/Claims.ts"
import { show } from "../../same.ts"
import type { World } from "../../world.ts"
import type { Entry, Found } from "./recovery.ts"
import type { Attempt, Script } from "./workload.ts"

/** One state that may be found. */
interface Outcome {
  readonly label: string
  readonly key: string | undefined
  /** Where it is known. */
  readonly revision: number | undefined
  /** Newest first, where it is known: keys, with the revisions that are known. */
  readonly history: ReadonlyArray<{ readonly key: string; readonly revision: number | undefined }> | undefined
}

/** What may be found, and below which revision nothing new may lie. */
export interface Expectation {
  readonly outcomes: ReadonlyArray<Outcome>
  /** The highest revision that was acknowledged. */
  readonly floor: number
}

const initially: Outcome = {
  label: "nothing stored, as at the start",
  key: undefined,
  revision: undefined,
  history: []
}

/**
 * What a crash after so many operations of the journal may leave. An attempt may be the last word unless it is known to
 * lie before another one that was acknowledged.
 */
export const expectationAt = <S>(script: Script<S>, attempts: ReadonlyArray<Attempt<S>>, at: number): Expectation => {
  const isAcknowledged = ({ acknowledged }: Attempt<S>) => acknowledged !== undefined && acknowledged.at <= at
  const acknowledged = attempts.filter(isAcknowledged)
  const started = attempts.filter((attempt) => attempt.began.at < at || isAcknowledged(attempt))
  const isOverwritten = ({ acknowledged: answer }: Attempt<S>) =>
    answer !== undefined && answer.at <= at && acknowledged.some(({ began }) => began.order > answer.order)
  const histories = script.together ? undefined : historiesOf(started, isAcknowledged)
  const outcomes = started
    .filter((attempt) => !isOverwritten(attempt))
    .map((attempt): Outcome => {
      const { key, label, revision } = attempt
      const known = isAcknowledged(attempt)
      return {
        label: `${known ? "acknowledged" : "attempted"}: ${label}`,
        key,
        // What another process of the run made of an attempt that this crash cut short says nothing.
        revision: known ? revision : undefined,
        history: histories?.get(attempt)
      }
    })
  const floor = Math.max(0, ...acknowledged.map(({ revision }) => revision ?? 0))
  return { outcomes: acknowledged.length === 0 ? [initially, ...outcomes] : outcomes, floor }
}

/** The history that each attempt leaves when all acknowledged ones before it happened. */
const historiesOf = <S>(started: ReadonlyArray<Attempt<S>>, isAcknowledged: (attempt: Attempt<S>) => boolean) => {
  const found = new Map<Attempt<S>, Outcome["history"]>()
  let entries: NonNullable<Outcome["history"]> = []
  for (const attempt of started) {
    const { key, revision } = attempt
    const after =
      key === undefined ? [] : [{ key, revision: isAcknowledged(attempt) ? revision : undefined }, ...entries]
    found.set(attempt, after)
    // Whether one that was never answered happened is open, and so is every history from here on.
    if (!isAcknowledged(attempt)) break
    entries = after
  }
  return found
}

/** Nothing but what a reader has already been shown. */
export const exactly = (found: Found, floor: number): Expectation => ({
  outcomes: [
    {
      label: `what was read before the second crash, ${seenAs(found.current)}`,
      key: found.current?.key,
      revision: found.current?.revision,
      history: found.history
    }
  ],
  floor
})

/** Why what was found is none of what may be found; nothing when it is. */
export const mismatch = <S>(world: World<S>, { floor, outcomes }: Expectation, found: Found): string | undefined => {
  const { current, history } = found
  const reasons: Array<string> = []
  for (const outcome of outcomes) {
    if (outcome.key !== current?.key) continue
    const reason = current === undefined ? undefined : wrongRevision(outcome, current, floor)
    const wrong = reason ?? wrongHistory(outcome, history, world.claims)
    if (wrong === undefined) return undefined
    reasons.push(wrong)
  }
  const seen = seenAs(current)
  if (reasons.length > 0) return `found ${seen}; ${reasons.join("; ")}`
  return `found ${seen}, expected ${outcomes.map(({ label }) => label).join(" or ")}`
}

const seenAs = (current: Entry | undefined): string =>
  current === undefined ? "no state" : `revision ${current.revision}: ${show(current.state)}`

const wrongRevision = ({ label, revision }: Outcome, current: Entry, floor: number): string | undefined => {
  if (revision !== undefined) return revision === current.revision ? undefined : `"${label}" had revision ${revision}`
  return current.revision > floor || floor === 0
    ? undefined
    : `revision ${floor} was acknowledged before it, so it must lie above`
}

const wrongHistory = (
  { history: expected }: Outcome,
  history: Found["history"],
  claims: Claims
): string | undefined => {
  if (history === undefined) return undefined
  for (const [i, { revision }] of history.entries()) {
    const next = history[i + 1]
    if (next !== undefined && next.revision >= revision) return `its history is out of order: ${revisions(history)}`
  }
  if (expected === undefined) return undefined
  const least = Math.min(expected.length, historyLength(claims.history))
  const isExpected = (entry: Entry, i: number) => {
    const { key, revision } = expected[i] ?? {}
    return entry.key === key && (revision === undefined || revision === entry.revision)
  }
  if (history.length >= least && history.length <= historyMost(claims.history) && history.every(isExpected))
    return undefined
  const wanted = expected.slice(0, historyMost(claims.history)).map(({ revision }) => revision ?? "the new one")
  return `its history is [${revisions(history)}], expected ${least < wanted.length ? `at least ${least} of ` : ""}[${wanted.join(", ")}]`
}

const revisions = (history: ReadonlyArray<Entry>): string => history.map(({ revision }) => revision).join(", ")

/** A state for one more save that no attempt of the script has written last. */
export const another = <S>(world: World<S>, attempts: ReadonlyArray<Attempt<S>>): S => {
  const last = attempts.findLast(({ state }) => Option.isSome(state))?.key
  return world.pool.find((state) => world.same.key(state) !== last) ?? world.pool[0]
}
