import * as Gen from "../gen.ts"
import { show } from "../same.ts"
import type { Fault, Plan } from "./plan.ts"

/** One step on an agent that may fail. `update` and `modify` go to the next state of the pool. */
export type Step<S> =
  | { readonly _tag: "save" | "compareAndSave"; readonly state: S }
  | { readonly _tag: "update" | "modify" | "delete" | "load" | "history" | "reopen" }

/** Steps over the given states. */
export const steps = <S>(states: Gen.Gen<S>, withReopen: boolean): Gen.Gen<Step<S>> => {
  const simple = (_tag: "update" | "modify" | "delete" | "load" | "history" | "reopen") => Gen.always<Step<S>>({ _tag })
  const writing = (_tag: "save" | "compareAndSave"): Gen.Gen<Step<S>> =>
    Gen.record({ _tag: Gen.always(_tag), state: states })
  return Gen.oneOf([
    writing("save"),
    simple("load"),
    writing("save"),
    simple("load"),
    simple("update"),
    simple("modify"),
    writing("compareAndSave"),
    simple("load"),
    simple("delete"),
    simple("history"),
    simple(withReopen ? "reopen" : "load")
  ])
}

/** A step as one line. */
export const showStep = <S>(step: Step<S>): string =>
  step._tag === "save" || step._tag === "compareAndSave" ? `${step._tag} ${show(step.state)}` : step._tag

/** Plans of up to three faults, drawn from those given. */
export const plans = (faults: readonly [Fault, ...ReadonlyArray<Fault>]): Gen.Gen<Plan> =>
  Gen.record({
    seed: Gen.int(0, 1_000_000),
    faults: Gen.array(
      Gen.map(
        Gen.record({
          fault: Gen.pick(faults),
          from: Gen.pick([0, 1, 2, 3, 4, 5, 6, 8, 10, 14, 20]),
          last: Gen.pick([1, 2, 5, undefined]),
          share: Gen.pick([1, 0.5, 0.2])
        }),
        ({ fault, from, last, share }) => ({
          ...fault,
          from,
          until: last === undefined ? undefined : from + last,
          share
        })
      ),
      { minLength: 1, maxLength: 3 }
    )
  })

/** What a network may do to the requests of an agent. */
export const requestFaults: readonly [Fault, ...ReadonlyArray<Fault>] = [
  { does: "loseReply" },
  { does: "refuse" },
  { does: "loseRequest" },
  { does: "slow", yields: 3 }
]

/** What a disk may do. */
export const diskFaults: readonly [Fault, ...ReadonlyArray<Fault>] = [
  { does: "refuse", code: "EIO" },
  { does: "loseReply", code: "EIO" },
  { does: "refuse", code: "ENOSPC" },
  { does: "refuse", code: "EACCES" },
  { does: "refuse", code: "EMFILE" },
  { does: "short" },
  { does: "slow", yields: 3 }
]
