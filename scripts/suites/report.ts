/** The measurements as Markdown. Refuses to print figures that do not hold together. */
import type { Judged, Judgement } from "./laws.ts"
import type { Product, Verdict } from "./others.ts"
import { type Counterpart, rows } from "./rows.ts"

type Runs = ReadonlyArray<ReadonlyArray<Verdict>>

/** What one suite said of the published code and of what was broken. */
interface Suite {
  readonly title: string
  readonly reference: Verdict
  readonly mutants: ReadonlyArray<Verdict>
  readonly controls: ReadonlyArray<Verdict>
}

const suite = (runs: Runs, product: Product, title: string): Suite => {
  const mine = runs.map((verdicts) => verdicts.filter((one) => one.product === product))
  const first = mine[0] ?? []
  for (const { accepted, name } of first)
    if (mine.some((verdicts) => verdicts.find((one) => one.name === name)?.accepted !== accepted))
      throw new Error(`${title} says one thing in one run and another in another of: ${name}`)
  const reference = first.find(({ kind }) => kind === "reference")
  if (!reference?.accepted) throw new Error(`${title} rejects the published code: ${reference?.failed.join("; ")}`)
  const mutants = first.filter(({ kind }) => kind === "mutant")
  const mapped = rows.map((row) => row[product])
  for (const { name } of mutants) if (!mapped.includes(name)) throw new Error(`no row has the mutant "${name}"`)
  return { title, reference, mutants, controls: first.filter(({ kind }) => kind === "control") }
}

const rejected = (verdicts: ReadonlyArray<Verdict>): number => verdicts.filter(({ accepted }) => !accepted).length

const said = (verdict: Verdict): string => {
  if (verdict.accepted) return "accepted"
  const { length } = verdict.failed
  return `**rejected** by ${length === 1 ? "1 test" : `${length} tests`}`
}

const cell = ({ mutants }: Suite, counterpart: Counterpart): string => {
  if (typeof counterpart !== "string") return `– ${counterpart.no}`
  const verdict = mutants.find(({ name }) => name === counterpart)
  if (verdict === undefined) throw new Error(`no mutant is called "${counterpart}"`)
  return said(verdict)
}

const law = (judged: Judged): string => (judged.rejected ? `**rejected** by "${judged.law}"` : "accepted")

const figures = ({ controls, mutants, reference, title }: Suite): string => {
  const skipped = reference.skipped === 0 ? "" : `, and ${reference.skipped} that it skips for this adapter`
  return [
    `* **${title}** (${reference.passed} tests${skipped}) passes the adapter as published.`,
    `It rejects ${rejected(mutants)} of the ${mutants.length} mutants that can be made of it,`,
    `and ${rejected(controls)} of the ${controls.length} mistakes of the second table.`
  ].join(" ")
}

const table = (head: ReadonlyArray<string>, lines: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<string> =>
  [head, head.map(() => "---"), ...lines].map((cells) => `| ${cells.join(" | ")} |`)

export const format = (runs: Runs, { mutants, right }: Judgement): string => {
  const langgraph = suite(runs, "langgraph", "LangGraph's suite")
  const keyv = suite(runs, "keyv", "Keyv's suite")
  const compared = rows.map((row) => {
    const mine = mutants.find(({ name }) => name === row.ours)
    if (mine === undefined) throw new Error(`no mutant of ours is called "${row.ours}"`)
    return [row.ours, cell(langgraph, row.langgraph), cell(keyv, row.keyv), law(mine)]
  })
  const caught = (of: ReadonlyArray<Judged>): string => `${of.filter((mine) => mine.rejected).length} of ${of.length}`
  const mapped = mutants.filter(({ name }) => rows.some((row) => row.ours === name))
  return [
    figures(langgraph),
    figures(keyv),
    `* **The laws of dgents** reject ${caught(mapped)} of the mutants of the first table, ${caught(mutants)} in all, and none of ${right.length} agents that are right.`,
    "",
    ...table(["mistake", "LangGraph's suite", "Keyv's suite", "the laws of dgents"], compared),
    "",
    ...table(
      ["mistake that these suites are made for", "where", "found"],
      [langgraph, keyv].flatMap(({ controls, title }) => controls.map((one) => [one.name, title, said(one)]))
    )
  ].join("\n")
}
