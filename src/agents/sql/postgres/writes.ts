import { randomUUID } from "node:crypto"
import { setTimeout as sleep } from "node:timers/promises"
import { Exit } from "effect"
import { byteLength } from "../../../schema/Codec.ts"
import { Grouping, type Waiting } from "../../internal/grouping.ts"
import type { Conflict, Failure, Id, Put, Remove, Write, Written } from "../Engine.ts"
import { conflictIn, isConditional } from "./conditional.ts"
import type { Connection, Param } from "./connection.ts"
import { Failed } from "./errors.ts"
import { lookUp } from "./lookUp.ts"
import { toStored } from "./names.ts"
import { payloads } from "./notices.ts"
import { ids, isExpect, isPut, type Outcome, outcomes, text } from "./parts.ts"
import { isJson, toColumns } from "./payload.ts"
import type { Pool } from "./pool.ts"
import { toFailure } from "./reads.ts"
import type { Statements } from "./statements.ts"

/** What writes need to know. */
export interface WriteOptions {
  readonly pool: Pool
  readonly statements: Statements
  /** Under which name commits are told to others; not at all if there is none. */
  readonly sender: string | undefined
}

type Asked = Waiting<Write, Written, Failure | Conflict>

/** Which texts are not to be taken for JSON: none, those that are none by the judgement of this side, or all. */
type Doubt = "none" | "some" | "all"

// While the server is at work on one statement, the next one is sent: with states of 100 KB that saves a third of the time.
const lanes = 2

/** Writes that come together are one statement, and so one commit. */
export const grouping = (options: WriteOptions): Grouping<Write, Written, Failure | Conflict> => {
  // The last batch of each key that is under way: the next one of that key waits for it, so that answers keep the order.
  const last = new Map<string, Promise<void>>()
  const runInTurn = (batch: ReadonlyArray<Asked>): Promise<void> => {
    const ids = new Set(batch.flatMap(({ request }) => request.map(idOf)))
    const before = new Set([...ids].flatMap((id) => last.get(id) ?? []))
    const running =
      before.size === 0 ? runBatch(options, batch) : Promise.allSettled(before).then(() => runBatch(options, batch))
    for (const id of ids) last.set(id, running)
    return running.finally(() => {
      for (const id of ids) if (last.get(id) === running) last.delete(id)
    })
  }
  return new Grouping({
    lanes: Math.min(lanes, options.pool.limits.max),
    most: 256,
    // Larger statements spill to the server's disk.
    mostBytes: 1_000_000,
    run: async (group) => {
      for (const batch of batches(group)) await runInTurn(batch)
    }
  })
}

const idOf = ({ collection, key }: Id): string => `${collection.length}:${collection}${key}`

/** The size of a write, more or less. */
export const sizeOf = (write: Write): number =>
  write.reduce((sum, part) => sum + (part._tag === "Put" ? byteLength(part.state) : 0), 100 * write.length)

// A statement sees what was there before it: a key can be in it once, and to be put or to be removed.
const batches = function* (group: ReadonlyArray<Asked>): Generator<ReadonlyArray<Asked>> {
  let batch: Array<Asked> = []
  let keys = new Set<string>()
  let kind = ""
  for (const asked of group) {
    const ids = asked.request.map(idOf)
    const mine = kindOf(asked.request)
    if (batch.length > 0 && (mine !== kind || mine === "mixed" || ids.some((id) => keys.has(id)))) {
      yield batch
      batch = []
      keys = new Set()
    }
    batch.push(asked)
    kind = mine
    for (const id of ids) keys.add(id)
  }
  if (batch.length > 0) yield batch
}

// What is mixed is a transaction of several statements, alone in its batch.
const kindOf = (write: Write): "puts" | "removes" | "mixed" => {
  if (isConditional(write)) return "mixed"
  return write.every(isPut) ? "puts" : write.some(isPut) ? "mixed" : "removes"
}

const runBatch = async (options: WriteOptions, batch: ReadonlyArray<Asked>, doubt: Doubt = "none"): Promise<void> => {
  const op = randomUUID()
  try {
    const answers = await again(() => options.pool.use((connection) => perform(connection, options, batch, op, doubt)))
    for (const [i, { resume }] of batch.entries()) resume(answers[i] ?? Exit.succeed([]))
  } catch (error) {
    if (!(error instanceof Failed)) for (const { resume } of batch) resume(Exit.die(error))
    else if (error.isLost) await lookUp(options, batch, op, error)
    // A state that cannot be stored is no reason to refuse its neighbours.
    else if (isAboutValues(error) && batch.length > 1) for (const one of batch) await runBatch(options, [one], doubt)
    else if (isAboutValues(error) && doubt !== "all") await runBatch(options, batch, doubt === "none" ? "some" : "all")
    else for (const { resume } of batch) resume(isAboutValues(error) ? Exit.fail(invalid(error)) : toFailure(error))
  }
}

const mostAttempts = 20
const transient: ReadonlySet<string | undefined> = new Set(["22012", "40001", "40P01"])

/** Again, after a while of chance, where other transactions were in the way and nothing was done. */
export const again = async <A>(attempt: () => Promise<A>): Promise<A> => {
  for (let attempts = 1; ; attempts++)
    try {
      return await attempt()
    } catch (error) {
      if (!(error instanceof Failed) || !transient.has(error.state) || attempts === mostAttempts) throw error
      await sleep(Math.random() * Math.min(100, 2 ** attempts))
    }
}

/** Values that JSONB or an index cannot hold, as opposed to a server that cannot work. */
export const isAboutValues = ({ state }: Failed): boolean =>
  state !== undefined && state !== "22012" && (state.startsWith("22") || state.startsWith("54"))

