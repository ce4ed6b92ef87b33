/** LangGraph's conformance tests, those included that a saver has to ask for, on one saver of langgraph.mjs. */
import { mkdtempSync } from "node:fs"
import { join } from "node:path"
// biome-ignore lint/correctness/noUndeclaredDependencies: installed where this file is copied to
import { deltaChannelHistoryTests, validate } from "@langchain/langgraph-checkpoint-validation"
import { controls, mutants, reference } from "./langgraph.mjs"

export const run = (name) => {
  const open = mutants[name]?.open ?? controls[name] ?? reference
  const directory = mkdtempSync(join(import.meta.dirname, "data-"))
  let files = 0
  const initializer = {
    // The name that the published saver's own tests use; it makes the suite skip what that saver does not claim.
    checkpointerName: "@langchain/langgraph-checkpoint-sqlite",
    createCheckpointer: () => open(join(directory, `${++files}.db`))
  }
  validate(initializer)
  deltaChannelHistoryTests(initializer)
}
