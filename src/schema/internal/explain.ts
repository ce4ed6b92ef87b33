import { SchemaIssue } from "effect"

// What a check or a transformation says at run time may quote the value: only what the schema itself says is shown.
const format = SchemaIssue.makeFormatterStandardSchemaV1({
  leafHook: (issue) =>
    issue._tag === "InvalidValue" || issue._tag === "Forbidden"
      ? "Expected a valid value"
      : SchemaIssue.defaultLeafHook(issue),
  checkHook: ({ filter: { annotations } }) =>
    typeof annotations?.message === "string"
      ? annotations.message
      : `Expected ${typeof annotations?.expected === "string" ? annotations.expected : "a value that passes the schema's check"}`
})

/** Where a value does not fit its schema, outermost first, and why, without the value. */
export const explain = (
  issue: SchemaIssue.Issue
): { readonly path: ReadonlyArray<PropertyKey>; readonly reason: string } => {
  const first = format(issue).issues[0]
  return {
    path: first?.path?.map((segment) => (typeof segment === "object" ? segment.key : segment)) ?? [],
    reason: first?.message ?? "does not fit the schema"
  }
}
