import { SqlDriver, type SqlDriverService } from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import { Effect, type Scope } from "effect"
import type { Append, Log, Stored } from "../../../../src/agents/stream/Log.ts"
import * as SqlLog from "../../../../src/agents/stream/sql/SqlLog.ts"

/** The log of a driver. */
export const on = (driver: SqlDriverService) => Effect.provideService(SqlLog.make, SqlDriver, driver)

/** The log of a SQLite file. */
export const openFile = (filename: string) => Effect.flatMap(SqliteDriver.make({ filename }), on)

export const id = { collection: "stream:n", key: "k" }

/** An append of events of one type. */
export const added = (data: ReadonlyArray<unknown>, options: Partial<Append> = {}): Append => ({
  ...id,
  events: data.map((n) => ({ type: "Added", data: JSON.stringify(n) })),
  expected: "any",
  at: 0,
  id: undefined,
  ...options
})

/** Every event of a stream that is kept. */
export const all = (log: Log, of = id): Effect.Effect<ReadonlyArray<Stored>, unknown> =>
  Effect.gen(function* () {
    const found: Array<Stored> = []
    for (;;) {
      const page = yield* log.read(of, { after: found.at(-1)?.position ?? 0, limit: 1_000 })
      if (page.length === 0) return found
      found.push(...page)
    }
  })

/** Waits until something holds, looking again at each notice. */
export const noticed = (log: Log, holds: Effect.Effect<boolean, unknown>): Effect.Effect<void, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    let wake = () => {}
    let isNew = false
    yield* log.watch(id, () => {
      isNew = true
      wake()
    })
    while (!(yield* holds)) {
      yield* Effect.promise(() => (isNew ? Promise.resolve() : new Promise<void>((resolve) => (wake = resolve))))
      isNew = false
    }
  })
