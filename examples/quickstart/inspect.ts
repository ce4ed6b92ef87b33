// What is stored: agents and what they promise, sizes against the budget, and the history of the conversation.
import { Claims } from "dgents"
import { Console, Effect, Option, Stream } from "effect"
import type { Memory } from "./memory.ts"

export const inspect = ({ conversation, files, passages, questions }: Memory) =>
  Effect.gen(function* () {
    const { dimension, embedder } = passages.settings
    const count = yield* Stream.runCount(files.keys())
    yield* Console.log(`files         ${count}; ${Claims.describe(files.claims)}`)
    yield* Console.log(
      `passages      ${yield* passages.size} x ${dimension} (${embedder}); ${Claims.describe(passages.claims)}`
    )
    yield* Console.log(`questions     ${yield* questions.size}; ${Claims.describe(questions.claims)}`)

    const { limit, size, used } = yield* conversation.figures
    const current = yield* conversation.current
    const revision = Option.match(current, { onNone: () => "not saved yet", onSome: (c) => `revision ${c.revision}` })
    yield* Console.log(`conversation  ${revision}; ${Claims.describe(conversation.claims)}`)
    yield* Console.log(`              ${size} of ${limit} bytes (${(used * 100).toFixed(1)}% of the budget)`)

    const history = yield* Stream.runCollect(conversation.history({ limit: 5 }))
    for (const { revision, savedAt, state } of history) {
      const last = state.turns.at(-1)?.question ?? ""
      const turns = state.forgotten + state.turns.length
      yield* Console.log(
        `              r${revision}  ${new Date(savedAt).toISOString()}  ${turns} turns, last: ${last}`
      )
    }
  })
