// A process that saves in a loop and says when: "start n" before a save, "ack n" after it. Meant to be killed.
import { writeSync } from "node:fs"
import { NodeServices } from "@effect/platform-node"
import { PersistentAgent } from "dgents"
import { Effect, Schema } from "effect"

const [path = "", from = "1"] = process.argv.slice(2)

const program = Effect.gen(function* () {
  const schema = Schema.Struct({ n: Schema.Number, filler: Schema.String })
  const agent = yield* PersistentAgent.make({ path, schema, history: { bounded: 3 } })
  for (let n = Number(from); ; n++) {
    writeSync(1, `start ${n}\n`)
    yield* agent.save({ n, filler: "x".repeat(20_000) })
    writeSync(1, `ack ${n}\n`)
  }
})

Effect.runPromise(Effect.scoped(Effect.provide(program, NodeServices.layer)))
