import { Data } from "effect"

/** A subject broke a law: the smallest script that shows it, what was seen, and a token that repeats exactly this case. */
export class LawViolation extends Data.TaggedError("LawViolation")<{
  readonly subject: string
  readonly law: string
  /** What the law says. */
  readonly rule?: string | undefined
  /** The commands of the smallest case found, one a line. */
  readonly script: ReadonlyArray<string>
  /** What was expected and what was seen. */
  readonly evidence: string
  /** Repeats the case: `Laws.check(subject, { replay })`, or `LAWS_REPLAY` for a suite. */
  readonly replay: string
}> {
  override get message() {
    const script = this.script.map((line, i) => `  ${i + 1}. ${line}`).join("\n")
    const rule = this.rule === undefined ? "" : `\n\nThe law: ${this.rule}`
    const steps = script === "" ? "" : `\n\nSmallest script:\n${script}`
    const repeat = this.replay === "" ? "" : `\n\nRepeat it with LAWS_REPLAY=${this.replay}`
    return `"${this.subject}" breaks the law "${this.law}".\n\nEvidence: ${this.evidence}${steps}${rule}${repeat}`
  }
}
