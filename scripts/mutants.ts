/** Prints how many of the agents that are broken on purpose the law suite rejects, by law: `--budget=quick`, `--seed=1`. */
import { Effect, Exit } from "effect"
import { all, table } from "../test/testing/mutants/mutants.ts"

const option = (name: string): string | undefined =>
  process.argv.find((argument) => argument.startsWith(`--${name}=`))?.slice(name.length + 3)

const budget = option("budget") === "quick" ? "quick" : "ci"
const seed = Number(option("seed") ?? 1)

const caught: Array<{ readonly law: string; readonly rejected: boolean }> = []
for (const { check, law, name } of all) {
  const rejected = Exit.isFailure(await Effect.runPromiseExit(check({ budget, seed })))
  if (!rejected) console.log(`NOT rejected by "${law}": ${name}`)
  caught.push({ law, rejected })
}
console.log(table(caught))
// Some of them leave timers behind, which would keep this process alive.
process.exit(caught.every(({ rejected }) => rejected) ? 0 : 1)
