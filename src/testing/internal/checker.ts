import { Effect } from "effect"
import { type Broken, runCase } from "./case.ts"
import * as Gen from "./gen.ts"
import type { CheckedResult, Checker, Property, World } from "./world.ts"

// Each batch grows from the smallest values to the largest, so that a slow back end that gets only one sees both.
const batchSize = { quick: 6, ci: 12, soak: 24 }

/** Checks a property in batches, until the cases or the time of the budget are used up. */
export const checker =
  (replay: string | undefined): Checker =>
  <S, C>(world: World<S>, property: Property<S, C>) =>
    Effect.gen(function* () {
      const {
        budget,
        millis,
        runs: most,
        seed,
        size
      } = { ...world.settings, ...property.effort?.[world.settings.budget], ...world.settings.given }
      const runs = Math.min(most, property.atMost ?? Number.POSITIVE_INFINITY, world.settings.mostRuns)
      const started = performance.now()
      const counts = new Map<string, number>()
      let done = 0
      for (let batch = 0; batch === 0 || (done < runs && performance.now() - started < millis); batch++) {
        const result = yield* checkBatch(world, property, counts, {
          runs: Math.min(batchSize[budget], runs - done),
          size,
          seed: `${seed}/${batch}`,
          replay
        })
        if (typeof result !== "number") return result
        done += result
        if (replay !== undefined) break
      }
      return { _tag: "Kept", counts: { cases: done, ...Object.fromEntries(counts) } } satisfies CheckedResult
    })

const checkBatch = <S, C>(
  world: World<S>,
  property: Property<S, C>,
  counts: Map<string, number>,
  options: { readonly runs: number; readonly size: number; readonly seed: string; readonly replay: string | undefined }
): Effect.Effect<number | CheckedResult> =>
  Effect.gen(function* () {
    let failedAt: number | undefined
    let last: { readonly value: C; readonly error: Broken } | undefined
    const holds = (value: C) =>
      Effect.suspend((): Effect.Effect<boolean, Broken> => {
        // Shrinking a case that hangs costs the whole patience for each candidate: past this time the best so far is told.
        const { shrinkMillis } = world.settings
        if (options.replay === undefined && failedAt !== undefined && performance.now() - failedAt > shrinkMillis)
          return Effect.succeed(true)
        return Effect.tapError(
          runCase(
            world,
            failedAt === undefined ? counts : new Map(),
            (run) => property.holds(value, run),
            Math.max(world.settings.patience, property.patience ?? 0)
          ),
          (error) =>
            Effect.sync(() => {
              failedAt ??= performance.now()
              last = { value, error }
            })
        )
      })
    const result = yield* Gen.checkEffect(property.cases, holds, options)
    const violation = (value: C, evidence: string, token: string): CheckedResult => ({
      _tag: "Broken",
      script: property.show(value),
      evidence,
      token
    })
    switch (result._tag) {
      case "Passed":
        return result.runs
      case "Falsified": {
        const evidence =
          result.failure._tag === "PropertyError" ? result.failure.error.evidence : "the law answered false"
        return violation(result.shrunkInput, evidence, result.replay)
      }
      case "Exhausted":
        return { _tag: "Broken", script: [], evidence: "the schema's checks reject nearly every sample", token: "" }
      case "ReplayMismatch":
        if (result.reason === "PropertyPassed") return 1
        return last === undefined
          ? { _tag: "Broken", script: [], evidence: "the token does not fit this subject or version", token: "" }
          : violation(last.value, `${last.error.evidence} (the smaller case passed this time)`, options.replay ?? "")
    }
  })