const invalid = ({ state }: Failed): Failure => ({
  _tag: "Invalid",
  reason: `PostgreSQL cannot store it (${state}): its key is longer than an index entry, some 2 600 bytes, or the state is too large`
})

type Answer = Exit.Exit<Written, Failure | Conflict>

const perform = async (
  connection: Connection,
  options: WriteOptions,
  batch: ReadonlyArray<Asked>,
  op: string,
  doubt: Doubt
): Promise<ReadonlyArray<Answer>> => {
  const parts = batch.flatMap(({ request }) => request)
  const puts = parts.filter(isPut)
  const removes = parts.filter((part): part is Remove => part._tag === "Remove")
  const isMixed = batch.some(({ request }) => kindOf(request) === "mixed")
  const end = async (isWritten: boolean): Promise<void> => {
    if (!isMixed) return
    if (isWritten) await connection.query("COMMIT", [])
    // Sent at any rate, so that the connection comes back without a transaction.
    else await connection.query("ROLLBACK", []).catch(() => connection.destroy())
  }
  // Said, since a statement has to see what was committed while it waited for a lock.
  if (isMixed) await connection.query("BEGIN ISOLATION LEVEL READ COMMITTED", [])
  try {
    const conflict =
      isConditional(parts) && isMixed ? await conflictIn(connection, options.statements, parts) : undefined
    if (conflict !== undefined) {
      await end(false)
      return [Exit.fail(conflict)]
    }
    const removed = removes.length === 0 ? [] : await remove(connection, options, removes)
    const put = puts.length === 0 ? [] : await store(connection, options, puts, op, doubt)
    const all = answers(batch, put, removed)
    await end(all.every(Exit.isSuccess))
    return all
  } catch (error) {
    await end(false)
    throw error
  }
}

const answers = (
  batch: ReadonlyArray<Asked>,
  puts: ReadonlyArray<Outcome>,
  removes: ReadonlyArray<Outcome>
): ReadonlyArray<Answer> => {
  let [p, r] = [0, 0]
  return batch.map(({ request }): Answer => {
    const outcomes = request.map((part): Outcome => {
      if (isExpect(part)) return { done: part.expected, found: part.expected }
      return (isPut(part) ? puts[p++] : removes[r++]) ?? { done: undefined, found: 0 }
    })
    const part = outcomes.findIndex(({ done }) => done === undefined)
    return part < 0
      ? Exit.succeed(outcomes.map(({ done = 0 }) => done))
      : Exit.fail({ _tag: "Conflict", actual: outcomes[part]?.found ?? 0, part: part > 0 ? part : undefined })
  })
}

const notices = ({ sender }: WriteOptions, schemaChannel: string, parts: ReadonlyArray<Id>): Array<Param> =>
  sender === undefined ? [] : [schemaChannel, text(payloads(sender, parts))]

const store = async (
  connection: Connection,
  options: WriteOptions,
  puts: ReadonlyArray<Put>,
  op: string,
  doubt: Doubt
): Promise<ReadonlyArray<Outcome>> => {
  const { sender, statements } = options
  const columns = puts.map(({ state }) =>
    toColumns(state, doubt === "all" || (doubt === "some" && typeof state === "string" && !isJson(state)))
  )
  const features = {
    archives: puts.some(({ keep }) => keep.count > 1),
    prunes: puts.some(({ keep }) => keep.count > 1 && (keep.count < unlimited || keep.from > Number.NEGATIVE_INFINITY)),
    notifies: sender !== undefined
  }
  const [one] = puts
  const [column] = columns
  if (puts.length === 1 && one !== undefined && column !== undefined && one.expected !== 0) {
    const [row] = await connection.query(statements.replace(features), [
      toStored(one.collection),
      toStored(one.key),
      one.expected === "any" ? -1 : one.expected,
      one.savedAt,
      column.body,
      column.raw,
      column.json,
      column.approximate,
      Math.min(unlimited, one.keep.count),
      one.keep.from,
      one.patch?.text ?? null,
      one.patch?.base ?? null,
      op,
      ...notices(options, statements.channel, puts)
    ])
    if (row !== undefined) return [{ done: Number(row[0]), found: 0 }]
    // There is no state yet, or one of another revision.
  }
  const rows = await connection.query(statements.put(features), [
    ...ids(puts),
    { type: "int8", values: puts.map(({ expected }) => (expected === "any" ? -1 : expected)) },
    { type: "float8", values: puts.map(({ savedAt }) => savedAt) },
    text(columns.map(({ body }) => body)),
    { type: "bytea", values: columns.map(({ raw }) => raw) },
    text(columns.map(({ json }) => json)),
    { type: "bool", values: columns.map(({ approximate }) => approximate) },
    { type: "int8", values: puts.map(({ keep }) => Math.min(unlimited, keep.count)) },
    { type: "float8", values: puts.map(({ keep }) => keep.from) },
    text(puts.map(({ patch }) => patch?.text ?? null)),
    { type: "int8", values: puts.map(({ patch }) => patch?.base ?? null) },
    op,
    ...notices(options, statements.channel, puts)
  ])
  return outcomes(rows, puts.length, undefined)
}

// More revisions than there will ever be.
const unlimited = Number.MAX_SAFE_INTEGER

const remove = async (
  connection: Connection,
  options: WriteOptions,
  removes: ReadonlyArray<Remove>
): Promise<ReadonlyArray<Outcome>> => {
  const { sender, statements } = options
  const sql = statements.remove(sender !== undefined)
  const rows = await connection.query(sql, [...ids(removes), ...notices(options, statements.channel, removes)])
  return outcomes(rows, removes.length, 0)
}
