import { Data } from "effect"

/** A query that cannot be run as it is written. Nothing was read. */
export class QueryInvalid extends Data.TaggedError("QueryInvalid")<{
  /** The name of the family that was asked. */
  readonly agent: string
  /** The field, outermost property first; empty where it is about the whole query. */
  readonly field: ReadonlyArray<string>
  /** What is wrong and what to do, without a value. */
  readonly reason: string
}> {
  override get message() {
    const field = this.field.length === 0 ? "" : `field ${JSON.stringify(this.field.join("."))}: `
    return `A query of "${this.agent}" was refused: ${field}${this.reason}.`
  }
}
