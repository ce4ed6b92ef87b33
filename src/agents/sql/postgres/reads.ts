import { Effect, Exit } from "effect"
import type { Payload } from "../../../schema/Codec.ts"
import { Grouping, type Waiting } from "../../internal/grouping.ts"
import * as Revision from "../../Revision.ts"
import type { Current, Failure, Id, Past } from "../Engine.ts"
import type { Connection, Row } from "./connection.ts"
import { Failed } from "./errors.ts"
import { toStored } from "./names.ts"
import { fromColumns } from "./payload.ts"
import type { Pool } from "./pool.ts"
import type { Statements } from "./statements.ts"

type Asked = Waiting<Id, Current | undefined, Failure>

/** Reads that were asked for together, as one round trip. */
export const grouping = (pool: Pool, statements: Statements): Grouping<Id, Current | undefined, Failure> =>
  new Grouping({
    lanes: Math.max(1, Math.min(4, pool.limits.max - 1)),
    most: 128,
    mostBytes: Number.POSITIVE_INFINITY,
    run: (group) => readGroup(pool, statements, group)
  })

const readGroup = async (pool: Pool, statements: Statements, group: ReadonlyArray<Asked>): Promise<void> => {
  try {
    const rows = await patiently(pool, (connection) => readRows(connection, statements, group))
    const found = new Map(rows.map((row) => [Number(row[0]), row]))
    for (const [i, { request, resume }] of group.entries()) {
      const row = found.get(i + 1)
      resume(row === undefined ? Exit.succeed(undefined) : current(request.key, row))
    }
  } catch (error) {
    const failure = toFailure(error)
    for (const { resume } of group) resume(failure)
  }
}

const readRows = (
  connection: Connection,
  { readAny, readOne }: Statements,
  group: ReadonlyArray<Asked>
): Promise<ReadonlyArray<Row>> => {
  const [first] = group
  if (group.length === 1 && first !== undefined)
    return connection.query(readOne, [toStored(first.request.collection), toStored(first.request.key)])
  const of = (name: keyof Id) =>
    ({ type: "text", values: group.map(({ request }) => toStored(request[name])) }) as const
  return connection.query(readAny, [of("collection"), of("key")])
}

/** What only reads is done again when its connection breaks: it may have been dead before. */
export const patiently = async <A>(
  pool: Pool,
  read: (connection: Connection) => Promise<A>,
  statementTimeout = pool.limits.statementTimeout
): Promise<A> => {
  for (let again = 2; ; again--)
    try {
      return await pool.use(read, statementTimeout)
    } catch (error) {
      const isWorthIt = error instanceof Failed && error.isLost && error.failure._tag === "Unavailable"
      if (!isWorthIt || again === 0 || error.isLate) throw error
    }
}

/** What a promise rejected with, as an exit. Anything but a `Failed` is a mistake of ours. */
export const toFailure = (error: unknown): Exit.Exit<never, Failure> =>
  error instanceof Failed ? Exit.fail(error.failure) : Exit.die(error)

/** A read as an effect. */
export const reading = <A>(
  pool: Pool,
  read: (connection: Connection) => Promise<A>,
  statementTimeout?: number
): Effect.Effect<A, Failure> =>
  Effect.callback<A, Failure>((resume) => {
    patiently(pool, read, statementTimeout).then(
      (found) => resume(Exit.succeed(found)),
      (error) => resume(toFailure(error))
    )
  })

/** A row of `n, revision, saved_at, body, raw, since`. */
export const current = (key: string, row: Row): Exit.Exit<Current, Failure> => {
  const [, revision, savedAt, body, raw, since] = row
  const state = payload(body, raw)
  if (state === undefined) return corrupt(key, revision)
  return Exit.succeed({
    state,
    savedAt: Number(savedAt),
    revision: Revision.make(Number(revision)),
    since: Number(since)
  })
}

/** A row of `revision, saved_at, body, raw, is_patch`. */
export const past = (key: string, row: Row): Exit.Exit<Past, Failure> => {
  const [revision, savedAt, body, raw, isPatch] = row
  const state = payload(body, raw)
  if (state === undefined) return corrupt(key, revision)
  return Exit.succeed({
    state,
    savedAt: Number(savedAt),
    revision: Revision.make(Number(revision)),
    isPatch: isPatch === true || isPatch === "t"
  })
}

const payload = (body: Row[number] | undefined, raw: Row[number] | undefined): Payload | undefined =>
  fromColumns(typeof body === "string" ? body : null, raw instanceof Uint8Array ? raw : null)

const corrupt = (key: string, revision: unknown): Exit.Exit<never, Failure> =>
  Exit.fail({
    _tag: "Corrupt",
    location: `revision ${String(revision)}${key === "" ? "" : ` of key ${JSON.stringify(key)}`}`,
    reason: "the row holds neither text nor bytes"
  })
