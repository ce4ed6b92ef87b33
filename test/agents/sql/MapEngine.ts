/** The smallest driver that keeps every promise of `SqlAgent`: rows in maps. What the documentation's page on drivers is about. */
import type { SqlEngine } from "dgents"
import { Effect, Exit, Option } from "effect"

interface Cell {
  current: SqlEngine.Current
  past: ReadonlyArray<SqlEngine.Past>
}

/** The rows, which may outlive the engine. */
export class Rows {
  readonly collections = new Map<string, Map<string, Cell>>()
  readonly floors = new Map<string, number>()
  /** Who wants to hear that something was committed. */
  readonly watchers = new Set<() => void>()

  of(collection: string): Map<string, Cell> {
    const cells = this.collections.get(collection) ?? new Map<string, Cell>()
    this.collections.set(collection, cells)
    return cells
  }
}

const superseded = (current: SqlEngine.Current, patch: SqlEngine.Put["patch"]): SqlEngine.Past =>
  patch?.base === current.revision ? { ...current, state: patch.text, isPatch: true } : { ...current, isPatch: false }

/** An engine over rows. */
export const make = (rows: Rows): SqlEngine.Engine => {
  const cell = ({ collection, key }: SqlEngine.Id) => rows.of(collection).get(key)
  const past = (id: SqlEngine.Id): ReadonlyArray<SqlEngine.Past> => {
    const found = cell(id)
    return found === undefined ? [] : [{ ...found.current, isPatch: false }, ...found.past]
  }

  const put = ({ collection, keep, key, patch, savedAt, state }: SqlEngine.Put): number => {
    const before = cell({ collection, key })
    const floor = rows.floors.get(collection) ?? 0
    const revision = 1 + (before?.current.revision ?? floor)
    const last = before === undefined ? [] : [superseded(before.current, patch)]
    const past = [...(keep.count === 1 ? [] : last), ...(before?.past ?? [])]
    const current = {
      state,
      savedAt,
      revision: revision as SqlEngine.Current["revision"],
      since: before?.current.since ?? revision
    }
    const kept =
      keep.count === 1 ? past : past.filter((row) => row.revision > revision - keep.count && row.savedAt >= keep.from)
    rows.of(collection).set(key, { current, past: kept })
    return revision
  }

  const remove = (id: SqlEngine.Remove): number => {
    const revision = cell(id)?.current.revision ?? 0
    rows.of(id.collection).delete(id.key)
    rows.floors.set(id.collection, Math.max(revision, rows.floors.get(id.collection) ?? 0))
    return revision
  }

  return {
    name: "map",
    // Engines on the same rows stand for processes.
    claims: { durability: "volatile", consistency: "linearizable", sharing: "host" },
    read: (id) => Effect.sync(() => cell(id)?.current),
    readMany: (collection, keys) =>
      Effect.sync(
        () =>
          new Map(
            keys.flatMap((key) =>
              Option.toArray(Option.fromUndefinedOr(cell({ collection, key }))).map(
                ({ current }) => [key, current] as const
              )
            )
          )
      ),
    history: (id, before, limit) =>
      Effect.sync(() =>
        past(id)
          .filter(({ revision }) => revision < before)
          .slice(0, limit)
      ),
    revisionAt: (id, time) => Effect.sync(() => past(id).find(({ savedAt }) => savedAt <= time)?.revision ?? 0),
    floor: (collection) => Effect.sync(() => rows.floors.get(collection) ?? 0),
    keys: (collection, start, limit) =>
      Effect.sync(() =>
        [...rows.of(collection).keys()]
          .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
          .filter((key) => ("from" in start ? key >= start.from : key > start.after))
          .slice(0, limit)
      ),
    write: (write) =>
      Effect.suspend((): Exit.Exit<SqlEngine.Written, SqlEngine.Conflict> => {
        for (const [part, step] of write.entries()) {
          const actual = cell(step)?.current.revision ?? 0
          if (step._tag !== "Remove" && step.expected !== "any" && step.expected !== actual)
            return Exit.fail({ _tag: "Conflict", actual, part })
        }
        const written = write.map((step) =>
          step._tag === "Put" ? put(step) : step._tag === "Remove" ? remove(step) : step.expected
        )
        for (const watcher of rows.watchers) watcher()
        return Exit.succeed(written)
      }),
    query: () => Effect.fail({ _tag: "Unavailable", reason: "maps have no SQL", retryable: false }),
    watch: (_collection, notice) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          const watcher = () => notice("all")
          rows.watchers.add(watcher)
          return watcher
        }),
        (watcher) => Effect.sync(() => rows.watchers.delete(watcher))
      ),
    ping: Effect.void
  }
}
