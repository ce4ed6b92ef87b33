/** What became of one law: how much was tried, or why it does not apply. */
export type Outcome =
  | { readonly _tag: "Kept"; readonly law: string; readonly counts: Readonly<Record<string, number>> }
  | { readonly _tag: "Skipped"; readonly law: string; readonly reason: string }

/** What a run of the laws tried. A run that finds a violation fails instead. */
export interface Report {
  readonly subject: string
  readonly claims: string
  readonly budget: string
  readonly seed: number
  readonly outcomes: ReadonlyArray<Outcome>
}

/** A report as text, one law a line. */
export const format = (report: Report): string => {
  const width = Math.max(...report.outcomes.map(({ law }) => law.length))
  const lines = report.outcomes.map((outcome) => {
    const text =
      outcome._tag === "Skipped"
        ? `skipped: ${outcome.reason}`
        : Object.entries({ ...outcome.counts, undecided: outcome.counts["undecided"] ?? 0 })
            .map(([name, n]) => `${name} ${n}`)
            .join(", ")
    return `  ${outcome.law.padEnd(width)}  ${text}`
  })
  return [`${report.subject} (${report.claims}), budget ${report.budget}, seed ${report.seed}`, ...lines].join("\n")
}
