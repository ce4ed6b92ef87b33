/** Runs our own laws on each of our mutants, and on the agents that are right. */
import { Laws } from "dgents/testing"
import { Effect, Result } from "effect"
import { fileSubject } from "../../test/testing/mutants/file.ts"
import { subject } from "../../test/testing/mutants/memory.ts"
import { mutants } from "../../test/testing/mutants/mutants.ts"

/** What the laws said of one mutant. */
export interface Judged {
  readonly name: string
  /** The law that has to reject it. */
  readonly law: string
  /** Whether the law did, in every run. */
  readonly rejected: boolean
}

export interface Judgement {
  readonly mutants: ReadonlyArray<Judged>
  /** Agents that keep every law, in every run. */
  readonly right: ReadonlyArray<string>
}

/** Each run has a seed of its own. An agent that is right and rejected is an error. */
export const measureLaws = async (runs: number, log: (line: string) => void): Promise<Judgement> => {
  const seeds = Array.from({ length: runs }, (_, index) => index + 1)
  log(`Running the laws on ${mutants.length} mutants, ${runs} seeds each`)
  const judged: Array<Judged> = []
  for (const { law, patience, subject } of mutants) {
    if (!Laws.names.includes(law)) throw new Error(`no law is called "${law}", which "${subject.name}" names`)
    let rejected = true
    for (const seed of seeds) {
      const check = Laws.check(subject, { budget: "ci", seed, patience, laws: [law] })
      rejected &&= Result.isFailure(await Effect.runPromise(Effect.result(check)))
    }
    judged.push({ name: subject.name, law, rejected })
  }
  const right = [subject("right in memory"), fileSubject("right in a file")]
  log(`Running every law on ${right.length} agents that are right, ${runs} seeds each`)
  for (const one of right) for (const seed of seeds) await Effect.runPromise(Laws.check(one, { budget: "ci", seed }))
  return { mutants: judged, right: right.map(({ name }) => name) }
}
