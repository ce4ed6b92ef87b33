import type { Change, Revision } from "../../agents/Revision.ts"

/** A point in the order of commits: a revision saved comes right before its deletion. */
export const positionOf = (change: { readonly _tag: Change<unknown>["_tag"]; readonly revision: Revision }): number =>
  change.revision * 2 + (change._tag === "Deleted" ? 1 : 0)
