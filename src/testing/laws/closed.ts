import { Effect, Stream } from "effect"
import { absent, make as revision } from "../../agents/Revision.ts"
import { broken } from "../internal/case.ts"
import { show } from "../internal/same.ts"
import { type Law, property } from "../internal/world.ts"

/** After its scope has closed, every operation of an agent fails with `AgentClosed`. */
export const closed: Law = {
  name: "use after closing is typed",
  rule: "after the scope has closed every operation fails with AgentClosed, and none answers from what is left in memory.",
  plan: (world) =>
    property(world, {
      cases: world.pooled,
      show: (state) => [`save ${show(state)}`, "close the scope", "each operation"],
      atMost: 12,
      holds: (state, run) =>
        Effect.gen(function* () {
          const { agent, close } = yield* run.open
          yield* run.must("save", agent.save(state))
          yield* close
          const operations: ReadonlyArray<readonly [string, Effect.Effect<unknown, unknown>]> = [
            ["load", agent.load],
            ["save", agent.save(state)],
            ["update", agent.update(() => state)],
            ["modify", agent.modify(() => Effect.succeed([0, state] as const))],
            ["delete", agent.delete],
            ["current", agent.current],
            ["compareAndSave", agent.compareAndSave(state, absent)],
            ["history", Stream.runCollect(agent.history())],
            ["at", agent.at(revision(1))],
            ["changes", Stream.runCollect(agent.changes)]
          ]
          for (const [name, operation] of operations) {
            run.count("operations")
            const answer = yield* run.attempt(`${name} after closing`, operation)
            if (answer.ok) return yield* broken(`${name} succeeded after the scope had closed`)
            if (answer.error._tag !== "AgentClosed")
              return yield* broken(`${name} after closing failed with ${answer.error._tag}, expected AgentClosed`)
          }
        })
    })
}
