/**
 * Runs the benchmarks whose name holds a word, or all of them.
 *
 *     npm run bench -- [WORD] [--json]
 *
 * Prints a table, or with `--json` one object a line: `{ "name", "ratio", "ours", "raw", "unit" }`.
 */
import { globSync } from "node:fs"
import { parseArgs } from "node:util"
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect } from "effect"
import { measure, type Result, registered } from "./harness.ts"

const { positionals, values } = parseArgs({ allowPositionals: true, options: { json: { type: "boolean" } } })
const word = (positionals[0] ?? "").toLowerCase()

const time = (micros: number): string =>
  micros >= 1000 ? `${(micros / 1000).toPrecision(3)} ms` : `${micros.toPrecision(3)} us`

const row = (name: string, ours: string, raw: string, ratio: string): string =>
  `${name.padEnd(80)}${ours.padStart(10)}${raw.padStart(10)}${ratio.padStart(9)}`

const print = (result: Result): string =>
  values.json === true
    ? JSON.stringify(result)
    : row(result.name, time(result.ours), time(result.raw), `${result.ratio}x`)

NodeRuntime.runMain(
  Effect.gen(function* () {
    const files = globSync("**/*.bench.ts", { cwd: import.meta.dirname }).sort()
    for (const file of files) yield* Effect.promise(() => import(`./${file}`))
    const chosen = registered.filter(({ name }) => name.toLowerCase().includes(word))
    if (chosen.length === 0) return yield* Effect.die(`no benchmark is named "${word}"`)
    if (values.json !== true) yield* Console.log(row("", "ours", "raw", "ratio"))
    for (const bench of chosen) yield* Effect.flatMap(measure(bench), (result) => Console.log(print(result)))
  })
)
