import { randomUUID } from "node:crypto"
import { Effect, Exit, type Scope } from "effect"
import type { Claims } from "../../Claims.ts"
import * as Lifetime from "../../internal/lifetime.ts"
import { indexStatement } from "../../query/indexes.ts"
import type { Current, Engine, Failure, Past } from "../Engine.ts"
import type { Connection, NamedRow } from "./connection.ts"
import { dialect } from "./dialect.ts"
import { Failed, scrubbed, sqlState } from "./errors.ts"
import { ensure } from "./indexing.ts"
import { Listener } from "./listener.ts"
import * as Log from "./log.ts"
import { fromStored, toStored } from "./names.ts"
import type { Pool } from "./pool.ts"
import * as Reads from "./reads.ts"
import type { Tables } from "./schema.ts"
import { source } from "./source.ts"
import { statementsOf } from "./statements.ts"
import * as Writes from "./writes.ts"

/** What an engine is made of. */
export interface EngineOptions {
  readonly name: string
  readonly pool: Pool
  readonly tables: Tables
  readonly claims: Omit<Claims, "history">
  /** Whether commits are told to others. */
  readonly notify: boolean
  /** How a connection is opened to hear of them; not at all if there is none. */
  readonly listen: (() => Promise<Connection>) | undefined
  /** In milliseconds: see `ListenerOptions`. */
  readonly poll: number
}

/** PostgreSQL as an engine, over tables that are set up, until the scope closes. The pool is not closed with it. */
export const make = (options: EngineOptions): Effect.Effect<Engine, never, Scope.Scope> =>
  Effect.map(Lifetime.make, (lifetime) => build(options, lifetime))

const notIndexable = "the agent's name has a lone surrogate in it, which no index can be on; name it otherwise"

const patience = 2 ** 31 - 1

const build = (options: EngineOptions, lifetime: Lifetime.Lifetime): Engine => {
  const { claims, listen, name, notify, poll, pool, tables } = options
  const statements = statementsOf(tables)
  const sender = randomUUID().slice(0, 8)
  const reads = Reads.grouping(pool, statements)
  const writes = Writes.grouping({ pool, statements, sender: notify ? sender : undefined })
  const listener = new Listener({ connect: listen, channel: statements.channel, sender, poll })
  const open = <A, E, R>(run: () => Effect.Effect<A, E, R>): Effect.Effect<A, E | Failure, R> =>
    Effect.suspend(
      (): Effect.Effect<A, E | Failure, R> => (lifetime.isClosed() ? Effect.fail({ _tag: "Closed" }) : run())
    )
  const rows = (sql: string, params: Parameters<Connection["query"]>[1]) =>
    open(() => Reads.reading(pool, (connection) => connection.query(sql, params)))

  return {
    name,
    claims,
    dialect,
    source: (collection, keep) => source(tables, collection, keep),
    index: (collection, index) => {
      const statement = indexStatement(dialect, tables.state, toStored(collection), index)
      if (statement === undefined) return Exit.fail({ _tag: "Unavailable", reason: notIndexable, retryable: false })
      // As long as it takes: a large table may take minutes.
      return open(() => Reads.reading(pool, (connection) => ensure(connection, tables, statement), patience))
    },
    read: (id) => open(() => reads.ask(id, 0)),
    readMany: (collection, keys) =>
      Effect.flatMap(
        rows(statements.readMany, [toStored(collection), { type: "text", values: keys.map(toStored) }]),
        (found): Exit.Exit<ReadonlyMap<string, Current>, Failure> => {
          const all = new Map<string, Current>()
          for (const row of found) {
            const key = keys[Number(row[0]) - 1] ?? ""
            const entry = Reads.current(key, row)
            if (Exit.isFailure(entry)) return Exit.failCause(entry.cause)
            all.set(key, entry.value)
          }
          return Exit.succeed(all)
        }
      ),
    history: ({ collection, key }, before, limit) =>
      Effect.flatMap(
        rows(statements.history, [toStored(collection), toStored(key), whole(before), whole(limit)]),
        (found): Effect.Effect<ReadonlyArray<Past>, Failure> => Effect.forEach(found, (row) => Reads.past(key, row))
      ),
    revisionAt: ({ collection, key }, time) =>
      Effect.map(rows(statements.revisionAt, [toStored(collection), toStored(key), time]), ([row]) =>
        Number(row?.[0] ?? 0)
      ),
    floor: (collection) => Effect.map(rows(statements.floor, [toStored(collection)]), ([row]) => Number(row?.[0] ?? 0)),
    keys: (collection, start, limit) => {
      const [sql, key] = "from" in start ? [statements.keysFrom, start.from] : [statements.keysAfter, start.after]
      return Effect.map(rows(sql, [toStored(collection), toStored(key), whole(limit)]), (found) =>
        found.map(([key]) => fromStored(String(key)))
      )
    },
    write: (write) => open(() => writes.ask(write, Writes.sizeOf(write))),
    log: Log.make({
      pool,
      tables,
      listener,
      channel: statements.channel,
      sender: notify ? sender : undefined,
      open,
      rows
    }),
    postgres: (statements, millis) =>
      open(() => Reads.reading(pool, (connection) => statements(connection.query), millis)),
    query: ({ params, sql }) => open(() => Reads.reading(pool, (connection) => readOnly(connection, sql, params))),
    watch: (collection, notice): Effect.Effect<void, Failure, Scope.Scope> =>
      open(() => listener.watch(collection, notice)),
    ping: Effect.asVoid(rows("SELECT 1", []))
  }
}

/** As a bigint, for which there is no infinity. */
const whole = (count: number): number => Math.trunc(Math.max(0, Math.min(Number.MAX_SAFE_INTEGER, count)))

/** Whatever the statement says: in a transaction that writes nothing, and whose settings end with it. */
const readOnly = async (
  connection: Connection,
  sql: string,
  params: Parameters<Connection["named"]>[1]
): Promise<ReadonlyArray<NamedRow>> => {
  await connection.query("BEGIN READ ONLY", [])
  try {
    return await connection.named(sql, params)
  } catch (error) {
    // Not the server's doing, as it would be in a write.
    if (sqlState(error) !== "25006") throw error
    const reason = "a query reads, and this one would write; states are written through their agents (25006)"
    throw new Failed({ _tag: "Unavailable", reason, retryable: false, cause: scrubbed(error) })
  } finally {
    await connection.query("ROLLBACK", []).catch(() => connection.destroy())
  }
}
