/** Subjects that other processes can import, each by name. */
import { appendFileSync } from "node:fs"
import { NodeFileSystem } from "@effect/platform-node"
import { PersistentAgent, SqlAgent, SqlDriver } from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import type { Subject } from "dgents/testing"
import { Effect, Schema } from "effect"
import * as KillFile from "../mutants/killFile.ts"

const url = import.meta.url

export const State = Schema.Struct({ n: Schema.Int, text: Schema.String, when: Schema.optionalKey(Schema.Date) })
export type State = typeof State.Type

/** State in a file of ours, which processes may share. */
export const persistent = (history: PersistentAgent.Options<State>["history"]): Subject<State> => ({
  name: "PersistentAgent",
  schema: State,
  open: (site) => PersistentAgent.make({ path: site.path("state.json"), schema: State, history, sharing: "host" }),
  module: { url, export: "persistent", args: [history], layer: NodeFileSystem.layer }
})

/** State in a SQLite database. */
export const sqlite = (history: SqlAgent.Options<State>["history"]): Subject<State> => ({
  name: "SqlAgent on SQLite",
  schema: State,
  open: (site) =>
    Effect.flatMap(SqliteDriver.make({ filename: site.path("states.db") }), (driver) =>
      Effect.provideService(SqlAgent.make({ name: "state", schema: State, history }), SqlDriver, driver)
    ),
  module: { url, export: "sqlite", args: [history] }
})

/** A right one that writes the number of every process that opens it to a file. */
export const telling = (file: string): Subject<KillFile.State> => {
  const right = KillFile.subject()
  return {
    ...right,
    open: (site) => {
      appendFileSync(file, `${process.pid}\n`)
      return right.open(site)
    },
    module: { url, export: "telling", args: [file] }
  }
}

/** A right one, except that its module does not say where files come from. */
export const withoutLayer = (): Subject<State> => ({
  ...persistent("none"),
  module: { url, export: "withoutLayer" }
})
