import { Effect, type Scope } from "effect"
import { type Append, type Appended, type Id, pageBytes, type Stored } from "../../stream/Log.ts"
import type { Conflict, EventLog, Failure } from "../Engine.ts"
import { StreamWatchers } from "../streamWatchers.ts"
import type { Param, Row } from "./connection.ts"
import type { Listener } from "./listener.ts"
import * as Appends from "./logAppends.ts"
import { statementsOf } from "./logStatements.ts"
import { fromStored, toStored } from "./names.ts"
import type { Pool } from "./pool.ts"
import type { Tables } from "./schema.ts"

// So many events go in one transaction, so that nobody waits long for its locks.
const compactedAtOnce = 10_000

/** What the log of a database is made of. */
export interface Parts {
  readonly pool: Pool
  readonly tables: Tables
  readonly listener: Listener
  readonly channel: string
  /** Under which name commits are told to others; not at all if there is none. */
  readonly sender: string | undefined
  /** Runs what is asked of a database that is open. */
  readonly open: <A, E, R>(run: () => Effect.Effect<A, E, R>) => Effect.Effect<A, E | Failure, R>
  /** Runs a statement that may be run again. */
  readonly rows: (sql: string, params: ReadonlyArray<Param>) => Effect.Effect<ReadonlyArray<Row>, Failure>
}

/** The events in a PostgreSQL database. */
export const make = ({ channel, listener, open, pool, rows, sender, tables }: Parts): EventLog => {
  const statements = statementsOf(tables)
  const appends = Appends.grouping({ pool, statements, channel, sender, noticed })
  const watchers = new StreamWatchers()

  const append = (append: Append): Effect.Effect<Appended, Failure | Conflict> =>
    // Whatever became of it: after a lost answer it may be there.
    Effect.onExit(
      open(() => appends.ask(append, Appends.sizeOf(append))),
      () => Effect.sync(() => watchers.tell(append))
    )

  const bounds = (id: Id) =>
    Effect.map(rows(statements.bounds, nameOf(id)), ([row]) => ({
      compacted: Number(row?.[0] ?? 0),
      last: Number(row?.[1] ?? 0)
    }))

  const compact = (id: Id, upTo: number): Effect.Effect<void, Failure> =>
    Effect.flatMap(bounds(id), ({ compacted, last }): Effect.Effect<void, Failure> => {
      const end = Math.min(upTo, last)
      if (end <= compacted) return Effect.void
      const next = Math.min(end, compacted + compactedAtOnce)
      return Effect.andThen(
        rows(statements.compact, [...nameOf(id), next]),
        next === end ? Effect.void : compact(id, end)
      )
    })

  return {
    append,
    read: (id, { after, limit }) =>
      Effect.map(rows(statements.read, [...nameOf(id), after, whole(limit), pageBytes]), (found) =>
        found.map(
          ([position, at, type, data]): Stored => ({
            position: Number(position),
            at: Number(at),
            type: fromStored(String(type)),
            data: String(data)
          })
        )
      ),
    bounds,
    positionAt: (id, time) =>
      Effect.map(rows(statements.positionAt, [...nameOf(id), time]), ([row]) => Number(row?.[0] ?? 0)),
    compact,
    keys: (collection, { after, limit, prefix }) => {
      const from = after === undefined ? null : toStored(after)
      return Effect.map(rows(statements.keys, [toStored(collection), toStored(prefix), from, whole(limit)]), (found) =>
        found.map(([key]) => fromStored(String(key))).filter((key) => key.startsWith(prefix))
      )
    },
    watch: (id, notice): Effect.Effect<void, Failure, Scope.Scope> =>
      open(() => {
        const heard = (keys: ReadonlyArray<string> | "all") => {
          if (keys === "all" || keys.includes(id.key)) notice()
        }
        return Effect.andThen(
          Effect.acquireRelease(
            Effect.sync(() => watchers.add(id, notice)),
            (stop) => Effect.sync(stop)
          ),
          listener.watch(noticed(id).collection, heard)
        )
      })
  }
}

/** States have collections of the same names. */
const noticed = ({ collection, key }: Id): Id => ({ collection: `log:${collection}`, key })

const nameOf = ({ collection, key }: Id): [string, string] => [toStored(collection), toStored(key)]

/** As a bigint, for which there is no infinity. */
const whole = (count: number): number => Math.trunc(Math.max(0, Math.min(Number.MAX_SAFE_INTEGER, count)))
