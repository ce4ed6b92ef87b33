import { Effect, FileSystem } from "effect"
import { survives } from "../../agents/Claims.ts"
import { Broken, type Case } from "../internal/case.ts"
import { blame } from "../internal/faults/blame.ts"
import { Injector } from "../internal/faults/injector.ts"
import { inTurn } from "../internal/faults/inTurn.ts"
import type { Fault } from "../internal/faults/plan.ts"
import { none, type Plan, show } from "../internal/faults/plan.ts"
import { Player } from "../internal/faults/player.ts"
import { plans, requestFaults, type Step, showStep, steps } from "../internal/faults/steps.ts"
import * as Gen from "../internal/gen.ts"
import { type Law, type Property, property, skip } from "../internal/world.ts"
import { provide } from "../SeededScheduler.ts"
import * as Site from "../Site.ts"

const noBackend = skip("the subject does not say how to make its backend fail (faulty)")

interface Failing<S> {
  readonly script: ReadonlyArray<Step<S>>
  readonly plan: Plan
  readonly schedule: number
}

/**
 * Over a backend that fails: what is answered is true. An acknowledged write happened, one that failed for a known
 * reason did not, an indeterminate one did or did not, and once; what is shown is what is stored below; and with the fault gone
 * all is well again.
 */
export const honest: Law = {
  name: "a failing backend is told honestly",
  rule: "an acknowledged write happened, one that failed for a known reason did not, and one whose reply was lost is WriteIndeterminate: it happened once or not at all. Retry only what is safe to repeat, and let no cache believe a write that failed.",
  plan: (world) => {
    const { faulty } = world.subject
    if (faulty === undefined) return noBackend
    const withReopen = survives(world.claims.durability, "process")
    return property(world, {
      cases: Gen.record<Failing<(typeof world.pool)[0]>>({
        script: Gen.script(steps(world.pooled, withReopen)),
        plan: plans(requestFaults),
        schedule: Gen.oneOf([Gen.always(0), Gen.int(1, 1_000_000)])
      }),
      show: ({ plan, schedule, script }) => [
        ...script.map(showStep),
        withReopen ? "lift the faults, look, reopen, look, save" : "lift the faults, look, save",
        `(${show(plan)}; schedule ${schedule})`
      ],
      holds: ({ plan, schedule, script }, run) => {
        const faults = new Injector(none)
        return Effect.gen(function* () {
          const player = new Player(run, { faults, open: run.onDisk(faulty(run.site, faults)) })
          yield* player.open
          faults.arm(plan)
          for (const step of script) yield* player.play(step)
          run.count("operations below", faults.count)
          run.count("faults", faults.struck)
          yield* player.recover(withReopen)
        }).pipe(blame(faults), provide(schedule))
      }
    })
  }
}

const tags = ["load", "save", "update", "modify", "compareAndSave", "delete", "history"] as const
const kinds: ReadonlyArray<Fault["does"]> = ["loseReply", "refuse", "loseRequest"]

/** Each request that an operation makes below is refused, or loses its request or its reply: once and from then on. */
export const requests: Law = {
  name: "every request to the backend may fail",
  rule: "the same for each single request that an operation makes, refused or with its reply lost, once and for good.",
  plan: (world) => {
    return world.subject.faulty === undefined ? noBackend : inTurn(world, everything<(typeof world.pool)[0]>())
  }
}

/** Each operation on an empty agent and on one with states, and each request of it. */
function* everything<S>(): Generator<Property<S, undefined>> {
  for (const saves of [2, 0])
    for (const tag of tags)
      yield {
        cases: Gen.always(undefined),
        show: () => [`${saves} saves, load, ${tag}, each request below failing in each way`],
        holds: (_, run) =>
          Effect.gen(function* () {
            const made = yield* oneRequest(run, saves, tag, none)
            for (const does of kinds)
              for (const forever of [false, true])
                for (let at = 0; at < made; at++) {
                  run.count("requests failed")
                  const fault = { does, from: at, until: forever ? undefined : at + 1 }
                  yield* oneRequest(run, saves, tag, { seed: 0, faults: [fault] })
                }
          })
      }
}

/** One operation while one of its requests fails; answers how many requests it made. */
const oneRequest = <S>(run: Case<S>, saves: number, tag: (typeof tags)[number], plan: Plan) =>
  Effect.scoped(
    Effect.gen(function* () {
      const { world } = run
      const site = yield* world.onFiles ? Site.simulated : Site.temporary
      const faults = new Injector(none)
      const opening = world.subject.faulty?.(site, faults) ?? world.subject.open(site)
      const fs = world.onFiles ? site.disk.fileSystem : world.noFiles
      const player = new Player(run, { faults, open: Effect.provideService(opening, FileSystem.FileSystem, fs) })
      yield* player.open
      for (let i = 0; i < saves; i++) yield* player.play({ _tag: "save", state: Gen.nth(world.pool, i) })
      yield* player.play({ _tag: "load" })
      faults.arm(plan)
      const state = Gen.nth(world.pool, saves)
      yield* player.play(tag === "save" || tag === "compareAndSave" ? { _tag: tag, state } : { _tag: tag })
      const made = faults.count
      yield* player.recover(survives(world.claims.durability, "process"))
      return made
    })
  ).pipe(
    Effect.mapError(
      ({ evidence }) => new Broken({ evidence: `${saves} saves, a load, then ${tag} (${show(plan)}): ${evidence}` })
    )
  )
