import { randomUUID } from "node:crypto"
import { setTimeout as sleep } from "node:timers/promises"
import { Exit } from "effect"
import { Grouping, type Waiting } from "../../internal/grouping.ts"
import type { Append, Appended, Id } from "../../stream/Log.ts"
import type { Conflict, Failure } from "../Engine.ts"
import type { Param, Row } from "./connection.ts"
import { Failed } from "./errors.ts"
import type { LogStatements } from "./logStatements.ts"
import { toStored } from "./names.ts"
import { payloads } from "./notices.ts"
import { ids, text } from "./parts.ts"
import type { Pool } from "./pool.ts"
import { toFailure } from "./reads.ts"
import { again, isAboutValues } from "./writes.ts"

/** What appends need to know. */
export interface AppendOptions {
  readonly pool: Pool
  readonly statements: LogStatements
  readonly channel: string
  /** Under which name commits are told to others; not at all if there is none. */
  readonly sender: string | undefined
  /** As what they are told: states have collections of the same names. */
  readonly noticed: (id: Id) => Id
}

type Asked = Waiting<Append, Appended, Failure | Conflict>
type Outcome = Appended | Conflict

/** Appends that come together are one statement, and so one commit. */
export const grouping = (options: AppendOptions): Grouping<Append, Appended, Failure | Conflict> =>
  new Grouping({
    // One after the other: so answers come in the order of the positions.
    lanes: 1,
    most: 256,
    // As for states.
    mostBytes: 1_000_000,
    run: async (group) => {
      for (const batch of batches(group)) await runBatch(options, batch)
    }
  })

/** The size of an append, more or less. */
export const sizeOf = ({ events }: Append): number => events.reduce((sum, { data }) => sum + data.length + 50, 50)

// What comes second under one id has to find the first.
const batches = function* (group: ReadonlyArray<Asked>): Generator<ReadonlyArray<Asked>> {
  let batch: Array<Asked> = []
  let named = new Set<string>()
  for (const asked of group) {
    const { collection, id, key } = asked.request
    const name = id === undefined ? undefined : JSON.stringify([collection, key, id])
    if (name !== undefined && named.has(name)) {
      yield batch
      batch = []
      named = new Set()
    }
    batch.push(asked)
    if (name !== undefined) named.add(name)
  }
  yield batch
}

const runBatch = async (options: AppendOptions, batch: ReadonlyArray<Asked>): Promise<void> => {
  const op = randomUUID()
  try {
    const outcomes = await perform(options, batch, op)
    for (const [i, { resume }] of batch.entries()) resume(exitOf(outcomes[i]))
  } catch (error) {
    if (!(error instanceof Failed)) for (const { resume } of batch) resume(Exit.die(error))
    else if (error.isLost) await settle(options, batch, op, error)
    // What cannot be stored is no reason to refuse its neighbours.
    else if (isAboutValues(error) && batch.length > 1) for (const one of batch) await runBatch(options, [one])
    else for (const { resume } of batch) resume(isAboutValues(error) ? Exit.fail(invalid(error)) : toFailure(error))
  }
}

const invalid = ({ state }: Failed): Failure => ({
  _tag: "Invalid",
  reason: `PostgreSQL cannot store it (${state}): its key or its id is longer than an index entry, some 2 600 bytes, or its data is no JSON or too large`
})

const perform = (options: AppendOptions, batch: ReadonlyArray<Asked>, op: string): Promise<ReadonlyArray<Outcome>> => {
  const { channel, noticed, pool, sender, statements } = options
  const appends = batch.map(({ request }) => request)
  const events = appends.flatMap(({ events }, n) => events.map((event, place) => ({ ...event, owner: n + 1, place })))
  const params: ReadonlyArray<Param> = [
    ...ids(appends),
    { type: "int8", values: appends.map(({ expected }) => (expected === "any" ? -1 : expected)) },
    { type: "float8", values: appends.map(({ at }) => at) },
    text(appends.map(({ id }) => (id === undefined ? null : toStored(id)))),
    { type: "int8", values: appends.map(({ events }) => events.length) },
    { type: "int8", values: events.map(({ owner }) => owner) },
    { type: "int8", values: events.map(({ place }) => place) },
    text(events.map(({ type }) => toStored(type))),
    text(events.map(({ data }) => data)),
    op,
    channel,
    sender === undefined ? null : text(payloads(sender, appends.map(noticed)))
  ]
  return again(async () => {
    const rows = await pool.use((connection) => connection.query(statements.append, params))
    return rows.map(toOutcome)
  })
}

const toOutcome = ([first, last, known, actual]: Row): Outcome =>
  Number(first) === 0
    ? { _tag: "Conflict", actual: Number(actual) }
    : { first: Number(first), last: Number(last), wasKnown: known === true || known === "t" }

const exitOf = (outcome: Outcome | undefined): Exit.Exit<Appended, Conflict> =>
  outcome === undefined
    ? Exit.die(new Error("an append was not answered"))
    : "_tag" in outcome
      ? Exit.fail(outcome)
      : Exit.succeed(outcome)

/**
 * Answers appends whose answer was lost. One that has an id is done again, which does nothing where it was done; what became of
 * the others nobody can tell.
 */
const settle = async (
  options: AppendOptions,
  batch: ReadonlyArray<Asked>,
  op: string,
  { failure }: Failed
): Promise<void> => {
  const { cause, reason } = failure._tag === "Unavailable" ? failure : { cause: undefined, reason: failure._tag }
  const lost = Exit.fail<Failure>({ _tag: "Indeterminate", reason: `its answer was lost: ${reason}`, cause })
  const isNamed = ({ request }: Asked) => request.id !== undefined
  for (const { resume } of batch.filter((asked) => !isNamed(asked))) resume(lost)
  const named = batch.filter(isNamed)
  const outcomes = named.length === 0 ? [] : await repeat(options, named, op)
  for (const [i, { request, resume }] of named.entries()) {
    const outcome = outcomes[i]
    const isSettled = outcome !== undefined && !mayStillFit(outcome, request)
    resume(isSettled ? exitOf(outcome) : lost)
  }
}

/** Whether the stream may yet come to where the lost one, which may still be on its way, expects it. */
const mayStillFit = (outcome: Outcome, { expected }: Append): boolean =>
  "_tag" in outcome && expected !== "any" && outcome.actual < expected

/** Until the server answers; nothing if it does not, or refuses. */
const repeat = async (
  options: AppendOptions,
  batch: ReadonlyArray<Asked>,
  op: string
): Promise<ReadonlyArray<Outcome>> => {
  const deadline = performance.now() + options.pool.limits.acquireTimeout
  for (let pause = 20; ; pause = Math.min(500, pause * 2)) {
    try {
      return await perform(options, batch, op)
    } catch (error) {
      if (!(error instanceof Failed) || error.failure._tag === "Closed") return []
    }
    if (performance.now() + pause > deadline) return []
    await sleep(pause)
  }
}
