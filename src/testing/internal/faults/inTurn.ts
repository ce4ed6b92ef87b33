import { Effect } from "effect"
import type { CheckedResult, Plan, Property, World } from "../world.ts"

/**
 * A plan that checks properties of one case each, in this order, up to the first that does not hold: for laws whose cases
 * can all be tried. They begin with the smallest, so that nothing is left to shrink.
 */
export const inTurn = <S, C>(world: World<S>, properties: Iterable<Property<S, C>>): Plan => ({
  check: (check) =>
    Effect.gen(function* () {
      const counts: Record<string, number> = {}
      for (const property of properties) {
        const result: CheckedResult = yield* check(world, { ...property, atMost: 1 })
        if (result._tag === "Broken") return result
        for (const [name, n] of Object.entries(result.counts)) counts[name] = (counts[name] ?? 0) + n
      }
      return { _tag: "Kept", counts }
    })
})
