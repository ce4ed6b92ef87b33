/** The measurements as Markdown. */
import { median } from "./measure.ts"
import type { Product } from "./products.ts"
import type { Run } from "./run.ts"
import type { Settings } from "./subject.ts"
import { type Task, tasks } from "./tasks.ts"

/** The runs of one product at one size, one a round. */
export interface Measured {
  readonly product: Product
  readonly size: string
  readonly runs: ReadonlyArray<Run>
}

const table = (head: ReadonlyArray<string>, lines: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<string> =>
  [head, head.map(() => "---"), ...lines].map((cells) => `| ${cells.join(" | ")} |`)

// The keys of a literal, which `Object.keys` forgets.
const all = Object.keys(tasks) as ReadonlyArray<Task>

const timed = ({ runs }: Measured, task: Task) => runs.flatMap(({ tasks }) => tasks[task] ?? [])

const ratios = (measured: Measured, task: Task): ReadonlyArray<number> =>
  timed(measured, task).map(({ ratio }) => ratio)

// As many digits as mean something, and never an exponent.
const digits = (n: number): string => (n >= 100 ? Math.round(n).toString() : n.toPrecision(n < 1 ? 2 : 3))

const time = (micros: number): string => (micros >= 1000 ? `${digits(micros / 1000)} ms` : `${digits(micros)} us`)

const cell = (measured: Measured, task: Task): string => {
  const found = timed(measured, task)
  if (found.length === 0) return "–"
  return `**${digits(median(ratios(measured, task)))}x** ${time(median(found.map(({ micros }) => micros)))}`
}

const figures = (size: string, measured: ReadonlyArray<Measured>): ReadonlyArray<string> => {
  const mine = measured.filter((one) => one.size === size)
  const raw = all.map((task) => time(median(mine.flatMap((one) => timed(one, task).map(({ raw }) => raw)))))
  return table(
    [size, "setting", ...all.map((task) => tasks[task])],
    [
      ...mine.map((one) => [one.product.name, one.product.setting, ...all.map((task) => cell(one, task))]),
      ["better-sqlite3 by hand, one at a time", "as ours", ...raw]
    ]
  )
}

// https://www.sqlite.org/pragma.html#pragma_synchronous
const synchronous = ["OFF", "NORMAL", "FULL", "EXTRA"]

const survives = ({ journal, synchronous }: Settings): string => {
  if (journal === "wal" && synchronous >= 2) return "kill -9, power cut"
  if (journal === "wal" && synchronous === 1)
    return "kill -9; a power cut may take the commits since the last checkpoint"
  if (journal === "delete" && synchronous === 3) return "kill -9, power cut"
  if (journal === "delete" && synchronous === 2)
    return "kill -9; a power cut may undo the last commit: the removal of its journal is synced by `EXTRA` only"
  throw new Error(`nothing is known of journal_mode=${journal} with synchronous=${synchronous}`)
}

const settings = (all: ReadonlyArray<Measured>): ReadonlyArray<string> => {
  const seen = new Map<string, { readonly product: Product; readonly settings: Settings }>()
  for (const { product, runs } of all)
    for (const { settings } of runs) {
      const first = seen.get(product.id)?.settings ?? settings
      if (settings.journal !== first.journal || settings.synchronous !== first.synchronous)
        throw new Error(`${product.name} was not set the same in all runs`)
      if (product.isOurs && (settings.journal !== "wal" || settings.synchronous !== 2))
        throw new Error(`${product.name} did not run as dgents does`)
      seen.set(product.id, { product, settings })
    }
  return table(
    ["product", "setting", "driver", "`journal_mode`", "`synchronous`", "an acknowledged write survives"],
    [...seen.values()].map(({ product, settings }) => [
      product.name,
      product.setting,
      `${product.driver}, SQLite ${settings.sqlite}`,
      settings.journal.toUpperCase(),
      synchronous[settings.synchronous] ?? "",
      survives(settings)
    ])
  )
}

/** How far the ratios of one cell are apart, in percent of their median. */
const spread = (measured: Measured, task: Task): number => {
  const of = ratios(measured, task)
  return (100 * (Math.max(...of) - Math.min(...of))) / median(of)
}

export const format = (measured: ReadonlyArray<Measured>): string => {
  const rounds = Math.min(...measured.map(({ runs }) => runs.length))
  const spreads = measured.flatMap((one) =>
    all.filter((task) => timed(one, task).length > 0).map((task) => spread(one, task))
  )
  const sizes = new Set(measured.map(({ size }) => size))
  return [
    ...settings(measured),
    ...[...sizes].flatMap((size) => ["", ...figures(size, measured)]),
    "",
    `Medians of ${rounds} rounds under Node ${process.versions.node}. Between rounds the ratios of half of the cells moved by less than ` +
      `${Math.round(median(spreads))}%, and of one by ${Math.round(Math.max(...spreads))}%.`
  ].join("\n")
}
