/** A program of a user, run by `npm run pack:check` against the packed package, in a directory that has nothing else. */
import { DataAgent, Family, Revision, VolatileAgent } from "dgents"
import { Effect, Option, Schema, Stream } from "effect"

const Counter = Schema.Struct({ n: Schema.Number, label: Schema.optionalKey(Schema.String) })

const program = Effect.gen(function* () {
  const agent = yield* VolatileAgent.make({ name: "counter", schema: Counter, initial: { n: 0 }, history: "full" })
  const before: number = yield* agent.modify((state) => Effect.succeed([state.n, { n: state.n + 1 }] as const))
  yield* agent.save({ n: before + 2, label: "two" })
  const states = yield* Stream.runCollect(agent.history())
  const conflict = yield* Effect.flip(DataAgent.compareAndSave(agent, { n: 9 }, Revision.absent))
  const family = yield* VolatileAgent.family({ name: "counters", schema: Counter })
  const none = yield* DataAgent.loadOption(Family.at(family, "nobody"))
  return { labels: states.map(({ state }) => state.label ?? "none"), none: Option.isNone(none), tag: conflict._tag }
})

const answer = JSON.stringify(await Effect.runPromise(Effect.scoped(program)))
if (answer !== '{"labels":["two","none"],"none":true,"tag":"RevisionConflict"}') throw new Error(`answered ${answer}`)
