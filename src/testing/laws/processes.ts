import * as Gen from "../internal/gen.ts"
import { processPlan } from "../internal/processes/plan.ts"
import { sharedCounter } from "../internal/processes/sharedCounter.ts"
import { sharedHistory } from "../internal/processes/sharedHistory.ts"
import { type Law, skip, type World } from "../internal/world.ts"

const why = <S>({ claims, pool }: World<S>): string | undefined =>
  claims.sharing === "process"
    ? "the claim is sharing by process: one process at a time"
    : claims.consistency !== "linearizable"
      ? `the claim is ${claims.consistency}, not linearizable`
      : pool.length < 2
        ? "the schema has one state only"
        : undefined

/** What several processes do at the same time, one of them killed now and then, fits one order of single steps. */
export const processes: Law = {
  name: "several processes keep one history",
  rule: "what processes do to one state at the same time looks as if each operation had happened at one instant, to all of them, also when one of them is killed. A lock in memory, a cache, a revision counted in memory or a temp file of one name for all break it.",
  plan: (world) => {
    const reason = why(world)
    if (reason !== undefined) return skip(reason)
    const operations = world.settings.budget === "soak" ? 120 : 60
    return processPlan(world, {
      cases: Gen.record({
        processes: Gen.int(2, 4),
        fibers: Gen.int(1, 2),
        kill: Gen.pick([false, true]),
        seed: Gen.int(0, 2 ** 31 - 1)
      }),
      show: ({ fibers, kill, processes, seed }) => [
        `${processes} processes of ${fibers} fibers, each performing ${operations} operations`,
        ...(kill ? ["one process is killed in the middle"] : []),
        `(choices from ${seed})`
      ],
      effort: { ci: { runs: 12, millis: 60_000 }, soak: { runs: 100, millis: 600_000 } },
      holds: (value, common) => sharedHistory({ ...common, ...value, operations })
    })
  }
}

/** Four processes that increment 250 times each count to 1 000. */
export const processCounter: Law = {
  name: "increments of several processes are all counted",
  rule: "between the reading and the writing of an update no other process writes: a lock that all processes see, or compare-and-set in the storage itself and not in memory.",
  plan: (world) => {
    const reason = why(world)
    if (reason !== undefined) return skip(reason)
    const crew = { processes: 4, times: world.settings.budget === "soak" ? 1_000 : 250 }
    return processPlan(world, {
      cases: Gen.record({ by: Gen.pick(["update", "modify"]) }),
      show: ({ by }) => [`${crew.processes} processes ${by} to the next state, ${crew.times} times each`],
      effort: { ci: { runs: 3, millis: 60_000 }, soak: { runs: 10, millis: 600_000 } },
      holds: ({ by }, common) => sharedCounter({ ...common, ...crew, by, seed: 0 })
    })
  }
}
