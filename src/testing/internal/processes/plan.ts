import { Effect, type Scope } from "effect"
import type { Broken } from "../case.ts"
import { type Plan, type Property, skip, type World } from "../world.ts"
import * as Children from "./children.ts"
import type { Module } from "./module.ts"
import { toTexts } from "./numbers.ts"
import type { Surroundings } from "./session.ts"

/** What every law of real processes is given. */
export interface Common extends Surroundings {
  readonly children: Children.Children
  readonly states: ReadonlyArray<string>
}

/** A property whose cases are lived through by other processes. */
export interface ProcessProperty<in out S, C> extends Omit<Property<S, C>, "holds"> {
  readonly holds: (value: C, common: Common, module: Module) => Effect.Effect<void, Broken, Scope.Scope>
}

/** A plan that checks such a property, all cases by the same few processes; skipped where none can be started. */
export const processPlan = <S, C>(world: World<S>, { holds, ...property }: ProcessProperty<S, C>): Plan => {
  const { module } = world.subject
  if (module === undefined) return skip("the subject does not say from which `module` another process can import it")
  if (world.settings.budget === "quick")
    return skip("a process takes longer to start than the budget quick has: this is for ci and soak")
  return {
    check: (check) =>
      Effect.scoped(
        Effect.gen(function* () {
          const children = yield* Children.make(module)
          const states = yield* toTexts(world.codec, world.pool)
          let isBroken = false
          return yield* check(world, {
            ...property,
            // A process may take long to start on a machine that is busy. Inside a case, `common.patience` counts silence.
            patience: 120_000,
            holds: (value: C, run) => {
              // When processes run and when a kill strikes does not follow from the case: no smaller one can be looked for.
              if (isBroken) return Effect.void
              const common: Common = {
                children,
                states,
                patience: world.settings.patience / 2,
                count: (what, n) => run.count(what, n),
                doing: (what) => {
                  run.doing = what
                }
              }
              return Effect.tapError(holds(value, common, module), () =>
                Effect.sync(() => {
                  isBroken = true
                })
              )
            }
          })
        })
      )
  }
}
