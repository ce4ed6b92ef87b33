/** What agents that stand in for one another cost while all of them answer. */
import { type DataAgent, Fallback, Mirrored, VolatileAgent } from "dgents"
import { Effect, type Scope } from "effect"
import { bench } from "../harness.ts"
import { Conversation, conversation, conversations } from "../states.ts"

type Thread = DataAgent.DataAgent<typeof Conversation.Type>

const thread = VolatileAgent.make({ name: "thread", schema: Conversation })

const combinators: ReadonlyArray<readonly [string, (agent: Thread) => Effect.Effect<Thread, unknown, Scope.Scope>]> = [
  ["fallback", Fallback.make({ second: (schema) => VolatileAgent.make({ name: "second", schema }) })],
  ["mirrored", Mirrored.make({ followers: [(schema) => VolatileAgent.make({ name: "follower", schema })] })],
  [
    "mirrored by quorum",
    Mirrored.make({ read: "quorum", followers: [(schema) => VolatileAgent.make({ name: "follower", schema })] })
  ]
]

for (const [name, combine] of combinators) {
  bench(
    `${name}/load 1 KB from memory, against a load below`,
    Effect.gen(function* () {
      const agent = yield* thread
      const combined = yield* combine(agent)
      yield* combined.save(conversation(1_000))
      return { ours: () => combined.load, raw: () => agent.load }
    })
  )
  bench(
    `${name}/save 1 KB to memory, against a save below`,
    Effect.gen(function* () {
      const agent = yield* combine(yield* thread)
      const other = yield* thread
      const next = conversations(1_000)
      return { ours: (i) => agent.save(next(i)), raw: (i) => other.save(next(i)) }
    })
  )
}
