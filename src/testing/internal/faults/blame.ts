import { Effect } from "effect"
import { Broken } from "../case.ts"
import type { Injector } from "./injector.ts"

/** Adds to what is found wrong which fault struck last: it is the one to look at first. */
export const blame =
  (faults: Injector) =>
  <A, R>(checked: Effect.Effect<A, Broken, R>): Effect.Effect<A, Broken, R> =>
    Effect.mapError(checked, (error) =>
      faults.struck === 0 ? error : new Broken({ evidence: `${error.evidence}\nThe last fault: ${faults.last}` })
    )
