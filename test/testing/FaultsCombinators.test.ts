import { expect, it } from "@effect/vitest"
import { Cached, DataAgent, EntropyConstrained, Symbiont, VolatileAgent } from "dgents"
import { Faults, Laws, type Site } from "dgents/testing"
import { Effect } from "effect"
import { claims, emptyCell, override, right, State } from "./mutants/memory.ts"

type Agent = DataAgent.DataAgent<State>

/** An agent whose `update` and `modify` are runs of a symbiont. */
const asSymbiont = (memory: Agent): Agent =>
  override(memory, {
    update: (f) =>
      Symbiont.make({
        memory,
        logic: (_: undefined, state: State) => {
          const next = f(state)
          return Effect.succeed([next, next] as const)
        }
      }).run(undefined),
    modify: (f) => Symbiont.make({ memory, logic: (_: undefined, state: State) => f(state) }).run(undefined)
  })

const volatile = () => VolatileAgent.make({ name: "below", schema: State, history: "full" })
const lasting = (site: Site.Site) =>
  DataAgent.fromRegister({ name: "below", schema: State, claims, register: right(site.memory("cell", emptyCell)) })

const combinators: Readonly<Record<string, (agent: Agent) => ReturnType<typeof volatile>>> = {
  "nothing at all": (agent) => Effect.succeed(agent),
  Cached: (agent) => Cached.make(agent),
  "a Cached that forgets": (agent) => Cached.make(agent, { ttl: 0 }),
  EntropyConstrained: (agent) => Effect.succeed(EntropyConstrained.make(agent, { maxBytes: 200 })),
  Symbiont: (agent) => Effect.succeed(asSymbiont(agent))
}

for (const [name, over] of Object.entries(combinators)) {
  for (const [below, backend] of [
    ["state in memory", volatile],
    ["state that outlives its agent", lasting]
  ] as const) {
    it.effect(`${name} over ${below} that fails tells the truth about it`, () =>
      Effect.gen(function* () {
        const report = yield* Laws.check(
          {
            name,
            schema: State,
            open: (site) => Effect.flatMap(backend(site), over),
            faulty: (site, faults) => Effect.flatMap(backend(site), (agent) => over(Faults.agent(agent, faults)))
          },
          { laws: ["every request to the backend may fail", "a failing backend is told honestly"] }
        )
        expect(report.outcomes.map(({ _tag }) => _tag)).toEqual(["Kept", "Kept"])
      })
    )
  }
}
