/** What the combinators cost that have nothing to do most of the time. */
import { type DataAgent, Observed, ReadOnly, Retrying, Tenant, VolatileAgent } from "dgents"
import { Effect } from "effect"
import { bench } from "../harness.ts"
import { Conversation, conversation, conversations } from "../states.ts"

type Thread = DataAgent.DataAgent<typeof Conversation.Type>

const threads = Effect.tap(VolatileAgent.family({ name: "thread", schema: Conversation }), (family) =>
  family.saveMany(["a", "acme/a"].map((key) => [key, conversation(1_000)] as const))
)

const combinators: ReadonlyArray<readonly [string, (agent: Thread) => Thread]> = [
  ["retrying", Retrying.make()],
  ["readonly", ReadOnly.make],
  ["observed", Observed.make({ spans: false, logs: false })],
  ["observed with spans", Observed.make()]
]

for (const [name, combine] of combinators) {
  bench(
    `${name}/load 1 KB from memory, against a load below`,
    Effect.gen(function* () {
      const agent = (yield* threads).at("a")
      const combined = combine(agent)
      return { ours: () => combined.load, raw: () => agent.load }
    })
  )
}

bench(
  "retrying/save 1 KB to memory, against a save below",
  Effect.gen(function* () {
    const agent = Retrying.make((yield* threads).at("a"))
    const other = (yield* threads).at("a")
    const next = conversations(1_000)
    return { ours: (i) => agent.save(next(i)), raw: (i) => other.save(next(i)) }
  })
)

bench(
  "tenant/load 1 KB from memory, against a load below",
  Effect.gen(function* () {
    const family = yield* threads
    const [agent, below] = [Tenant.of(family, "acme").at("a"), family.at("acme/a")]
    return { ours: () => agent.load, raw: () => below.load }
  })
)
