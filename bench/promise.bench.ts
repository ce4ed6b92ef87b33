import { VolatileAgent } from "dgents"
import { open } from "dgents/promise"
import { Effect } from "effect"
import { bench } from "./harness.ts"
import { Conversation, conversation, conversations } from "./states.ts"

const thread = VolatileAgent.make({ name: "thread", schema: Conversation, initial: conversation(1_000) })

const opened = Effect.acquireRelease(
  Effect.promise(() => open(thread)),
  (agent) => Effect.promise(() => agent.close())
)

bench(
  "promise/load 1 KB from memory, against runPromise",
  Effect.gen(function* () {
    const [ours, raw] = [yield* opened, yield* thread]
    return { ours: () => ours.load(), raw: () => Effect.runPromise(raw.load) }
  })
)

bench(
  "promise/save 1 KB to memory, against runPromise",
  Effect.gen(function* () {
    const [ours, raw] = [yield* opened, yield* thread]
    const next = conversations(1_000)
    return { ours: (i) => ours.save(next(i)), raw: (i) => Effect.runPromise(raw.save(next(i))) }
  })
)
