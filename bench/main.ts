/**
 * Runs the benchmarks whose name holds a word, or all of them, each in a process of its own: what one made V8 expect
 * would slow the next.
 *
 *     npm run bench -- [WORD] [--json]
 *
 * Prints a table, or with `--json` one object a line: `{ "name", "ratio", "ours", "raw", "unit" }`.
 */
import { spawnSync } from "node:child_process"
import { globSync } from "node:fs"
import { parseArgs } from "node:util"
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect } from "effect"
import { type Bench, measure, type Result, registered } from "./harness.ts"

const { positionals, values } = parseArgs({
  allowPositionals: true,
  // `only` and `file` are how a process is told its one benchmark.
  options: { json: { type: "boolean" }, only: { type: "string" }, file: { type: "string" } }
})
const word = (positionals[0] ?? "").toLowerCase()

const time = (micros: number): string =>
  micros >= 1000 ? `${(micros / 1000).toPrecision(3)} ms` : `${micros.toPrecision(3)} us`

const row = (name: string, ours: string, raw: string, ratio: string): string =>
  `${name.padEnd(80)}${ours.padStart(10)}${raw.padStart(10)}${ratio.padStart(9)}`

const measureApart = (file: string, name: string): Result => {
  const args = [...process.execArgv, import.meta.filename, "--file", file, "--only", name]
  const { status, stdout } = spawnSync(process.execPath, args, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"]
  })
  if (status !== 0) throw new Error(`the benchmark "${name}" failed`)
  return JSON.parse(stdout)
}

const show = (result: Result): string =>
  values.json === true
    ? JSON.stringify(result)
    : row(result.name, time(result.ours), time(result.raw), `${result.ratio}x`)

NodeRuntime.runMain(
  Effect.gen(function* () {
    const files =
      values.file === undefined ? globSync("**/*.bench.ts", { cwd: import.meta.dirname }).sort() : [values.file]
    const all: Array<{ readonly bench: Bench; readonly file: string }> = []
    for (const file of files) {
      yield* Effect.promise(() => import(`./${file}`))
      for (const bench of registered.splice(0)) all.push({ bench, file })
    }
    const only = all.find(({ bench }) => bench.name === values.only)
    if (only !== undefined)
      return yield* Effect.flatMap(measure(only.bench), (result) => Console.log(JSON.stringify(result)))
    const chosen = all.filter(({ bench }) => bench.name.toLowerCase().includes(word))
    if (chosen.length === 0) return yield* Effect.die(`no benchmark is named "${word}"`)
    if (values.json !== true) yield* Console.log(row("", "ours", "raw", "ratio"))
    for (const { bench, file } of chosen) yield* Console.log(show(measureApart(file, bench.name)))
  })
)
