/** Whether each mutant can be told from the published code that it was made of. Prints what is not as it should be. */
import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
// biome-ignore lint/correctness/noUndeclaredDependencies: installed where this file is copied to
import Keyv from "keyv"
import * as keyv from "./keyv.mjs"
import * as langgraph from "./langgraph.mjs"

const directory = mkdtempSync(join(process.argv[2] ?? tmpdir(), "witness-"))
let files = 0
const fresh = () => join(directory, `${++files}.db`)

const stands = async (witness, open) => {
  const path = fresh()
  try {
    await witness(open(path), path)
    return true
  } catch (error) {
    if (process.argv.includes("--why")) console.error(`  ${String(error.message).split("\n")[0]}`)
    return false
  }
}

const openSaver = (open) => (path) => () => open(path)
const openKeyv =
  (open, Top = Keyv) =>
  (path) =>
  (namespace) => {
    const top = new Top({ store: open(path), namespace })
    top.on("error", () => {})
    return top
  }

const wrong = []
const check = async (product, open, { mutants, reference }) => {
  for (const [name, mutant] of Object.entries(mutants)) {
    if (process.argv.includes("--why")) console.error(`${product}: ${name}`)
    if (!mutant.published && !(await stands(mutant.witness, open(reference))))
      wrong.push(`${product} as published is already wrong: ${name}`)
    if (await stands(mutant.witness, open(mutant.open, mutant.Keyv))) wrong.push(`${product} is not broken: ${name}`)
  }
}

await check("LangGraph", openSaver, langgraph)
await check("Keyv", openKeyv, keyv)
const [sqlite, memory] = await langgraph.limitZero(fresh())
if (sqlite !== 2 || memory !== 0) wrong.push(`list with limit 0 gives ${sqlite} of 2 on SQLite and ${memory} in memory`)
for (const line of wrong) console.log(line)
process.exitCode = wrong.length === 0 ? 0 : 1
