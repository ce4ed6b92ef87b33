/** What measuring costs over a database in memory, which stores what the codec made and does little else. */
import { type DataAgent, EntropyConstrained, SqlAgent } from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import { Effect, Layer } from "effect"
import { bench } from "../harness.ts"
import { Conversation, conversations } from "../states.ts"

type Thread = DataAgent.DataAgent<Conversation>

const threads = Effect.gen(function* () {
  const driver = yield* Layer.build(SqliteDriver.layer({ filename: ":memory:" }))
  return yield* Effect.provide(SqlAgent.family({ name: "thread", schema: Conversation }), driver)
})

const limits: ReadonlyArray<readonly [string, (agent: Thread) => Thread]> = [
  ["bytes", EntropyConstrained.make()],
  ["bytes, entries and levels", EntropyConstrained.make({ maxEntries: 1_000, maxLevels: 10 })],
  ["all, and shrink", EntropyConstrained.make<Conversation>({ maxEntries: 1_000, shrink: (state) => state })]
]

for (const [name, constrain] of limits)
  for (const kilobytes of [1, 10])
    bench(
      `constrained/save ${kilobytes} KB with limits of ${name}, against a save below`,
      Effect.gen(function* () {
        const family = yield* threads
        const [agent, below] = [constrain(family.at("a")), family.at("b")]
        const next = conversations(kilobytes * 1_000)
        return { ours: (i) => agent.save(next(i)), raw: (i) => below.save(next(i)) }
      })
    )
