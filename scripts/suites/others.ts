/** Runs the suites of LangGraph and Keyv, from the registry, in a temporary directory, on their mutants. */
import { spawnSync } from "node:child_process"
import { copyFileSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** The versions that are measured. The newest of Keyv's suite is made for Keyv 5. */
export const versions = {
  "@langchain/langgraph-checkpoint-validation": "1.1.1",
  "@langchain/langgraph-checkpoint-sqlite": "1.0.4",
  "@langchain/langgraph-checkpoint": "1.1.5",
  "@langchain/core": "1.2.13",
  "@keyv/test-suite": "2.1.2",
  "@keyv/sqlite": "4.0.8",
  keyv: "5.6.0",
  vitest: "4.1.12"
}

/** Replaced by a few lines over Node's own SQLite, so that nothing has to be compiled. */
const drivers = { "better-sqlite3": "12.10.0", sqlite3: "5.1.7" }

export type Product = "langgraph" | "keyv"

/** What a suite said of one saver or store. */
export interface Verdict {
  readonly product: Product
  /** The mistake, or "reference". */
  readonly name: string
  readonly kind: "reference" | "mutant" | "control"
  readonly accepted: boolean
  readonly passed: number
  readonly skipped: number
  /** The full names of the tests that failed. */
  readonly failed: ReadonlyArray<string>
}

/** The verdicts of each of so many runs. */
export const measure = (runs: number, log: (line: string) => void): ReadonlyArray<ReadonlyArray<Verdict>> => {
  const directory = mkdtempSync(join(tmpdir(), "dgents-suites-"))
  try {
    log(`Installing ${Object.keys(versions).length} packages into ${directory}`)
    install(directory)
    log("Checking that each mutant can be told from the original by its use")
    run(directory, ["witness.mjs", directory])
    const files = writeTests(directory)
    return Array.from({ length: runs }, (_, index) => {
      log(`Running the suites of LangGraph and Keyv on ${files.size} savers and stores, ${index + 1} of ${runs}`)
      return runTests(directory, files)
    })
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

const install = (directory: string): void => {
  for (const file of globSync("*.mjs", { cwd: import.meta.dirname }))
    copyFileSync(join(import.meta.dirname, file), join(directory, file))
  for (const [name, version] of Object.entries(drivers)) {
    mkdirSync(join(directory, "drivers", name), { recursive: true })
    copyFileSync(join(import.meta.dirname, `${name}.mjs`), join(directory, "drivers", name, "index.mjs"))
    const manifest = { name, version, type: "module", exports: "./index.mjs" }
    writeFileSync(join(directory, "drivers", name, "package.json"), JSON.stringify(manifest))
  }
  const local = Object.keys(drivers).map((name) => [name, `file:./drivers/${name}`])
  const manifest = {
    private: true,
    type: "module",
    dependencies: { ...versions, ...Object.fromEntries(local) },
    overrides: Object.fromEntries(Object.keys(drivers).map((name) => [name, `$${name}`]))
  }
  writeFileSync(join(directory, "package.json"), JSON.stringify(manifest))
  const args = ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
  const { status } = spawnSync("npm", args, { cwd: directory, stdio: ["ignore", 2, 2] })
  if (status !== 0) throw new Error("npm could not install the suites")
}

const run = (directory: string, args: ReadonlyArray<string>): string => {
  const { status, stderr, stdout } = spawnSync(process.execPath, args, { cwd: directory, encoding: "utf8" })
  if (status !== 0) throw new Error(`${args[0]} failed:\n${stdout}${stderr}`)
  return stdout
}

type Tested = Pick<Verdict, "product" | "name" | "kind">

/** A test file for each saver and store; and which is for which. */
const writeTests = (directory: string): ReadonlyMap<string, Tested> => {
  const names = (product: Product): Record<"mutants" | "controls", ReadonlyArray<string>> => {
    const list = `import("./${product}.mjs").then(({ mutants, controls }) =>
      console.log(JSON.stringify({ mutants: Object.keys(mutants), controls: Object.keys(controls) })))`
    return JSON.parse(run(directory, ["--eval", list]))
  }
  const files = new Map<string, Tested>()
  for (const product of ["langgraph", "keyv"] as const) {
    const { controls, mutants } = names(product)
    const tested: ReadonlyArray<Tested> = [
      { product, name: "reference", kind: "reference" },
      ...mutants.map((name): Tested => ({ product, name, kind: "mutant" })),
      ...controls.map((name): Tested => ({ product, name, kind: "control" }))
    ]
    for (const [index, one] of tested.entries()) {
      const file = `${product}-${index}.test.mjs`
      const text = `import { run } from "./${product}-suite.mjs"\nrun(${JSON.stringify(one.name)})\n`
      writeFileSync(join(directory, file), text)
      files.set(file, one)
    }
  }
  const config = { test: { globals: true, include: ["*.test.mjs"] } }
  writeFileSync(join(directory, "vitest.config.mjs"), `export default ${JSON.stringify(config)}`)
  return files
}

interface Results {
  readonly testResults: ReadonlyArray<{
    readonly name: string
    readonly status: string
    readonly message: string
    readonly assertionResults: ReadonlyArray<{ readonly status: string; readonly fullName: string }>
  }>
}

const runTests = (directory: string, files: ReadonlyMap<string, Tested>): ReadonlyArray<Verdict> => {
  const output = join(directory, "results.json")
  rmSync(output, { force: true })
  const vitest = join(directory, "node_modules", "vitest", "vitest.mjs")
  // It fails, since mutants do.
  spawnSync(process.execPath, [vitest, "run", "--reporter=json", `--outputFile=${output}`], { cwd: directory })
  const { testResults }: Results = JSON.parse(readFileSync(output, "utf8"))
  return [...files].map(([file, tested]) => {
    const result = testResults.find(({ name }) => name.endsWith(`/${file}`))
    if (result === undefined || result.assertionResults.length === 0)
      throw new Error(`the tests of ${tested.name} did not run: ${result?.message}`)
    const of = (status: string) => result.assertionResults.filter((test) => test.status === status)
    return {
      ...tested,
      accepted: result.status === "passed",
      passed: of("passed").length,
      skipped: of("skipped").length + of("pending").length,
      failed: of("failed").map(({ fullName }) => fullName)
    }
  })
}
