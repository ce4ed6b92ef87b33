/** Every combinator over every other one, and over every primitive. */
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
import * as File from "./PersistentAgent.subjects.ts"
import * as Redis from "./RedisAgent.subjects.ts"
import * as Sqlite from "./SqlAgent.subjects.ts"
import * as Postgres from "./SqlAgentPostgres.subjects.ts"
import * as Streams from "./StreamAgent.subjects.ts"
import { Account } from "./schemas.ts"

type State = typeof Account.Type
type Agent = DataAgent.DataAgent<State>

const memory = <S>(schema: Schema.Codec<S, unknown>) => VolatileAgent.make({ name: "other", schema })

const combinators: Readonly<Record<string, (agent: Agent) => Effect.Effect<Agent, unknown, Scope.Scope>>> = {
  Cached: Cached.make(),
  EntropyConstrained: (agent) => Effect.succeed(EntropyConstrained.make(agent, { maxBytes: 100_000 })),
  Fallback: Fallback.make({ second: memory, logs: false, durability: "volatile" }),
  Mapped: (agent) => Effect.succeed(Mapped.make(agent, { iso: Optic.id<State>(), schema: Account })),
  Mirrored: Mirrored.make({ followers: [memory] }),
  Observed: (agent) => Effect.succeed(Observed.make(agent, { logs: false })),
  Retrying: (agent) => Effect.succeed(Retrying.make(agent)),
  Transactional: (agent) => Effect.succeed(Transactional.make(agent))
}

const scripts = "scripts against a model"

const laws = [
  "opens, and is as strong as it says",
  scripts,
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

for (const primitive of [File.accounts, Sqlite.accounts, Postgres.accounts, Redis.accounts, Streams.files])
  it.effect(`every combinator over ${primitive.name} does what a model does`, () =>
    Effect.gen(function* () {
      for (const [outer, over] of Object.entries(combinators)) {
        const { faulty: _f, family: _m, module: _p, ...below } = primitive
        const subject: Subject<State> = {
          ...below,
          name: `${outer} over ${primitive.name}`,
          claims: undefined,
          openAs: undefined,
          open: (site) => Effect.flatMap(primitive.open(site), over)
        }
        const { outcomes } = yield* Laws.check(subject, { budget: "quick", laws: [scripts], runs: 3 })
        expect(outcomes).toMatchObject([{ _tag: "Kept", law: scripts }])
      }
    })
  )
