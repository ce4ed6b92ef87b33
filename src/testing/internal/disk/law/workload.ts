/** Runs a script once on a simulated disk, and notes how far the journal had come when each operation began and was answered. */
import { Effect, Option, type Scope } from "effect"
import { absent } from "../../../../agents/Revision.ts"
import type * as CrashDisk from "../../../CrashDisk.ts"
import type { Broken, Case } from "../../case.ts"
import { show } from "../../same.ts"
import { type Opened, openOn } from "./recovery.ts"

/** One operation of a script. */
export interface Step<S> {
  readonly what: "save" | "update" | "modify" | "compareAndSave" | "delete" | "reopen"
  readonly state: S
  /** The process that does it. */
  readonly process: number
}

/** A script, and how it is run. */
export interface Script<S> {
  readonly steps: ReadonlyArray<Step<S>>
  /** Whether the processes run side by side rather than step by step. */
  readonly together: boolean
  readonly schedule: number
  readonly seed: number
}

/** A step as text. */
export const showStep = <S>({ process, state, what }: Step<S>, processes: number): string => {
  const by = processes > 1 ? ` (process ${process})` : ""
  return what === "delete" || what === "reopen" ? what + by : `${what} ${show(state)}${by}`
}

/** When something happened: how long the journal was, and the order among all such moments. */
export interface Moment {
  readonly at: number
  readonly order: number
}

/** An operation that may have changed the state. */
export interface Attempt<S> {
  readonly label: string
  /** The new state; none for a deletion. */
  readonly state: Option.Option<S>
  readonly key: string | undefined
  readonly began: Moment
  /** None when it was not told whether it happened. */
  readonly acknowledged: Moment | undefined
  /** Where it is known. */
  readonly revision: number | undefined
}

/** Runs the script; what it attempted, in the order of the answers. */
export const runScript = <S>(
  run: Case<S>,
  disk: CrashDisk.CrashDisk,
  script: Script<S>
): Effect.Effect<ReadonlyArray<Attempt<S>>, Broken> =>
  Effect.scoped(
    Effect.gen(function* () {
      const processes = 1 + Math.max(0, ...script.steps.map(({ process }) => process))
      const fileSystems = Array.from({ length: processes }, (_, i) => (i === 0 ? disk.fileSystem : disk.process()))
      const opened: Array<Opened<S>> = []
      for (const fileSystem of fileSystems) opened.push(yield* run.must("open", openOn(run, disk, fileSystem)))
      const attempts: Array<Attempt<S>> = []
      let order = 0
      const moment = (): Moment => ({ at: disk.length, order: order++ })

      const step = (step: Step<S>): Effect.Effect<void, Broken, Scope.Scope> =>
        Effect.gen(function* () {
          const { process, state, what } = step
          const label = showStep(step, processes)
          const fileSystem = fileSystems[process]
          const current = opened[process]
          if (fileSystem === undefined || current === undefined) return
          if (what === "reopen") {
            yield* run.must("close", current.close)
            opened[process] = yield* run.must("open", openOn(run, disk, fileSystem))
            return
          }
          const began = moment()
          const answer = yield* run.attempt(label, operation(current.agent, what, state))
          if (!answer.ok) {
            const { error } = answer
            // Nothing there to work on, or somebody else was faster: known not to have happened.
            if (error._tag === "StateNotFound" || error._tag === "RevisionConflict") return
            if (error._tag === "StateTooLarge") return
            if (error._tag !== "WriteIndeterminate") yield* run.must(label, Effect.fail(error))
          }
          const acknowledged = answer.ok ? moment() : undefined
          const stored =
            script.together || !answer.ok ? Option.none() : yield* run.must("current", current.agent.current)
          const deleted = what === "delete"
          attempts.push({
            label,
            state: deleted ? Option.none() : Option.some(state),
            key: deleted ? undefined : run.world.same.key(state),
            began,
            acknowledged,
            revision: Option.isSome(stored) ? stored.value.revision : undefined
          })
        })

      if (!script.together) for (const each of script.steps) yield* step(each)
      else
        yield* Effect.forEach(
          fileSystems,
          (_, process) =>
            Effect.forEach(
              script.steps.filter((each) => each.process === process),
              step,
              { discard: true }
            ),
          { concurrency: "unbounded", discard: true }
        )
      for (const { close } of opened) yield* run.must("close", close)
      return attempts
    })
  )

const operation = <S>(agent: Opened<S>["agent"], what: Step<S>["what"], state: S): Effect.Effect<unknown, unknown> => {
  switch (what) {
    case "save":
      return agent.save(state)
    case "update":
      return agent.update(() => state)
    case "modify":
      return agent.modify(() => Effect.succeed([undefined, state] as const))
    case "compareAndSave":
      return Effect.flatMap(agent.current, (current) =>
        agent.compareAndSave(state, Option.isSome(current) ? current.value.revision : absent)
      )
    case "delete":
      return agent.delete
    case "reopen":
      return Effect.void
  }
}
