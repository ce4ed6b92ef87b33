/**
 * Whether operations look as if each of them happened at one instant between its call and its return (Herlihy and Wing,
 * "Linearizability: a correctness condition for concurrent objects", 1990).
 *
 * ```ts
 * const judgement = Linearizability.judge(history)
 * if (judgement._tag === "Violation") console.log(Linearizability.show(judgement))
 * ```
 *
 * Two checkers: by revision, which is quick and says what is wrong, and by search for an order, which misses nothing and
 * takes any model of a sequential object (`check`). Eight clients are as many as a search should be given.
 */
import type { History } from "./History.ts"
import type { Model, Timed, Verdict } from "./internal/linear/model.ts"
import {
  type RegisterOperation,
  type RegisterOptions,
  type RegisterState,
  registerModel,
  registerOperations
} from "./internal/linear/register.ts"
import { checkRevisions, type RevisionViolation } from "./internal/linear/revisions.ts"
import { search } from "./internal/linear/search.ts"
import { shrink } from "./internal/linear/shrink.ts"
import { timeline } from "./internal/linear/timeline.ts"
import { label } from "./internal/linear/words.ts"

export type { Model, Shrink, Timed, Verdict } from "./internal/linear/model.ts"
export {
  type RegisterOperation,
  type RegisterOptions,
  type RegisterState,
  registerModel,
  registerOperations,
  type Seen
} from "./internal/linear/register.ts"
export type { RevisionViolation } from "./internal/linear/revisions.ts"
export { type Span, timeline } from "./internal/linear/timeline.ts"

/** How long to search. */
export interface Budget {
  /** The most steps a part; past it the answer is `Undecided`. Default: a million, about two seconds. */
  readonly budget?: number | undefined
}

const defaultBudget = 1_000_000

/** Looks for an order that keeps to the times and explains the answers, each part of the model for itself. */
export const check = <State, Op extends Timed>(
  model: Model<State, Op>,
  operations: ReadonlyArray<Op>,
  { budget = defaultBudget }: Budget = {}
): Verdict<State, Op> => {
  const order: Array<Op> = []
  let steps = 0
  let undecided: Verdict<State, Op> | undefined
  for (const part of parts(model, operations)) {
    const verdict = search(model, part, budget)
    if (verdict._tag === "NotLinearizable") return verdict
    if (verdict._tag === "Undecided") undecided = verdict
    else for (const operation of verdict.order) order.push(operation)
    steps += verdict.steps
  }
  return undecided ?? { _tag: "Linearizable", steps, order }
}

/** Linearizability is local: a history is linearizable when that of each object in it is. */
const parts = <State, Op extends Timed>(
  { part }: Model<State, Op>,
  operations: ReadonlyArray<Op>
): Iterable<ReadonlyArray<Op>> => (part === undefined ? [operations] : Map.groupBy(operations, part).values())

/** What is wrong with the revisions of a history, in O(n log n). What it finds is wrong; what it passes may still be. */
export const byRevision = (history: History, options: RegisterOptions = {}): RevisionViolation | undefined => {
  for (const part of parts(registerModel(options), registerOperations(history))) {
    const violation = checkRevisions(part, options)
    if (violation !== undefined) return violation
  }
  return undefined
}

/** What became of a history: an order explains it, none does, or that would take too long to find out. */
export type Judgement =
  | { readonly _tag: "Linearizable" }
  | { readonly _tag: "Undecided"; readonly steps: number }
  | Violation

/** A history that no order explains, made small. */
export interface Violation {
  readonly _tag: "Violation"
  /** What is wrong, in a sentence. */
  readonly reason: string
  /** The operations that show it, drawn. */
  readonly timeline: string
  readonly operations: ReadonlyArray<RegisterOperation>
}

/** Judges the history of an agent, or of the keys of a family, by both checkers. */
export const judge = (history: History, options: RegisterOptions & Budget = {}): Judgement => {
  const model = registerModel(options)
  let undecided: Judgement | undefined
  for (const part of parts(model, registerOperations(history))) {
    if (checkRevisions(part, options) !== undefined) return explainRevisions(model, part, options)
    const verdict = check(model, part, options)
    if (verdict._tag === "NotLinearizable") return explainOrder(model, part, options, verdict.until)
    if (verdict._tag === "Undecided") undecided = verdict
  }
  return undecided ?? { _tag: "Linearizable" }
}

type RegisterModel = Model<RegisterState, RegisterOperation>

const explainRevisions = (
  model: RegisterModel,
  operations: ReadonlyArray<RegisterOperation>,
  options: RegisterOptions
): Violation => {
  const smallest = shrink(model, operations, (candidate) => ({
    fails: checkRevisions(candidate, options) !== undefined,
    steps: 0
  }))
  const offending = checkRevisions(smallest, options)?.operations.at(-1)
  // A value that nobody wrote is better understood with the write that failed.
  const failed = operations.flatMap(({ seen, ...operation }) =>
    operation.failed !== undefined &&
    operation.failed === offending?.seen?.value &&
    operation.call <= (offending.return ?? 0)
      ? [operation]
      : []
  )
  const drawn = [...smallest, ...failed.slice(-1)]
  return violate(drawn, offending === undefined ? [] : [offending], checkRevisions(drawn, options)?.reason ?? "")
}

// While a history shrinks, a candidate that takes long is not worth deciding.
const briefly = { budget: 20_000 }

const explainOrder = (
  model: RegisterModel,
  operations: ReadonlyArray<RegisterOperation>,
  options: RegisterOptions & Budget,
  until: number
): Violation => {
  const judge = (candidate: ReadonlyArray<RegisterOperation>) => {
    if (checkRevisions(candidate, options) !== undefined) return { fails: true, steps: 0 }
    const { _tag, steps } = check(model, candidate, briefly)
    return { fails: _tag === "NotLinearizable", steps }
  }
  const smallest = shrink(model, operations, judge, until)
  const violation = checkRevisions(smallest, options)
  if (violation !== undefined) return violate(smallest, violation.operations.slice(-1), violation.reason)
  const verdict = check(model, smallest, options)
  if (verdict._tag !== "NotLinearizable") return violate(smallest, [], "no order explains these operations")
  const { blocked, longest, state } = verdict
  const told = longest.slice(-mostTold).map((operation) => `${operation.client}: ${label(operation)}`)
  const done = [...(longest.length > mostTold ? [`${longest.length - mostTold} others`] : []), ...told].join("; ")
  const next = blocked.map((operation) => `the "${label(operation)}" of ${operation.client}`).join(" nor ")
  const revision = state.known ? `revision ${state.revision}` : `a revision above ${state.revision}`
  const now = state.value === null ? "nothing" : `${state.value}, ${revision}`
  return violate(
    smallest,
    blocked,
    longest.length === 0
      ? `no order explains these operations: from the beginning (${now}), ${next} is not possible`
      : `no order explains these operations: the best one (${done}) leaves ${now}, after which ${next} is not possible`
  )
}

// Of an order, the last operations say how it came to its end.
const mostTold = 6

const violate = (
  operations: ReadonlyArray<RegisterOperation>,
  marked: ReadonlyArray<RegisterOperation>,
  reason: string
): Violation => {
  const spans = operations.map((operation) => ({
    client: operation.client,
    call: operation.call,
    return: operation.return,
    label: label(operation),
    marked: marked.includes(operation)
  }))
  return { _tag: "Violation", reason, timeline: timeline(spans), operations }
}

/** A violation as text: the sentence, and the operations below it. */
export const show = ({ reason, timeline }: Violation): string => `${reason}\n\n${timeline}`
