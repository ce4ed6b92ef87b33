// All that the assistant remembers, in one SQLite file.
import { Cached, EntropyConstrained, SqlAgent, VectorAgent } from "dgents"
import { Effect, Schema } from "effect"
import { Passage } from "./passages.ts"

/** What was read of a file, so that it is read again only after it has changed. */
const File = Schema.Struct({ hash: Schema.String, passages: Schema.Int })

const Turn = Schema.Struct({ askedAt: Schema.Date, question: Schema.String, sources: Schema.Array(Schema.String) })

/** The latest turns in full; of the older ones, how many there were. */
const Conversation = Schema.Struct({ turns: Schema.Array(Turn), forgotten: Schema.Int })

export type Turn = typeof Turn.Type
export type Conversation = typeof Conversation.Type

export const openMemory = Effect.gen(function* () {
  // Passages are found by what they say, and so are earlier questions.
  const passages = yield* VectorAgent.make({
    name: "passages",
    schema: Passage,
    text: (passage) => passage.text,
    items: (schema) => SqlAgent.family({ name: "passages", schema })
  })
  const questions = yield* VectorAgent.make({
    name: "questions",
    schema: Turn,
    text: (turn) => turn.question,
    items: (schema) => SqlAgent.family({ name: "questions", schema })
  })
  const files = yield* SqlAgent.family({ name: "files", schema: File })

  // The conversation: durable, read from memory, and never larger than its budget.
  const stored = yield* SqlAgent.make({
    name: "conversation",
    schema: Conversation,
    initial: { turns: [], forgotten: 0 },
    history: { bounded: 20 }
  })
  const conversation = EntropyConstrained.make(yield* Cached.make(stored), { maxBytes: 64_000 })

  return { passages, questions, files, conversation }
})

export type Memory = Effect.Success<typeof openMemory>
