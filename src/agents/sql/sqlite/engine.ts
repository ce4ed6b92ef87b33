import { Effect, Exit, type Scope } from "effect"
import type { Claims } from "../../Claims.ts"
import { indexStatement } from "../../query/indexes.ts"
import type { Engine, Failure } from "../Engine.ts"
import type { Connection } from "./connection.ts"
import { dialect } from "./dialect.ts"
import { busyFailure, isBusy, readFailure } from "./errors.ts"
import { Listings } from "./listings.ts"
import * as Log from "./log.ts"
import { Queries, Refused } from "./queries.ts"
import { Rows } from "./rows.ts"
import { source } from "./source.ts"
import { pause } from "./waiting.ts"
import { Watching } from "./watching.ts"
import type { Writer } from "./writer.ts"

/** What an engine is made of. */
export interface Parts {
  readonly connection: Connection
  readonly writer: Writer
  readonly claims: Omit<Claims, "history">
  /** How long the lock of another connection is waited for, in milliseconds. */
  readonly busyTimeout: number
}

const notIndexable = "the agent's name has a NUL or a lone surrogate in it, which no index can be on; name it otherwise"

/** A SQLite database as `SqlAgent` sees it. Reads are done at once, in this thread. */
export const make = ({ busyTimeout, claims, connection, writer }: Parts): Engine => {
  const rows = new Rows(connection)
  const queries = new Queries(connection.db)
  const watching = new Watching(connection)
  const listings = new Listings(connection)

  const attempt = <A>(read: () => A, deadline?: number): Effect.Effect<A, Failure> => {
    if (writer.isClosing) return Exit.fail({ _tag: "Closed" })
    try {
      return Exit.succeed(read())
    } catch (error) {
      if (error instanceof Refused) return Exit.fail(error.failure)
      if (!isBusy(error)) return Exit.fail(readFailure(error, connection.file))
      // Readers wait for recoveries and exclusive locks only, and not for writers.
      const end = deadline ?? performance.now() + busyTimeout
      if (performance.now() >= end) return Exit.fail(busyFailure(connection.file))
      return Effect.flatMap(pause, () => attempt(read, end))
    }
  }
  const reading = <A>(read: () => A): Effect.Effect<A, Failure> => Effect.suspend(() => attempt(read))

  return {
    name: "sqlite",
    claims,
    dialect,
    source,
    index: (collection, index) => {
      const statement = indexStatement(dialect, "dgents_state", collection, index)
      return statement === undefined
        ? Exit.fail({ _tag: "Unavailable", reason: notIndexable, retryable: false })
        : // Looked for first, since even "if not exists" takes the lock of a writer.
          reading(() => {
            if (connection.hasIndex(statement.name)) return
            connection.db.exec(statement.sql)
          })
    },
    listing: (collection, which) => reading(() => listings.of(collection, which)),
    read: (id) => reading(() => rows.read(id)),
    readNow: (id) => attempt(() => rows.read(id)),
    readMany: (collection, keys) => reading(() => rows.readMany(collection, keys)),
    history: (id, before, limit) => reading(() => rows.history(id, before, limit)),
    revisionAt: (id, time) => reading(() => rows.revisionAt(id, time)),
    floor: (collection) => reading(() => rows.floor(collection)),
    keys: (collection, start, limit) => reading(() => rows.keys(collection, start, limit)),
    write: (write) => writer.write(write),
    begin: (write, answer) => writer.begin(write, answer),
    log: Log.make({ connection, reading, watching, writer }),
    query: (statement) => reading(() => queries.run(statement)),
    watch: (_collection, notice): Effect.Effect<void, Failure, Scope.Scope> =>
      Effect.asVoid(
        Effect.acquireRelease(
          reading(() => watching.add(notice)),
          (stop) => Effect.sync(stop)
        )
      ),
    ping: reading(() => {
      connection.statements.version.get()
    })
  }
}
