import { Effect, Exit } from "effect"
import type { Failure } from "../../internal/backend.ts"
import type { Append, Appended, Conflict, Stored } from "../Log.ts"
import type { NewLine } from "./line.ts"
import type { Positions } from "./scan.ts"

/** What an append is answered. */
export type Answer = Exit.Exit<Appended, Failure | Conflict>

/** What a group of appends comes to, if it can be written. */
export interface Plan {
  readonly lines: ReadonlyArray<NewLine>
  /** The answer to each, in order. */
  readonly answers: ReadonlyArray<Answer>
  /** The new names. */
  readonly named: ReadonlyMap<string, Positions>
}

/** Decides what each append of a group does, behind those in front of it. */
export const plan = <E>(
  group: ReadonlyArray<Append>,
  tail: { readonly last: number; readonly at: number },
  find: (id: string) => Effect.Effect<Positions | undefined, E>
): Effect.Effect<Plan, E> =>
  Effect.gen(function* () {
    const lines: Array<NewLine> = []
    const answers: Array<Answer> = []
    const named = new Map<string, Positions>()
    let { at, last } = tail
    for (const append of group) {
      const { events, expected, id } = append
      const known = id === undefined ? undefined : (named.get(id) ?? (yield* find(id)))
      const reason = known === undefined ? invalid(append) : undefined
      if (known !== undefined) answers.push(Exit.succeed({ ...known, wasKnown: true }))
      else if (reason !== undefined) answers.push(Exit.fail({ _tag: "Invalid", reason }))
      else if (expected !== "any" && expected !== last) answers.push(Exit.fail({ _tag: "Conflict", actual: last }))
      else {
        const first = last + 1
        at = Math.max(at, append.at)
        for (const [i, { data, type }] of events.entries()) {
          const event: Stored = { position: ++last, at, type, data }
          lines.push({ event, id: i === events.length - 1 ? id : undefined, of: events.length })
        }
        if (id !== undefined && events.length > 0) named.set(id, { first, last })
        answers.push(Exit.succeed({ first, last, wasKnown: false }))
      }
    }
    return { lines, answers, named }
  })

/** What would not come back as it was. */
const invalid = ({ at, events }: Append): string | undefined => {
  if (!Number.isFinite(at)) return "the time of the append is not a number"
  for (const { data, type } of events) {
    if (data.includes("\n")) return "the text of an event has a line break"
    if (!data.isWellFormed() || !type.isWellFormed()) return "the text of an event has a lone surrogate"
  }
  return undefined
}
