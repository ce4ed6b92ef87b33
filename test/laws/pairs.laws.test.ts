/** Every combinator over every other one. */
import { expect, it } from "@effect/vitest"
import {
  Cached,
  type DataAgent,
  EntropyConstrained,
  Fallback,
  Mapped,
  Mirrored,
  Observed,
  Retrying,
  Transactional,
  VolatileAgent
} from "dgents"
import { Laws, type Subject } from "dgents/testing"
import { Effect, Optic, type Schema, type Scope } from "effect"
import { Account } from "./schemas.ts"

type State = typeof Account.Type
type Agent = DataAgent.DataAgent<State>

const memory = <S>(schema: Schema.Codec<S, unknown>) => VolatileAgent.make({ name: "other", schema })

const combinators: Readonly<Record<string, (agent: Agent) => Effect.Effect<Agent, unknown, Scope.Scope>>> = {
  Cached: Cached.make(),
  EntropyConstrained: (agent) => Effect.succeed(EntropyConstrained.make(agent, { maxBytes: 100_000 })),
  Fallback: Fallback.make({ second: memory, logs: false }),
  Mapped: (agent) => Effect.succeed(Mapped.make(agent, { iso: Optic.id<State>(), schema: Account })),
  Mirrored: Mirrored.make({ followers: [memory] }),
  Observed: (agent) => Effect.succeed(Observed.make(agent, { logs: false })),
  Retrying: (agent) => Effect.succeed(Retrying.make(agent)),
  Transactional: (agent) => Effect.succeed(Transactional.make(agent))
}

const laws = [
  "opens, and is as strong as it says",
  "scripts against a model",
  "no aliasing",
  "changes give each commit once, in order",
  "concurrent increments are all counted",
  "operations are linearizable"
]

for (const [outer, over] of Object.entries(combinators))
  it.effect(`${outer} over every other combinator keeps the laws of states and commits`, () =>
    Effect.gen(function* () {
      for (const [inner, under] of Object.entries(combinators)) {
        const subject: Subject<State> = {
          name: `${outer} over ${inner} over VolatileAgent`,
          schema: Account,
          open: () =>
            Effect.flatMap(Effect.flatMap(VolatileAgent.make({ name: "below", schema: Account }), under), over)
        }
        const { outcomes } = yield* Laws.check(subject, { budget: "quick", laws, runs: 3 })
        expect(outcomes.map(({ _tag, law }) => [law, _tag])).toEqual(laws.map((law) => [law, "Kept"]))
      }
    })
  )
