/** Every agent that is broken on purpose. Each list names, for each mutant, the law that must catch it. */
import { Codec } from "dgents"
import { Laws, type LawViolation, type Report, type Subject } from "dgents/testing"
import type { Effect } from "effect"
import { diskMutants as crashMutants } from "./disk.ts"
import { backendMutants } from "./faultsBackend.ts"
import { diskMutants } from "./faultsDisk.ts"
import { killMutants } from "./kill.ts"
import { mutants as linearMutants } from "./linear.ts"
import { State } from "./memory.ts"
import type { Mutant } from "./mutant.ts"
import { stateMutants } from "./states.ts"

const honest = Codec.json(State)

/** Those that have no test file of their own. */
export const mutants: ReadonlyArray<Mutant> = [
  ...stateMutants(honest),
  ...backendMutants,
  ...diskMutants(honest),
  ...linearMutants
]

/** A mutant of any state, and the way to run the laws against it. */
export interface Entry {
  readonly name: string
  readonly law: string
  readonly check: (options: Laws.Options) => Effect.Effect<Report.Report, LawViolation.LawViolation>
}

const entry = <S>(mutant: {
  readonly subject: Subject<S>
  readonly law: string
  readonly patience?: number
}): Entry => ({
  name: mutant.subject.name,
  law: mutant.law,
  check: (options) => Laws.check(mutant.subject, { ...options, patience: mutant.patience, laws: [mutant.law] })
})

/** All of them, those of crashes and kills included. */
export const all: ReadonlyArray<Entry> = [
  ...mutants.map((mutant) => entry(mutant)),
  ...crashMutants.map((mutant) => entry(mutant)),
  ...killMutants.map((mutant) => entry(mutant))
]

/** How many mutants each law caught, a law a line, and the sum: `mutants rejected 50 of 50`. */
export const table = (caught: ReadonlyArray<{ readonly law: string; readonly rejected: boolean }>): string => {
  const laws = new Map<string, readonly [rejected: number, all: number]>()
  for (const { law, rejected } of caught) {
    const [some, all] = laws.get(law) ?? [0, 0]
    laws.set(law, [some + (rejected ? 1 : 0), all + 1])
  }
  const width = Math.max(...[...laws.keys()].map((law) => law.length))
  const lines = [...laws].map(([law, [some, all]]) => `  ${law.padEnd(width)}  ${some} of ${all}`)
  const rejected = caught.filter((one) => one.rejected).length
  return [`mutants rejected ${rejected} of ${caught.length}, by law`, ...lines].join("\n")
}
