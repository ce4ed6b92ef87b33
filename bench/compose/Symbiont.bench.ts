import { Symbiont, VolatileAgent } from "dgents"
import { Effect, Schema, Stream } from "effect"
import { bench } from "../harness.ts"

const counter = VolatileAgent.make({ name: "counter", schema: Schema.Number, initial: 0 })
const logic = (by: number, total: number) => Effect.succeed([total, total + by] as const)

for (const mode of ["serialize", "optimistic"] as const)
  bench(
    `symbiont/run in the mode ${mode}, against a modify`,
    Effect.gen(function* () {
      const symbiont = Symbiont.make({ memory: yield* counter, mode, logic })
      const other = yield* counter
      return { ours: () => symbiont.run(1), raw: () => other.modify((total) => logic(1, total)) }
    })
  )

bench(
  "symbiont/stream of 10 outputs, against the stream and a save",
  Effect.gen(function* () {
    const outputs = Stream.range(1, 10)
    const symbiont = Symbiont.stream({ memory: yield* counter, logic: () => outputs, next: (total) => total + 1 })
    const other = yield* counter
    return {
      ours: () => Stream.runDrain(symbiont.run(1)),
      raw: (i) => Effect.andThen(Stream.runDrain(outputs), other.save(i))
    }
  })
)
