/** Writes of several parts of which some expect a revision: all are done or none, so they are a transaction of several statements. */
import type { Conflict, Write } from "../Engine.ts"
import type { Connection } from "./connection.ts"
import { toStored } from "./names.ts"
import { ids, isExpect, outcomes, text } from "./parts.ts"
import type { Statements } from "./statements.ts"

/** Whether one statement is not enough. A put that is alone compares by itself. */
export const isConditional = (write: Write): boolean =>
  write.some((part) => isExpect(part) || (part._tag === "Put" && part.expected !== "any" && write.length > 1))

/** The first expectation that is not met. What is met stays so until the transaction ends: its rows are locked. */
export const conflictIn = async (
  connection: Connection,
  { fence, lock }: Statements,
  write: Write
): Promise<Conflict | undefined> => {
  const lockAll = async () => outcomes(await connection.query(lock, ids(write)), write.length, 0)
  let found = await lockAll()
  const absent = write.filter((part) => isExpect(part) && part.expected === 0)
  if (absent.length > 0) {
    // Where there is no row there is nothing to lock. Rows come before floors, as in all statements.
    await connection.query(fence, [text(absent.map(({ collection }) => toStored(collection)))])
    found = await lockAll()
  }
  for (const [part, step] of write.entries()) {
    const actual = found[part]?.found ?? 0
    if (step._tag !== "Remove" && step.expected !== "any" && step.expected !== actual)
      return { _tag: "Conflict", actual, part }
  }
  return undefined
}
