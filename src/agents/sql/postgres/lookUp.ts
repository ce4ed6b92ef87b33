import { setTimeout as sleep } from "node:timers/promises"
import { Exit } from "effect"
import type { Waiting } from "../../internal/grouping.ts"
import type { Conflict, Failure, Put, Write, Written } from "../Engine.ts"
import { Failed } from "./errors.ts"
import { ids, isExpect, isPut, type Outcome, outcomes } from "./parts.ts"
import type { Pool } from "./pool.ts"
import type { Statements } from "./statements.ts"

// A server may still be at work on what it was sent: so long, in milliseconds, it is asked again whether it is done.
const lookingMillis = 500

/** Answers writes whose answer was lost, as far as what they left tells what became of them. */
export const lookUp = async (
  { pool, statements }: { readonly pool: Pool; readonly statements: Statements },
  batch: ReadonlyArray<Waiting<Write, Written, Failure | Conflict>>,
  op: string,
  { failure }: Failed
): Promise<void> => {
  const puts = batch.flatMap(({ request }) => request).filter(isPut)
  const found = puts.length === 0 ? [] : await find(pool, statements, puts, op)
  let p = 0
  for (const { request, resume } of batch) {
    const written = request.map((part) => (isPut(part) ? found[p++]?.done : isExpect(part) ? part.expected : undefined))
    const revisions = written.filter((revision) => revision !== undefined)
    // Nothing was to be written.
    if (request.every(isExpect)) resume(Exit.fail(failure))
    else if (revisions.length === request.length) resume(Exit.succeed(revisions))
    else resume(Exit.fail(indeterminate(failure)))
  }
}

const indeterminate = (failure: Failure): Failure => {
  const { cause, reason } = failure._tag === "Unavailable" ? failure : { cause: undefined, reason: failure._tag }
  return { _tag: "Indeterminate", reason: `its answer was lost: ${reason}`, cause }
}

const find = async (
  pool: Pool,
  statements: Statements,
  puts: ReadonlyArray<Put>,
  op: string
): Promise<ReadonlyArray<Outcome>> => {
  let deadline = performance.now() + pool.limits.acquireTimeout
  let isReached = false
  for (let pause = 20; ; pause = Math.min(500, pause * 2)) {
    try {
      const rows = await pool.use((connection) => connection.query(statements.find, [...ids(puts), op]))
      const all = outcomes(rows, puts.length, undefined)
      if (all.some(({ done }) => done !== undefined)) return all
      if (!isReached) deadline = Math.min(deadline, performance.now() + lookingMillis)
      isReached = true
    } catch (error) {
      if (!(error instanceof Failed) || error.failure._tag === "Closed") return []
    }
    if (performance.now() + pause > deadline) return []
    await sleep(pause)
  }
}
