import { Effect } from "effect"
import type { Broken, Case } from "../internal/case.ts"
import { type Effort, Search } from "../internal/disk/law/search.ts"
import { runScript, type Script, type Step, showStep } from "../internal/disk/law/workload.ts"
import * as Gen from "../internal/gen.ts"
import { type Budget, type CheckedResult, type Law, property, skip, type World } from "../internal/world.ts"
import * as SeededScheduler from "../SeededScheduler.ts"
import { newDisk } from "../Site.ts"

const efforts: Record<Budget, Effort> = {
  quick: { perPoint: 16, perRun: 8, saveEvery: 4, crashEvery: 6, perRecovery: 4, litterEvery: 3 },
  ci: { perPoint: 256, perRun: 60, saveEvery: 3, crashEvery: 4, perRecovery: 12, litterEvery: 3 },
  soak: { perPoint: 4_096, perRun: 150, saveEvery: 2, crashEvery: 4, perRecovery: 24, litterEvery: 2 }
}

/** Of the many short scripts, each gets less. */
const shortEfforts: Record<Budget, Effort> = {
  ...efforts,
  ci: { ...efforts.ci, perPoint: 64, perRun: 120, crashEvery: 6 },
  soak: { ...efforts.ci, perRun: 200 }
}

/** How long the scripts are of which every single one is tried. */
const lengths: Record<Budget, number> = { quick: 1, ci: 3, soak: 4 }

const kinds = ["save", "delete", "compareAndSave", "update", "modify", "reopen"] as const

const show = <S>({ schedule, seed, steps, together }: Script<S>): ReadonlyArray<string> => {
  const processes = 1 + Math.max(0, ...steps.map(({ process }) => process))
  return [
    ...steps.map((step) => showStep(step, processes)),
    together ? `(side by side, schedule ${schedule})` : `(one after the other, schedule ${schedule})`,
    `(crashes of seed ${seed})`
  ]
}

const holds =
  <S>(effort: Effort) =>
  (script: Script<S>, run: Case<S>): Effect.Effect<void, Broken> =>
    Effect.gen(function* () {
      const disk = newDisk()
      const attempts = yield* SeededScheduler.provide(script.schedule)(runScript(run, disk, script))
      yield* new Search(run, script, attempts, effort).all(disk)
    })

const why = <S>(world: World<S>): string | undefined => {
  if (!world.onFiles) return "the agent does not take its FileSystem from the context: there is no disk to crash"
  return world.claims.durability === "volatile" ? "the claim is volatile: nothing survives a crash" : undefined
}

const rule =
  "after a kill, and with a claim of `power` after a power cut, the agent opens with the last acknowledged state or one attempted after it. Write a new file, fsync it, rename it, fsync the directory, then acknowledge; give records of a log a checksum; and on opening, fsync what you read before you serve it."

/**
 * Whatever moment a kill or a power cut comes at, and whatever it makes of all that no fsync has made durable: the agent
 * opens, holds the last acknowledged state or one attempted after it, goes on, and a state once read never goes back.
 */
export const crash: Law = {
  name: "a crash at any point leaves an acknowledged state",
  rule,
  plan: (world) => {
    type S = (typeof world.pool)[0]
    const reason = why(world)
    if (reason !== undefined) return skip(reason)
    const isShared = world.claims.sharing !== "process"
    const step: Gen.Gen<Step<S>> = Gen.record({
      what: Gen.pick(["save", "save", ...kinds]),
      state: world.pooled,
      process: Gen.int(0, isShared ? 1 : 0)
    })
    return property(world, {
      cases: Gen.record<Script<S>>({
        steps: Gen.array(step, { minLength: 1, maxLength: world.settings.budget === "quick" ? 3 : 6 }),
        together: isShared ? Gen.pick([false, true]) : Gen.always(false),
        schedule: Gen.int(0, 1_000_000),
        seed: Gen.int(0, 1_000_000)
      }),
      effort: { quick: { runs: 12, millis: 100 }, ci: { runs: 204, millis: 25_000 }, soak: { millis: 1_800_000 } },
      show,
      holds: holds(efforts[world.settings.budget])
    })
  }
}

/** Every script of so many of these, so that a longer one contains the crashes of its beginnings. */
function* scripts<S>(world: World<S>, length: number): Generator<Script<S>> {
  const count = kinds.length ** length
  for (let i = 0; i < count; i++) {
    const steps = Array.from(
      { length },
      (_, at): Step<S> => ({
        what: kinds[Math.floor(i / kinds.length ** (length - 1 - at)) % kinds.length] ?? "save",
        state: Gen.nth(world.pool, at + i),
        process: 0
      })
    )
    yield { steps, together: false, schedule: 0, seed: i }
  }
}

/** The same in every short script, one kind of operation after every other. */
export const crashInShortScripts: Law = {
  name: "a crash in any short script leaves an acknowledged state",
  rule,
  plan: (world) => {
    const reason = why(world)
    if (reason !== undefined) return skip(reason)
    return {
      check: (check) =>
        Effect.gen(function* () {
          const counts: Record<string, number> = {}
          const tried = holds<(typeof world.pool)[0]>(shortEfforts[world.settings.budget])
          for (const script of scripts(world, lengths[world.settings.budget])) {
            const result = yield* check(world, { cases: Gen.always(script), atMost: 1, show, holds: tried })
            if (result._tag === "Broken") return result
            for (const [name, n] of Object.entries(result.counts)) counts[name] = (counts[name] ?? 0) + n
          }
          return { _tag: "Kept", counts } satisfies CheckedResult
        })
    }
  }
}
