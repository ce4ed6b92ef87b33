import { Effect } from "effect"
import { absent, type Revision } from "../../agents/Revision.ts"
import { RevisionConflict } from "../../agents/StateError.ts"
import { broken } from "../internal/case.ts"
import * as Gen from "../internal/gen.ts"
import { type Law, property, skip, type World } from "../internal/world.ts"
import { provide } from "../SeededScheduler.ts"

interface Counting {
  readonly fibers: number
  readonly times: number
  readonly how: "update" | "modify" | "compareAndSave"
  readonly yields: number
  readonly schedule: number
}

const yields = (n: number) => (n === 0 ? Effect.void : Effect.repeat(Effect.yieldNow, { times: n - 1 }))

const plan = <S>(world: World<S>, instances: number) => {
  // States stand for the numbers 0, 1, 2, ... of a counter that begins again when they are used up.
  const numbers = new Map(world.pool.map((state, i) => [world.same.key(state), i]))
  const at = (n: number) => Gen.nth(world.pool, n)
  return property(world, {
    cases: Gen.record<Counting>({
      fibers: Gen.int(2, 6),
      times: Gen.int(1, 4),
      how: Gen.pick(["update", "modify", "compareAndSave"]),
      yields: Gen.int(0, 3),
      schedule: Gen.int(0, 1_000_000)
    }),
    show: ({ fibers, how, schedule, times, yields }) => [
      `${fibers} fibers on ${instances} open agent${instances === 1 ? "" : "s"}, each ${times} times: ${how} to the next state, yielding ${yields} times`,
      `(schedule ${schedule})`
    ],
    holds: (counting, run) =>
      Effect.gen(function* () {
        const agents = yield* Effect.forEach(
          Array.from({ length: instances }, (_, i) => i),
          (process) => run.openAs(process)
        )
        const first = agents[0]?.agent
        if (first === undefined) return
        yield* run.must("save", first.save(at(0)))
        const next = (state: S): S => at((numbers.get(world.same.key(state)) ?? -1) + 1)
        const increment = (agent: typeof first) => {
          switch (counting.how) {
            case "update":
              return run.must("update", agent.update(next))
            case "modify":
              return run.must(
                "modify",
                agent.modify((state) => Effect.as(yields(counting.yields), [0, next(state)] as const), {
                  retries: 1_000
                })
              )
            case "compareAndSave": {
              const attempt: Effect.Effect<void, unknown> = Effect.gen(function* () {
                const current = yield* agent.current
                if (current._tag === "None") return yield* Effect.fail("the state is gone")
                yield* yields(counting.yields)
                yield* agent.compareAndSave(next(current.value.state), current.value.revision)
              })
              return run.must("compareAndSave", Effect.retry(attempt, { while: isConflict }))
            }
          }
        }
        yield* Effect.forEach(
          Array.from({ length: counting.fibers }, (_, i) => agents[i % agents.length]?.agent ?? first),
          (agent) => Effect.repeat(increment(agent), { times: counting.times - 1 }),
          { concurrency: "unbounded", discard: true }
        )
        const total = counting.fibers * counting.times
        run.count("schedules")
        run.count("increments", total)
        for (const { agent } of agents) {
          const got = numbers.get(world.same.key(yield* run.must("load", agent.load)))
          if (got !== total % world.pool.length)
            yield* broken(
              `${total} increments counted to ${got}${total < world.pool.length ? "" : ` modulo ${world.pool.length}`}`
            )
        }
      }).pipe(provide(counting.schedule))
  })
}

const isConflict = (error: unknown): boolean => error instanceof RevisionConflict

const why = <S>(world: World<S>): string | undefined =>
  world.claims.consistency !== "linearizable"
    ? `the claim is ${world.claims.consistency}, not linearizable`
    : world.pool.length < 2
      ? "the schema has one state only"
      : undefined

/** N fibers that increment M times count to N times M, through `update`, `modify` and `compareAndSave`. */
export const counter: Law = {
  name: "concurrent increments are all counted",
  rule: "what runs at once is not lost: read, change and write are one atomic step, by a lock or by compare-and-set. A check, then a pause, then a write loses updates.",
  plan: (world) => {
    const reason = why(world)
    return reason === undefined ? plan(world, 1) : skip(reason)
  }
}

/** The same when the fibers use agents that were opened independently of each other. */
export const counterAcrossInstances: Law = {
  name: "concurrent increments through two open agents",
  rule: "the same between agents that were opened independently, as two processes do: a lock in memory is not enough, the storage has to compare.",
  plan: (world) => {
    const reason = world.claims.sharing === "process" ? "the claim is sharing by process: one open agent" : why(world)
    return reason === undefined ? plan(world, 2) : skip(reason)
  }
}

interface Race {
  readonly contenders: number
  readonly from: "absent" | "saved"
  readonly schedule: number
}

/** Of several `compareAndSave` from one revision exactly one wins, and the others are told of the conflict. */
export const race: Law = {
  name: "of many compareAndSave one wins",
  rule: "compareAndSave compares and writes in one atomic step: one of many wins, the others get RevisionConflict.",
  plan: (world) => {
    const reason = why(world)
    if (reason !== undefined) return skip(reason)
    return property(world, {
      cases: Gen.record<Race>({
        contenders: Gen.int(2, 8),
        from: Gen.pick(["absent", "saved"]),
        schedule: Gen.int(0, 1_000_000)
      }),
      show: ({ contenders, from, schedule }) => [
        `${contenders} fibers compareAndSave from one revision (${from})`,
        `(schedule ${schedule})`
      ],
      holds: ({ contenders, from, schedule }, run) =>
        Effect.gen(function* () {
          const { agent } = yield* run.open
          const state = (i: number) => Gen.nth(world.pool, i)
          const expected: Revision =
            from === "absent" ? absent : yield* run.must("compareAndSave", agent.compareAndSave(state(0), absent))
          const answers = yield* Effect.forEach(
            Array.from({ length: contenders }, (_, i) => i),
            (i) => run.attempt("compareAndSave", agent.compareAndSave(state(i), expected)),
            { concurrency: "unbounded" }
          )
          run.count("schedules")
          run.count("contenders", contenders)
          const winners = answers.flatMap((answer, i) => (answer.ok ? [i] : []))
          if (winners.length !== 1) return yield* broken(`${winners.length} of ${contenders} won`)
          for (const answer of answers)
            if (!answer.ok && answer.error._tag !== "RevisionConflict")
              return yield* broken(`a loser failed with ${answer.error._tag}: ${answer.error.message}`)
          yield* run.same("load after the race", state(winners[0] ?? 0), yield* run.must("load", agent.load))
        }).pipe(provide(schedule))
    })
  }
}
