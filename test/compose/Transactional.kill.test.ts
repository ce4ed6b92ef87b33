/** A process that is killed in the middle of its transactions leaves each of them done or not done. */
import { fileURLToPath } from "node:url"
import { expect, it } from "@effect/vitest"
import { SqlAgent, type SqlDriverService } from "dgents"
import { PostgresDriver } from "dgents/postgres"
import { SqliteDriver } from "dgents/sqlite"
import type { Scope } from "effect"
import { Effect, Stream } from "effect"
import { start } from "../agents/sql/children/run.ts"
import { newDatabase } from "../agents/sql/postgres/driver.ts"
import * as Server from "../agents/sql/postgres/server.ts"
import { tempFile } from "../agents/sql/temp.ts"
import { Counter } from "./support.ts"
import { on } from "./transactional.support.ts"

const script = fileURLToPath(new URL("transactional/transferForever.ts", import.meta.url))

/** Kills it after some acknowledgements; answers the last one. */
const killedAfter = (place: string, lines: number) => {
  const { child, ended } = start(script, [place])
  let printed = 0
  child.stdout.on("data", (chunk) => {
    printed += String(chunk).split("\n").length - 1
    if (printed >= lines) child.kill("SIGKILL")
  })
  return Effect.map(
    Effect.promise(() => ended),
    ({ err, out }) => {
      expect(err).toBe("")
      return Number(out.trimEnd().split("\n").at(-1))
    }
  )
}

const initial = { n: 0 }

/** What a process that comes later finds: the sum, and the number of transfers by the counter and by each history. */
const found = (driver: SqlDriverService) =>
  Effect.gen(function* () {
    const accounts = yield* on(driver)(SqlAgent.family({ name: "accounts", schema: Counter, history: "full" }))
    const count = yield* on(driver)(SqlAgent.make({ name: "count", schema: Counter, initial }))
    const states = [...(yield* accounts.loadMany(["k0", "k1", "k2"])).values()]
    const written = yield* Effect.forEach(["k0", "k1", "k2"], (key) => Stream.runCount(accounts.at(key).history()))
    return {
      sum: states.reduce((sum, { n }) => sum + n, 0),
      transfers: (yield* count.load).n,
      written: written.reduce((sum, n) => sum + n, 0)
    }
  })

const killed = (
  place: string,
  driver: Effect.Effect<SqlDriverService, unknown, Scope.Scope>,
  settled: Effect.Effect<void, unknown>,
  rounds: ReadonlyArray<number>
) =>
  Effect.gen(function* () {
    let before = 0
    for (const lines of rounds) {
      const acknowledged = yield* killedAfter(place, lines)
      yield* settled
      const { sum, transfers, written } = yield* Effect.scoped(Effect.flatMap(driver, found))
      expect(acknowledged).toBeGreaterThanOrEqual(before + lines)
      expect([acknowledged, acknowledged + 1]).toContain(transfers)
      expect([sum, written]).toEqual([0, 2 * transfers])
      before = transfers
    }
  })

it.live("in SQLite, no transfer is lost or half done", () =>
  Effect.gen(function* () {
    const filename = yield* tempFile
    yield* killed(filename, SqliteDriver.make({ filename }), Effect.void, [1, 30])
  })
)

it.live("in PostgreSQL, no transfer is lost or half done", () =>
  Effect.gen(function* () {
    const url = yield* newDatabase
    const server = yield* Effect.promise(() => Server.shared())
    yield* killed(url, PostgresDriver.make({ url }), server.settled, [20])
  })
)
