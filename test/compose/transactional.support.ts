import { it } from "@effect/vitest"
import { type Family, SqlAgent, SqlDriver, type SqlDriverService, Transactional, VolatileAgent } from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import { Effect, type Scope } from "effect"
import * as MapEngine from "../agents/sql/MapEngine.ts"
import { tempFile } from "../agents/sql/temp.ts"
import { Counter } from "./support.ts"

/** What runs on a driver. */
export const on =
  (driver: SqlDriverService) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.provideService(effect, SqlDriver, driver)

const counters = (driver: SqlDriverService) =>
  on(driver)(SqlAgent.family({ name: "counters", schema: Counter, history: "full" }))

/** Families of counters in storages that write several states in one step, below `Transactional`. */
export const storages: ReadonlyArray<
  readonly [name: string, open: Effect.Effect<Family.Family<Counter>, unknown, Scope.Scope>]
> = [
  ["in memory", VolatileAgent.family({ name: "counters", schema: Counter, history: "full" })],
  ["on maps", Effect.suspend(() => counters(SqlDriver.fromEngine(MapEngine.make(new MapEngine.Rows()))))],
  ["on SQLite", Effect.flatMap(tempFile, (filename) => Effect.flatMap(SqliteDriver.make({ filename }), counters))]
]

export interface Given {
  /** As others see it, who know nothing of transactions. */
  readonly outside: Family.Family<Counter>
  readonly inside: Family.Family<Counter>
  /** The numbers of all keys, as others see them. */
  readonly numbers: Effect.Effect<Record<string, number>, unknown>
}

/** A promise kept in every storage, with `a` at 1 and `b` at 2 to begin with. */
export const promise = (name: string, test: (given: Given) => Effect.Effect<void, unknown, Scope.Scope>) => {
  for (const [where, open] of storages)
    it.live(`${name} (${where})`, () =>
      Effect.gen(function* () {
        const outside = yield* open
        yield* outside.saveMany([
          ["a", { n: 1 }],
          ["b", { n: 2 }]
        ])
        const numbers = Effect.map(outside.loadMany(["a", "b", "c", "d"]), (states) =>
          Object.fromEntries([...states].map(([key, { n }]) => [key, n]).toSorted())
        )
        yield* test({ outside, inside: Transactional.family(outside), numbers })
      })
    )
}

/** Adds to a counter. */
export const plus = (by: number) => (state: Counter) => ({ n: state.n + by })
