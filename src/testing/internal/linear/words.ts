import type { RegisterOperation } from "./register.ts"

/** A value for people. */
export const quote = (value: string | null | undefined): string => (value == null ? "nothing" : value)

/** What an operation said, in a few words: `compareAndSave "b" on 3: revision 4`. */
export const label = (operation: RegisterOperation): string => {
  const {
    seen,
    source: { action, answer },
    wrote
  } = operation
  // Also one that returned later than the part of the history that is shown.
  const isOpen = answer.kind === "open" || operation.return === undefined
  const open = isOpen ? `: ${answer.kind === "open" ? (answer.error ?? "no answer") : "no answer yet"}` : undefined
  const failed = answer.kind === "refused" && operation.failed !== undefined ? `: ${answer.error}` : undefined
  switch (action.kind) {
    case "load":
      return `load: ${quote(seen?.value)}`
    case "current":
      return seen?.value === null ? "current: nothing" : `current: ${quote(seen?.value)}, revision ${seen?.revision}`
    case "save":
      return `save ${action.value}${failed ?? open ?? ""}`
    case "delete":
      return `delete${open ?? ""}`
    case "update":
    case "modify":
      return seen === undefined
        ? `${action.kind} to ${quote(operation.failed ?? wrote?.value)}${failed ?? open ?? ""}`
        : `${action.kind} ${quote(seen.value)} to ${quote(wrote?.value)}${open ?? ""}`
    case "compareAndSave": {
      if (failed !== undefined && seen === undefined) return `compareAndSave ${action.value}${failed}`
      const what = `compareAndSave ${action.value}${wrote !== undefined && seen === undefined ? "" : ` on ${action.expected}`}`
      if (wrote === undefined) return `${what}: conflict, found ${seen?.revision}`
      return `${what}${open ?? `: revision ${wrote.revision}`}`
    }
  }
}
