import { readFileSync } from "node:fs"
import { SqlAgent } from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import { Effect, Exit, Layer, Scope } from "effect"
import { Conversation } from "../../bench/states.ts"
import type { Open, Settings } from "./subject.ts"

/** A family of `SqlAgent`, called from outside of Effect: a promise for each save and each load. */
export const openDgents =
  (options: { readonly history: SqlAgent.History; readonly synchronous?: "normal" }): Open =>
  async (filename) => {
    const { history, synchronous } = options
    const scope = await Effect.runPromise(Scope.make())
    const states = await Effect.runPromise(
      Effect.gen(function* () {
        const driver = yield* Layer.build(SqliteDriver.layer({ filename, synchronous }))
        return yield* Effect.provide(SqlAgent.family({ name: "threads", schema: Conversation, history }), driver)
      }).pipe(Scope.provide(scope))
    )
    return {
      save: (key, state) => Effect.runPromise(states.at(key).save(state)),
      load: (key) => Effect.runPromise(states.at(key).load),
      close: async () => {
        await Effect.runPromise(Scope.close(scope, Exit.void))
        return writtenDown(filename)
      }
    }
  }

/** What `pragmas.ts` saw of the connections to a file, which have to agree. */
const writtenDown = (filename: string): Settings => {
  const lines = readFileSync(process.env["COMPARED_PRAGMAS"] ?? "", "utf8")
    .trim()
    .split("\n")
  const seen = lines
    .map((line): Settings & { readonly name: string } => JSON.parse(line))
    .filter(({ name }) => name === filename)
  const [first] = seen
  if (first === undefined) throw new Error(`no connection to ${filename} was seen`)
  if (seen.some(({ journal, synchronous }) => journal !== first.journal || synchronous !== first.synchronous))
    throw new Error(`the connections of dgents differ: ${lines.join(" ")}`)
  const { journal, sqlite, synchronous } = first
  return { journal, sqlite, synchronous }
}
