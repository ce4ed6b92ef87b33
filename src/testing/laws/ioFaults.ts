import { Effect, type FileSystem, type Scope } from "effect"
import { survives } from "../../agents/Claims.ts"
import { Broken, broken, type Case } from "../internal/case.ts"
import { blame } from "../internal/faults/blame.ts"
import { faultyFileSystem } from "../internal/faults/fileSystem.ts"
import { countFiles } from "../internal/faults/files.ts"
import { Injector } from "../internal/faults/injector.ts"
import { inTurn } from "../internal/faults/inTurn.ts"
import { none, type Plan, show } from "../internal/faults/plan.ts"
import { onDisk, Player } from "../internal/faults/player.ts"
import { cutPower } from "../internal/faults/powerCut.ts"
import { diskFaults, plans, type Step, showStep, steps } from "../internal/faults/steps.ts"
import { type Operation, operations, suspects, type Way, ways } from "../internal/faults/ways.ts"
import * as Gen from "../internal/gen.ts"
import { type Law, type Property, property, skip, type World } from "../internal/world.ts"
import * as Site from "../Site.ts"

const notOnFiles = skip("the agent does not take its FileSystem from the context")

interface Failing<S> {
  readonly script: ReadonlyArray<Step<S>>
  readonly plan: Plan
}

/** Random scripts on a disk that fails at random: every failure is typed and true, and with the fault gone all is well. */
export const ioScripts: Law = {
  name: "a failing disk is told, and recovered from",
  rule: "when the disk fails, the error is typed and true: what failed for a known reason did not happen, what was acknowledged did, and once the fault is gone the next operation works. A short write is not a success, and a failed fsync is never retried on the same handle.",
  plan: (world) => {
    if (!world.onFiles) return notOnFiles
    return property(world, {
      cases: Gen.record<Failing<(typeof world.pool)[0]>>({
        script: Gen.script(steps(world.pooled, true)),
        plan: plans(diskFaults)
      }),
      show: ({ plan, script }) => [
        ...script.map(showStep),
        "lift the faults, look, reopen, look, save",
        `(${show(plan)})`
      ],
      holds: ({ plan, script }, run) => {
        const faults = new Injector(none)
        return Effect.gen(function* () {
          const fs = faultyFileSystem(run.site.disk.fileSystem, faults, { closes: false })
          const player = new Player(run, onDisk(run, run.site, faults, fs))
          yield* player.open
          faults.arm(plan)
          for (const step of script) yield* player.play(step)
          run.count("I/O operations", faults.count)
          run.count("faults", faults.struck)
          yield* player.recover(true)
          yield* player.close
          if (faults.handles !== 0) yield* broken(`${faults.handles} files are still open after closing`)
        }).pipe(blame(faults))
      }
    })
  }
}

interface Single {
  readonly operation: number
  readonly way: Way
  readonly at: number
  readonly reopens: number
}

/** Each I/O operation of each operation fails in each way: all of them in `ci` and `soak`, a sample in `quick`. */
export const ioFaults: Law = {
  name: "every I/O operation may fail",
  rule: "the same for each single I/O operation of open, save, update, compareAndSave, delete and history, failing in each way, once and for good.",
  plan: (world) => {
    if (!world.onFiles) return notOnFiles
    if (world.settings.budget !== "quick") return inTurn(world, everything(world))
    // What an operation does when nothing goes wrong follows from the operation alone.
    const normals = new Map<number, Normal>()
    return property(world, {
      effort: { quick: { millis: 160 } },
      cases: Gen.record<Single>({
        // Most often a save that follows others.
        operation: Gen.oneOf([Gen.always(2), Gen.always(2), Gen.int(0, operations.length - 1)]),
        way: Gen.oneOf([Gen.pick(suspects), Gen.pick(suspects), Gen.pick(ways)]),
        at: Gen.int(0, 1_000),
        reopens: Gen.int(0, 1)
      }),
      show: (single) => [`${showOperation(pick(operations, single.operation))}, ${single.way.name}`],
      holds: ({ at, operation, reopens, way }, run) =>
        Effect.gen(function* () {
          const chosen = pick(operations, operation)
          const normal = normals.get(operation) ?? (yield* unfaulted(run, chosen))
          normals.set(operation, normal)
          yield* single(run, chosen, way, at % normal.operations, reopens === 1, normal)
        })
    })
  }
}

