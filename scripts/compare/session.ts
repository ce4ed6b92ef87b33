/** What the comparisons have in common: their options, a directory with what they compare, runs in processes of their own. */
import { spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { cpus, tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { parseArgs } from "node:util"
import { install } from "./install.ts"

/** What the command line asks for. */
export interface Asked<P> {
  /** By id, in their order; those whose id holds the word. */
  readonly products: ReadonlyArray<readonly [id: string, product: P]>
  readonly write: boolean
  /** The number of the option that each comparison names. */
  readonly number: number
  readonly installed: string | undefined
}

/** Reads `[WORD] [--write] [--<name> <number>] [--installed DIRECTORY]`. */
export const ask = <P>(products: Readonly<Record<string, P>>, name: string, byDefault: number): Asked<P> => {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: {
      write: { type: "boolean" },
      [name]: { type: "string", default: `${byDefault}` },
      installed: { type: "string" }
    }
  })
  const [word = ""] = positionals
  const chosen = Object.entries(products).filter(([id]) => id.includes(word))
  if (chosen.length === 0) throw new Error(`nothing is called "${word}": ${Object.keys(products).join(", ")}`)
  const write = values["write"] === true
  if (write && word !== "") throw new Error("a part of a table cannot be written")
  const installed = values["installed"]
  return { products: chosen, write, number: Number(values[name]), installed: installed?.toString() }
}

export const log = (line: string): void => console.error(line)

/** Installs into the directory, or one that is removed afterwards, and does something with it. */
export const withInstalled = (
  directory: string | undefined,
  installations: Parameters<typeof install>[1],
  use: (installed: string) => void
): void => {
  const installed = directory === undefined ? mkdtempSync(join(tmpdir(), "dgents-compare-")) : resolve(directory)
  try {
    mkdirSync(installed, { recursive: true })
    install(installed, installations, log)
    use(installed)
  } finally {
    if (directory === undefined) rmSync(installed, { recursive: true, force: true })
  }
}

/** Every product in every round: what slows the machine for a while slows all of them. */
export const inRounds = <P, R>(
  products: Asked<P>["products"],
  rounds: number,
  measure: (id: string) => R
): ReadonlyArray<readonly [P, ReadonlyArray<R>]> => {
  const runs = products.map(([id, product]) => ({ id, product, found: [] as Array<R> }))
  for (let round = 1; round <= rounds; round++)
    for (const { found, id } of runs) {
      log(`Round ${round} of ${rounds}: ${id}`)
      found.push(measure(id))
    }
  return runs.map(({ found, product }) => [product, found])
}

/** Runs a script in a process of its own: the JSON in its last line. Products print what they like before. */
export const apart = <R>(script: string, args: ReadonlyArray<string>, env: NodeJS.ProcessEnv = process.env): R => {
  const { status, stdout } = spawnSync(process.execPath, [...process.execArgv, script, ...args], {
    encoding: "utf8",
    env,
    stdio: ["ignore", "pipe", "inherit"]
  })
  if (status !== 0) throw new Error(`${script} ${args[0] ?? ""} failed`)
  return JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "")
}

export const machine = (): string =>
  `${cpus().length} x ${cpus()[0]?.model ?? "an unknown CPU"}, Node ${process.versions.node}`

export const digits = (n: number): string => (n >= 100 ? Math.round(n).toString() : n.toPrecision(n < 1 ? 2 : 3))

/** A time in microseconds, for people. */
export const time = (micros: number): string =>
  micros >= 1000 ? `${digits(micros / 1000)} ms` : `${digits(micros)} us`

/** A table of Markdown. */
export const table = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string =>
  [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n")
