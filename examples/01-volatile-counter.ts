// State in memory: typed, atomic under concurrency, with a history and a feed of changes.
import { DataAgent, VolatileAgent } from "dgents"
import { Console, Effect, Schema, Stream } from "effect"

const Counter = Schema.Struct({ count: Schema.Int })

export const program = Effect.gen(function* () {
  const counter = yield* VolatileAgent.make({
    name: "counter",
    schema: Counter,
    initial: { count: 0 },
    history: { bounded: 3 }
  })

  // Ten fibers at once lose no increment.
  const increment = DataAgent.update(counter, ({ count }) => ({ count: count + 1 }))
  yield* Effect.all(
    Array.from({ length: 10 }, () => increment),
    { concurrency: "unbounded" }
  )
  yield* Console.log(`count: ${(yield* counter.load).count}`)

  // The last three states, newest first, the current one included.
  const history = yield* Stream.runCollect(counter.history())
  yield* Console.log(`history: ${history.map((h) => `r${h.revision}=${h.state.count}`).join(" ")}`)

  // A value that does not fit is refused before anything is stored.
  const refused = yield* Effect.flip(counter.save({ count: 1.5 }))
  yield* Console.log(refused.message)
}).pipe(Effect.scoped)

if (import.meta.main) await Effect.runPromise(program)