/** Each operation in each way, and each I/O operation of it. */
function* everything<S>(world: World<S>): Generator<Property<S, undefined>> {
  const both = world.settings.budget === "soak"
  for (const operation of operations) {
    let normal: Normal | undefined
    for (const [i, way] of ways.entries())
      yield {
        cases: Gen.always(undefined),
        show: () => [`${showOperation(operation)}, each I/O operation: ${way.name}`],
        holds: (_, run) =>
          Effect.gen(function* () {
            normal ??= yield* unfaulted(run, operation)
            for (let at = 0; at < normal.operations; at++) {
              const reopens = (at + i) % 2 === 0
              yield* single(run, operation, way, at, reopens, normal)
              if (both) yield* single(run, operation, way, at, !reopens, normal)
            }
          })
      }
  }
}

const showOperation = ({ saves, step }: Operation) => (saves === 0 ? `first ${step}` : `${saves} saves, ${step}`)

const pick = <A>(list: readonly [A, ...ReadonlyArray<A>] | ReadonlyArray<A>, n: number): A =>
  // Sound: the index lies within the list, which is not empty.
  list[n % list.length] as A

/** What an operation does and leaves when nothing goes wrong. */
interface Normal {
  readonly operations: number
  /** Handles open afterwards. */
  readonly handles: number
  /** Files that are left after closing, whether or not the operation happens. */
  readonly files: number
}

const unfaulted = <S>(run: Case<S>, operation: Operation, times = 1): Effect.Effect<Normal, Broken, Scope.Scope> =>
  Effect.gen(function* () {
    const done = yield* once(run, operation, none, true, times)
    const skipped = yield* once(run, { ...operation, step: "history" }, none, true, times)
    return {
      operations: done.operations,
      handles: Math.max(done.handles, skipped.handles),
      files: Math.max(done.files, skipped.files)
    }
  })

const single = <S>(
  run: Case<S>,
  operation: Operation,
  way: Way,
  at: number,
  reopens: boolean,
  normal: Normal
): Effect.Effect<void, Broken, Scope.Scope> =>
  Effect.gen(function* () {
    run.count("I/O operations failed")
    const plan = { seed: 0, faults: way.faults(at) }
    const left = yield* once(run, operation, plan, reopens, 1)
    if (left.handles > normal.handles)
      yield* broken(`${left.handles} files are open, and ${normal.handles} when nothing goes wrong`)
    if (left.open !== 0) yield* broken(`${left.open} files are still open after closing`)
    if (left.files <= normal.files) return
    // A failure may leave something, but not something each time.
    const often = yield* once(run, operation, plan, reopens, times)
    const usual = yield* unfaulted(run, operation, times)
    if (often.files - usual.files > left.files - normal.files)
      yield* broken(
        `${left.files} files are left, and ${normal.files} when nothing goes wrong; after ${times} times ${often.files}, and ${usual.files}`
      )
  }).pipe(
    Effect.mapError(
      ({ evidence }) =>
        new Broken({
          evidence: `${showOperation(operation)}, ${way.name}, at I/O operation ${at}${reopens ? ", then reopen" : ""}: ${evidence}`
        })
    )
  )

const times = 4
const powerCuts = 4

/** One operation on a disk of its own, under a plan; then everything that must work when the faults are gone. */
const once = <S>(
  run: Case<S>,
  { saves, step }: { readonly step: Operation["step"]; readonly saves: number },
  plan: Plan,
  reopens: boolean,
  times: number
) =>
  Effect.scoped(
    Effect.gen(function* () {
      const { pool } = run.world
      const site = yield* Site.simulated
      const faults = new Injector(none)
      const fs: FileSystem.FileSystem = faultyFileSystem(site.disk.fileSystem, faults, { closes: false })
      const player = new Player(run, onDisk(run, site, faults, fs))
      yield* player.open
      for (let i = 0; i < saves; i++) yield* player.play({ _tag: "save", state: Gen.nth(pool, i) })
      const state = Gen.nth(pool, saves)
      const cuts: Array<Effect.Effect<void, Broken>> = []
      let operations = 0
      for (let i = 0; i < times; i++) {
        if (i > 0) {
          faults.lift()
          yield* player.play({ _tag: "save", state })
        }
        faults.arm(plan)
        yield* player.play(step === "save" || step === "compareAndSave" ? { _tag: step, state } : { _tag: step })
        operations = faults.count
      }
      if (faults.struck > 0 && survives(run.world.claims.durability, "power")) {
        cuts.push(cutPower(run, player, site, `after that ${step}`, powerCuts))
        faults.lift()
        yield* player.play({ _tag: "load" })
        cuts.push(cutPower(run, player, site, `after that ${step} and a look`, powerCuts))
      }
      yield* player.recover(reopens)
      const { handles } = faults
      yield* player.close
      const open = faults.handles
      for (const cut of cuts) yield* cut
      // What a failure left may be swept by the next opening.
      yield* player.open
      yield* player.play({ _tag: "load" })
      yield* player.close
      const files = yield* run.must("count the files", countFiles(site.disk.fileSystem, site.path("")))
      return { operations, handles, open, files }
    })
  )
