/** The parts of a group of writes, as parameters and as rows. */
import type { Expect, Id, Put, Write } from "../Engine.ts"
import type { ArrayParam } from "./arrays.ts"
import type { Row } from "./connection.ts"
import { toStored } from "./names.ts"

/** Whether a part stores a state. */
export const isPut = (part: Write[number]): part is Put => part._tag === "Put"

/** Whether a part is an expectation and nothing else. */
export const isExpect = (part: Write[number]): part is Expect => part._tag === "Expect"

/** What became of one part. */
export interface Outcome {
  /** The revision written or removed, if it was. */
  readonly done: number | undefined
  readonly found: number
}

/** Texts as one parameter. */
export const text = (values: ReadonlyArray<string | null>): ArrayParam => ({ type: "text", values })

/** Collections and keys as two. */
export const ids = (parts: ReadonlyArray<Id>): [ArrayParam, ArrayParam] => [
  text(parts.map(({ collection }) => toStored(collection))),
  text(parts.map(({ key }) => toStored(key)))
]

/** Rows of the number of a part, the revision written and the one found, for so many parts. */
export const outcomes = (
  rows: ReadonlyArray<Row>,
  count: number,
  otherwise: number | undefined
): ReadonlyArray<Outcome> => {
  const all = Array.from({ length: count }, (): Outcome => ({ done: otherwise, found: 0 }))
  for (const [n, done, found] of rows)
    all[Number(n) - 1] = { done: done === null ? otherwise : Number(done), found: Number(found ?? 0) }
  return all
}
