/**
 * The law suite over the agents of this library, with its figures: what was tried, and in what time.
 *
 *     npm run laws                             the ci budget, every agent
 *     npm run laws -- soak                     10 000 cases a law
 *     npm run laws -- ci PersistentAgent       those test files whose name holds the word
 */
import { spawnSync } from "node:child_process"

const [budget = "ci", ...words] = process.argv.slice(2)
if (!["quick", "ci", "soak"].includes(budget)) {
  console.error(`There is no budget "${budget}": use quick, ci or soak, as in "npm run laws -- ci PersistentAgent".`)
  process.exit(1)
}
const files = words.length === 0 ? ["test/laws/"] : words.map((word) => `test/laws/${word}`)
const { status } = spawnSync(
  process.execPath,
  // One agent at a time, so that the times are its own.
  ["node_modules/vitest/vitest.mjs", "run", "--no-file-parallelism", ...files],
  { stdio: "inherit", env: { ...process.env, LAWS_BUDGET: budget, LAWS_REPORT: "1" } }
)
process.exitCode = status ?? 1
