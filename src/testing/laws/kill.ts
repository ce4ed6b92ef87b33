import { survives } from "../../agents/Claims.ts"
import * as Gen from "../internal/gen.ts"
import { killRounds } from "../internal/processes/killRounds.ts"
import { processPlan } from "../internal/processes/plan.ts"
import { type Law, skip } from "../internal/world.ts"

/** After a kill -9 at any moment all that was acknowledged is there, and the operation under way is done or is not. */
export const kill: Law = {
  name: "a killed process loses nothing acknowledged",
  rule: "after a kill -9 at any moment the next process opens the agent at once and finds all that was acknowledged, and what was under way either whole or not at all. A save that is buffered, a lock file that stays when its holder is dead, or temp files that nobody removes break it.",
  plan: (world) => {
    if (!survives(world.claims.durability, "process"))
      return skip("the state does not outlive the agent's scope: durability volatile")
    // Each case has a site of its own, at which so many processes are killed, one after another.
    const rounds = world.settings.budget === "soak" ? 10 : 5
    return processPlan(world, {
      cases: Gen.record({ seed: Gen.int(0, 2 ** 31 - 1) }),
      show: ({ seed }) => [`open the agent, work until a SIGKILL, and that ${rounds} times`, `(choices from ${seed})`],
      effort: { ci: { runs: 10, millis: 60_000 }, soak: { runs: 100, millis: 600_000 } },
      holds: ({ seed }, common, { server, settled }) =>
        killRounds({ ...common, claims: world.claims, rounds, seed, server, settled })
    })
  }
}
