// One conversation a thread, in SQLite, with its history. A family gives each key an agent of its own.
import { DataAgent, Revision, SqlAgent } from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import { Console, Effect, Schema, Stream } from "effect"

const Message = Schema.Struct({ role: Schema.Literals(["user", "assistant"]), text: Schema.String })
const Conversation = Schema.Struct({ messages: Schema.Array(Message) })

const say = (thread: DataAgent.DataAgent<typeof Conversation.Type>, role: "user" | "assistant", text: string) =>
  DataAgent.update(thread, ({ messages }) => ({ messages: [...messages, { role, text }] }))

export const program = Effect.gen(function* () {
  const threads = yield* SqlAgent.family({
    name: "threads",
    schema: Conversation,
    initial: { messages: [] },
    history: { bounded: 50 }
  })

  const lisbon = threads.at("user/ada/lisbon") // any string is a safe key
  yield* say(lisbon, "user", "A hotel near the river, please")
  yield* say(lisbon, "assistant", "How about Alfama?")
  yield* say(threads.at("user/bob"), "user", "Hello")

  yield* Console.log(`Ada's threads: ${yield* Stream.runCollect(threads.keys({ prefix: "user/ada/" }))}`)
  yield* Console.log(`messages: ${(yield* lisbon.load).messages.length}`)

  // Time travel: how it was after the first message, and back to it.
  yield* Console.log(`at revision 1: ${(yield* lisbon.at(Revision.make(1))).state.messages.length}`)
  yield* DataAgent.restore(lisbon, Revision.make(1))
  yield* Console.log(`restored: ${(yield* lisbon.load).messages.map((m) => m.text).join(" | ")}`)
}).pipe(Effect.scoped, Effect.provide(SqliteDriver.layer({ filename: ":memory:" })))

if (import.meta.main) await Effect.runPromise(program)
