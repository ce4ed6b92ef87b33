// A conversation: pure logic with a memory that answers word by word, uses a tool with a memory of its own, and forgets the
// oldest messages when there is no room. Nothing here calls a model; `model` is where such a call goes, and the rest stays as it is.
import { EntropyConstrained, Symbiont, VolatileAgent } from "dgents"
import { Console, Effect, Schema, Stream } from "effect"

const Message = Schema.Struct({ role: Schema.Literals(["user", "assistant"]), text: Schema.String })
const Thread = Schema.Struct({ messages: Schema.Array(Message) })
type Thread = typeof Thread.Type

/** The model: words, one by one. Here goes `LanguageModel.streamText`, or any client that streams. */
const model = (messages: Thread["messages"], known: number) => {
  const asked = messages.filter(({ role }) => role === "user").length
  return Stream.fromIterable(`That was question ${asked}. I know of ${known} cities.`.split(/(?<= )/))
}

const said = (thread: Thread, role: "user" | "assistant", text: string): Thread => ({
  messages: [...thread.messages, { role, text }]
})

/** The oldest messages go when there is no room left: with a model, here it would be asked for a summary. */
const forget = ({ messages }: Thread): Thread => ({ messages: messages.slice(Math.ceil(messages.length / 2)) })

export const program = Effect.gen(function* () {
  const threads = yield* VolatileAgent.make({ name: "thread", schema: Thread, initial: { messages: [] } })
  const memory = EntropyConstrained.make(threads, { maxEntries: 4, shrink: forget })

  // A tool: logic with a memory of its own. A model would say when to use it, and with what.
  const places = yield* VolatileAgent.make({ name: "places", schema: Schema.Array(Schema.String), initial: [] })
  const noting = Symbiont.make({
    memory: places,
    logic: (city: string, known) =>
      Effect.succeed([new Set(known).add(city).size, [...new Set(known).add(city)]] as const)
  })

  const chat = Symbiont.stream({
    memory,
    logic: (question: string, thread) =>
      Stream.unwrap(
        Effect.gen(function* () {
          const city = /[A-Z]\w+$/.exec(question)?.[0]
          const known = city === undefined ? 0 : yield* Symbiont.use(noting, city)
          return model(said(thread, "user", question).messages, known)
        })
      ),
    next: (thread, words, question) => said(said(thread, "user", question), "assistant", words.join(""))
  })

  for (const question of ["what is there in Lisbon", "and in Kyoto", "and again in Lisbon"]) {
    const words = yield* Stream.runCollect(chat.run(question))
    yield* Console.log(`${question}? ${words.join("")} (${words.length} words)`)
  }
  yield* Console.log(`kept: ${(yield* memory.load).messages.map(({ text }) => text).join(" | ")}`)
  const { entries, shrunk } = yield* memory.figures
  yield* Console.log(`${entries?.size} of ${entries?.limit} messages, forgot ${shrunk} time`)
}).pipe(Effect.scoped)

if (import.meta.main) await Effect.runPromise(program)
