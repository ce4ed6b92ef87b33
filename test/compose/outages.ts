import { type DataAgent, Revision } from "dgents"
import { Faults, History, Linearizability, SeededScheduler } from "dgents/testing"
import { Effect, Option, type Scope } from "effect"
import { TestClock } from "effect/testing"
import type { Counter } from "./support.ts"

type Agent = DataAgent.DataAgent<Counter>

const yields = (n: number) => (n === 0 ? Effect.void : Effect.repeat(Effect.yieldNow, { times: n - 1 }))

const refusals = [Faults.flaky(1), Faults.flaky(1), Faults.flaky(0.4), Faults.slow({ yields: 5 }, { share: 0.5 })]
const losses = [Faults.flaky(0.3, "loseReply"), Faults.flaky(0.3, "loseRequest")]

/**
 * How the agent is used: kept open while requests are refused; or closed and opened again while replies are lost as well, and then
 * without a look at revisions, which a state may get anew when it is brought from one agent to another a second time.
 */
export type Use = "kept" | "reopened"

/** What three clients are told of an agent while what is below it goes away and comes back: all chosen by a seed. */
const history = (
  seed: number,
  injectors: ReadonlyArray<Faults.Injector>,
  open: Effect.Effect<Agent, unknown, Scope.Scope>,
  use: Use
) => {
  const next = SeededScheduler.random(seed)
  const upTo = (n: number) => Math.floor(next() * n)
  const recorder = History.recorder()
  const recording = { ...recorder, fingerprint: ({ n }: Counter) => `${n}` }
  const outages = use === "kept" ? refusals : [...refusals, ...losses]
  let value = 0

  const step = (agent: Agent): Effect.Effect<unknown, unknown> => {
    const n = ++value
    switch (upTo(9)) {
      case 0:
      case 1:
        return agent.load
      case 2:
      case 3:
        return agent.current
      case 4:
        return agent.save({ n })
      case 5:
      case 6:
        return agent.update(() => ({ n }))
      case 7:
        if (use === "reopened") return agent.current
        return Effect.flatMap(agent.current, (found) =>
          agent.compareAndSave({ n }, Option.isSome(found) ? found.value.revision : Revision.absent)
        )
      default:
        return upTo(3) === 0 ? agent.delete : agent.load
    }
  }
  const client = (agent: Agent) =>
    Effect.repeat(
      Effect.suspend(() => Effect.andThen(yields(upTo(4)), Effect.exit(step(agent)))),
      { times: 6 }
    )
  const operator = Effect.repeat(
    Effect.suspend(() => {
      const injector = injectors[upTo(injectors.length)]
      const outage = outages[upTo(outages.length)]
      if (upTo(3) === 0) injector?.lift()
      else if (outage !== undefined) injector?.arm(Faults.plan(upTo(1_000), outage))
      return Effect.andThen(TestClock.adjust(upTo(4) === 0 ? 200 : 3), yields(upTo(12)))
    }),
    { times: 6 }
  )
  const round = (agent: Agent, i: number) => {
    const clients = [0, 1, 2].map((n) => client(History.recording(agent, `client ${i}.${n}`, recording)))
    return Effect.all([operator, ...clients], { concurrency: "unbounded", discard: true })
  }
  const rounds = [0, 1, 2]
  const work =
    use === "kept"
      ? Effect.flatMap(open, (agent) => Effect.forEach(rounds, (i) => round(agent, i), { discard: true }))
      : Effect.forEach(rounds, (i) => Effect.scoped(Effect.flatMap(open, (agent) => round(agent, i))), {
          discard: true
        })
  const look = Effect.gen(function* () {
    yield* TestClock.adjust(200)
    for (const injector of injectors) injector.lift()
    yield* History.recording(yield* open, "last", recording).current
  })
  // Whoever waits, say for its next try, gets there.
  const ticking = Effect.forever(Effect.andThen(TestClock.adjust(1), yields(5)))
  return Effect.scoped(work).pipe(
    Effect.andThen(Effect.scoped(look)),
    Effect.raceFirst(ticking),
    SeededScheduler.provide(seed + 1),
    Effect.map(() => (use === "kept" ? recorder.history() : recorder.history().map(withoutRevision)))
  )
}

const withoutRevision = (operation: History.Operation): History.Operation => {
  const { answer } = operation
  if (answer.kind !== "ok" || answer.value === undefined) return operation
  return { ...operation, answer: { kind: "ok", value: answer.value } }
}

/** So many seeds, or as many as `SEEDS` says, for a longer search. */
export const seedsFrom = (few: number): ReadonlyArray<number> =>
  Array.from({ length: Number(process.env["SEEDS"] ?? few) }, (_, i) => i + Number(process.env["FROM"] ?? 1))

/** Why no order of what the clients did explains what they were told; `undefined` where one does. */
export const judged = (
  seed: number,
  injectors: ReadonlyArray<Faults.Injector>,
  open: Effect.Effect<Agent, unknown, Scope.Scope>,
  use: Use
): Effect.Effect<string | undefined, unknown> =>
  Effect.map(history(seed, injectors, open, use), (history) => {
    const judgement = Linearizability.judge(history)
    if (judgement._tag === "Linearizable") return undefined
    return judgement._tag === "Undecided" ? "undecided" : Linearizability.show(judgement)
  })
