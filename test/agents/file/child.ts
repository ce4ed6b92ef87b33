// A process that has a file or family open and does what it is told, one line a command; it answers each with one line.
import { createInterface } from "node:readline"
import { NodeServices } from "@effect/platform-node"
import { type DataAgent, PersistentAgent } from "dgents"
import { Effect, Schema, Stream } from "effect"

const [path = "", given = "{}"] = process.argv.slice(2)
const { key, ...options } = JSON.parse(given)
const schema = Schema.Struct({ n: Schema.Number })
const initial = { n: 0 }

const run = (agent: DataAgent.DataAgent<typeof schema.Type>, command: string, n: number) => {
  if (command === "save") return Effect.as(agent.save({ n }), `saved ${n}`)
  if (command === "increment") {
    const once = agent.update((state) => ({ n: state.n + 1 }))
    return Effect.as(Effect.repeat(once, { times: n - 1 }), `incremented ${n}`)
  }
  if (command === "delete") return Effect.as(agent.delete, "deleted")
  return Effect.map(agent.load, (state) => `loaded ${state.n}`)
}

const program = Effect.gen(function* () {
  const common = { schema, initial, sharing: options.sharing, history: options.history }
  const agent =
    key === undefined
      ? yield* PersistentAgent.make({ path, ...common })
      : (yield* PersistentAgent.family({ directory: path, ...common })).at(key)
  console.log("open")
  const lines = Stream.fromAsyncIterable(createInterface({ input: process.stdin }), (error) => error)
  yield* Stream.runForEach(lines, (line) => {
    const [command = "", n = "0"] = line.split(" ")
    return Effect.map(run(agent, command, Number(n)), (answer) => console.log(answer))
  })
})

Effect.runPromise(Effect.scoped(Effect.provide(program, NodeServices.layer))).catch((error) => {
  console.log(`${error._tag}: ${error.message}`)
  process.exitCode = 1
})
