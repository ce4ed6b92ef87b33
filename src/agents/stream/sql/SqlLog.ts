/**
 * Events in a SQL database, beside the states of `SqlAgent` in it: a row for each event. Which database is the layer's business:
 * `SqliteDriver.layer` of `dgents/sqlite`, `PostgresDriver.layer` of `dgents/postgres`.
 *
 * - Promises: what the driver claims, and `linearizable` on all of them. SQLite: `power` (`process` at `synchronous: "normal"`),
 *   shared by the processes of one `host`. Postgres: what the server's settings amount to, shared over a `network`. Ids are known
 *   as long as the last event of their append is kept.
 * - Costs: one transaction an append, shared with all that is written at the same time; one statement a page of a read. An event
 *   of another process is noticed within 25 ms on SQLite, and by NOTIFY on Postgres.
 * - Fails: with `Indeterminate` when nobody can tell what became of a COMMIT: on Postgres only where the append has no id, or the
 *   server stays away; with `Invalid` for what is no well-formed text, and with `Closed` after its scope.
 */
import { Effect, Exit, Layer, type Scope } from "effect"
import type { Failure } from "../../internal/backend.ts"
import * as Lifetime from "../../internal/lifetime.ts"
import { StorageUnavailable } from "../../StateError.ts"
import type { EventLog } from "../../sql/Engine.ts"
import { SqlDriver } from "../../sql/SqlDriver.ts"
import type { Append, Log } from "../Log.ts"
import { StreamLog } from "../StreamLog.ts"

/** The events of the database of `SqlDriver`, until the scope closes. Logs of one database hold the same streams. */
export const make: Effect.Effect<Log, StorageUnavailable, Scope.Scope | SqlDriver> = Effect.gen(function* () {
  const { engine } = yield* SqlDriver
  const { claims, log, name, ping } = engine
  if (log === undefined)
    return yield* new StorageUnavailable({
      agent: "SqlLog",
      operation: "open",
      reason: `the driver ${name} keeps states and no events; use one that has a log, such as SqliteDriver`,
      retryable: false
    })
  const lifetime = yield* Lifetime.make
  return { name, claims, ...guarded(log, lifetime), ping: open(lifetime, () => ping) }
})

/** The same as a layer. */
export const layer: Layer.Layer<StreamLog, StorageUnavailable, SqlDriver> = Layer.effect(StreamLog, make)

const guarded = (log: EventLog, lifetime: Lifetime.Lifetime): EventLog => ({
  append: (append) =>
    open(lifetime, () => {
      const reason = notText(append)
      return reason === undefined ? log.append(append) : Exit.fail({ _tag: "Invalid", reason })
    }),
  read: (id, part) => open(lifetime, () => log.read(id, part)),
  bounds: (id) => open(lifetime, () => log.bounds(id)),
  positionAt: (id, time) => open(lifetime, () => log.positionAt(id, time)),
  compact: (id, upTo) => open(lifetime, () => log.compact(id, upTo)),
  keys: (collection, options) => open(lifetime, () => log.keys(collection, options)),
  watch: (id, notice) => open(lifetime, () => log.watch(id, notice))
})

const open = <A, E, R>(
  lifetime: Lifetime.Lifetime,
  run: () => Effect.Effect<A, E | Failure, R>
): Effect.Effect<A, E | Failure, R> =>
  Effect.suspend((): Effect.Effect<A, E | Failure, R> => (lifetime.isClosed() ? Exit.fail({ _tag: "Closed" }) : run()))

/** Databases would replace what is no text, and two ids become one. */
const notText = ({ events, id }: Append): string | undefined => {
  if (id?.isWellFormed() === false) return "the id of the append has a lone surrogate"
  for (const { data, type } of events)
    if (!type.isWellFormed() || !data.isWellFormed()) return "an event has a lone surrogate in its type or its data"
  return undefined
}
