import { Focused, Mapped, VolatileAgent } from "dgents"
import { Effect, Optic, Schema } from "effect"
import { bench } from "../harness.ts"
import { Conversation, conversation, conversations } from "../states.ts"

const Whole = Schema.Struct({ name: Schema.String, thread: Conversation })
const lens = Optic.id<typeof Whole.Type>().key("thread")
const whole = VolatileAgent.make({
  name: "whole",
  schema: Whole,
  initial: { name: "a", thread: conversation(1_000) }
})
const thread = VolatileAgent.make({ name: "thread", schema: Conversation, initial: conversation(1_000) })

bench(
  "focused/load 1 KB from memory, against a load of the whole",
  Effect.gen(function* () {
    const agent = yield* whole
    const part = Focused.make(agent, { lens, schema: Conversation })
    yield* part.save(conversation(1_000))
    return { ours: () => part.load, raw: () => agent.load }
  })
)

bench(
  "focused/save 1 KB to memory, against an update of the whole",
  Effect.gen(function* () {
    const part = Focused.make(yield* whole, { lens, schema: Conversation })
    const other = yield* whole
    const next = conversations(1_000)
    return { ours: (i) => part.save(next(i)), raw: (i) => other.update((whole) => ({ ...whole, thread: next(i) })) }
  })
)

bench(
  "mapped/load 1 KB from memory by the identity, against a load below",
  Effect.gen(function* () {
    const agent = yield* thread
    yield* agent.save(conversation(1_000))
    const mapped = Mapped.make(agent, { iso: Optic.id<typeof Conversation.Type>(), schema: Conversation })
    return { ours: () => mapped.load, raw: () => agent.load }
  })
)
