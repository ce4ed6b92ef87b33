/** Prints how many of the agents that are broken on purpose the law suite rejects, by law: `--budget=quick`, `--seed=1`. */
import { parseArgs } from "node:util"
import { Effect, Exit } from "effect"
import { budgetOf, seedOf } from "../src/testing/internal/environment.ts"
import { all, table } from "../test/testing/mutants/mutants.ts"

const defaults = { budget: { type: "string", default: "ci" }, seed: { type: "string", default: "1" } } as const

const given = () => {
  try {
    const { budget, seed } = parseArgs({ options: defaults }).values
    return { budget: budgetOf("--budget", budget), seed: seedOf("--seed", seed) }
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error))
    process.exit(1)
  }
}

const { budget, seed } = given()

const caught: Array<{ readonly law: string; readonly rejected: boolean }> = []
for (const { check, law, name } of all) {
  const rejected = Exit.isFailure(await Effect.runPromiseExit(check({ budget, seed })))
  if (!rejected) console.log(`NOT rejected by "${law}": ${name}`)
  caught.push({ law, rejected })
}
console.log(table(caught))
// Some of them leave timers behind, which would keep this process alive.
process.exit(caught.every(({ rejected }) => rejected) ? 0 : 1)
