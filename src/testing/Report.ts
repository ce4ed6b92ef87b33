/** What became of one law: how much was tried, or why it does not apply. */
export type Outcome =
  | {
      readonly _tag: "Kept"
      readonly law: string
      readonly counts: Readonly<Record<string, number>>
      /** How long it took. */
      readonly millis: number
    }
  | { readonly _tag: "Skipped"; readonly law: string; readonly reason: string }

/** What a run of the laws tried. A run that finds a violation fails instead. */
export interface Report {
  readonly subject: string
  readonly claims: string
  readonly budget: string
  readonly seed: number
  readonly outcomes: ReadonlyArray<Outcome>
}

/** What all laws of a report counted together: schedules, disk images, histories, ... */
export const totals = (outcomes: ReadonlyArray<Outcome>): Readonly<Record<string, number>> => {
  const sums: Record<string, number> = { undecided: 0 }
  for (const outcome of outcomes)
    if (outcome._tag === "Kept")
      for (const [name, n] of Object.entries(outcome.counts)) sums[name] = (sums[name] ?? 0) + n
  return sums
}

const counted = (counts: Readonly<Record<string, number>>): string =>
  Object.entries(counts)
    .map(([name, n]) => `${name} ${n.toLocaleString("en-US").replaceAll(",", " ")}`)
    .join(", ")

const seconds = (millis: number): string => `${(millis / 1_000).toFixed(1)} s`

/** A report as text, one law a line, and the sums at the end. */
export const format = (report: Report): string => {
  const { outcomes } = report
  const width = Math.max(...outcomes.map(({ law }) => law.length))
  const lines = outcomes.map((outcome) => {
    const text =
      outcome._tag === "Skipped"
        ? `skipped: ${outcome.reason}`
        : `${counted({ ...outcome.counts, undecided: outcome.counts["undecided"] ?? 0 })} (${seconds(outcome.millis)})`
    return `  ${outcome.law.padEnd(width)}  ${text}`
  })
  const millis = outcomes.reduce((sum, outcome) => sum + (outcome._tag === "Kept" ? outcome.millis : 0), 0)
  return [
    `${report.subject} (${report.claims}), budget ${report.budget}, seed ${report.seed}`,
    ...lines,
    `  ${"in all".padEnd(width)}  ${counted(totals(outcomes))} (${seconds(millis)})`
  ].join("\n")
}
