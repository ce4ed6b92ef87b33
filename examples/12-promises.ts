// The same agents without Effect: promises, async iterators, `await using`, and errors that are thrown.
import { EntropyConstrained, Query, SqlAgent, Symbiont, Tenant, VolatileAgent } from "dgents"
import { connect, open, run, Schema, StateTooLarge, task, through, within } from "dgents/promise"
import { SqliteDriver } from "dgents/sqlite"

// Here goes the call of a model: the signal is aborted when the change is given up.
const askModel = async (text: string, signal: AbortSignal) => (signal.aborted ? "" : `You said "${text}"`)

const Thread = Schema.Struct({ topic: Schema.String, messages: Schema.Array(Schema.String) })
const options = { name: "threads", schema: Thread, initial: { topic: "", messages: [] } }

// Closed in the reverse order when the block ends, also when something is thrown.
await using app = await connect(SqliteDriver.layer({ filename: ":memory:" }))
await using threads = await app.open(through(SqlAgent.family(options), EntropyConstrained.family({ maxBytes: 500 })))

// Each operation is a promise; a change is atomic.
const thread = threads.at("ada")
await thread.save({ topic: "travel", messages: ["Where was I?"] })
await thread.update(({ messages, topic }) => ({ topic, messages: [...messages, "In Lisbon."] }))

// Asynchronous work inside a change: the answer and the next state. If it throws, the state is as before.
const words = await thread.modify(async (state, signal) => {
  const answer = await askModel(state.messages.at(-1) ?? "", signal)
  return [answer.split(" ").length, { ...state, messages: [...state.messages, answer] }]
})
console.log(`${words} words: ${(await thread.load()).messages.join(" ")}`)

// What cannot be done is thrown, as a class.
const refused = await thread.save({ topic: "x".repeat(600), messages: [] }).catch((error: unknown) => error)
if (refused instanceof StateTooLarge) console.log(`too large: ${refused.size} of ${refused.limit} bytes`)

// Streams are async iterables: of commits, of keys, of a history.
for await (const change of thread.changes()) {
  console.log(`at revision ${change.revision}`)
  break
}

// Whatever takes an agent takes the one inside; whatever is an effect, `run` runs.
const found = await run(Query.run(threads.effect, { where: (thread) => Query.eq(thread.topic, "travel") }))
console.log(`found: ${found.length}`)

// Combinators, logic with a memory, and tenants.
await using adder = await open(
  through(VolatileAgent.make({ name: "total", schema: Schema.Number, initial: 0 }), (memory) =>
    Symbiont.make({ memory, logic: task(async (by: number, total: number) => [total + by, total + by] as const) })
  )
)
console.log(`total: ${(await adder.run(40)) + (await adder.run(2))}`)
await using notes = await open(through(VolatileAgent.family(options), (family) => Tenant.make(family)))
await within(Tenant.as("acme"), () => notes.at("today").save({ topic: "acme's", messages: [] }))
console.log(`another tenant sees: ${await within(Tenant.as("other"), () => notes.has("today"))}`)
