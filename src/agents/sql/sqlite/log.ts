import { Effect } from "effect"
import type { Append, Appended, Id } from "../../stream/Log.ts"
import type { Conflict, EventLog, Failure } from "../Engine.ts"
import { StreamWatchers } from "../streamWatchers.ts"
import type { Connection } from "./connection.ts"
import { LogRows } from "./logRows.ts"
import type { Watching } from "./watching.ts"
import type { Writer } from "./writer.ts"

// So many events go in one transaction, so that nobody waits long for the lock.
const compactedAtOnce = 2_000

/** What the log of a database is made of. */
export interface Parts {
  readonly connection: Connection
  readonly writer: Writer
  readonly watching: Watching
  /** Runs what reads, and waits while it has to. */
  readonly reading: <A>(read: () => A) => Effect.Effect<A, Failure>
}

/** The events in a SQLite database. What is appended goes with the states that are saved at the same time. */
export const make = ({ connection, reading, watching, writer }: Parts): EventLog => {
  const rows = new LogRows(connection)
  const watchers = new StreamWatchers()

  const append = (append: Append): Effect.Effect<Appended, Failure | Conflict> =>
    // Whatever became of it: after a lost answer it may be there.
    Effect.onExit(
      Effect.map(
        writer.write({ _tag: "Append", ...append }),
        ([first = 0, last = 0, known = 0]): Appended => ({ first, last, wasKnown: known === 1 })
      ),
      () => Effect.sync(() => watchers.tell(append))
    )

  const compact = (id: Id, upTo: number): Effect.Effect<void, Failure> =>
    Effect.flatMap(
      reading(() => rows.bounds(id)),
      ({ compacted, last }): Effect.Effect<void, Failure> => {
        const end = Math.min(upTo, last)
        if (end <= compacted) return Effect.void
        const next = Math.min(end, compacted + compactedAtOnce)
        const step = { _tag: "Compact", ...id, upTo: next, count: next - compacted } as const
        return Effect.andThen(
          Effect.catchTag(writer.write(step), "Conflict", () => Effect.die(new Error("a compaction met a conflict"))),
          next === end ? Effect.void : compact(id, end)
        )
      }
    )

  return {
    append,
    read: (id, part) => reading(() => rows.read(id, part)),
    bounds: (id) => reading(() => rows.bounds(id)),
    positionAt: (id, time) => reading(() => rows.positionAt(id, time)),
    compact,
    keys: (collection, options) => reading(() => rows.keys(collection, options)),
    watch: (id, notice) =>
      Effect.asVoid(
        Effect.acquireRelease(
          reading(() => [watching.add(notice), watchers.add(id, notice)]),
          (stops) =>
            Effect.sync(() => {
              for (const stop of stops) stop()
            })
        )
      )
  }
}
