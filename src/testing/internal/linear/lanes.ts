import type { Timed } from "./model.ts"

// A position in a lane has to fit into one UTF-16 unit of a search key.
const longest = 60_000

/**
 * Operations in as few lanes as possible, each of which holds operations that follow each other in time. What is already
 * ordered in such a history is then the beginning of each lane: one number a lane. Open operations have a lane each.
 */
export const lanes = <Op extends Timed>(
  operations: ReadonlyArray<Op>
): { readonly closed: ReadonlyArray<ReadonlyArray<Op>>; readonly open: ReadonlyArray<Op> } => {
  const closed: Array<Array<Op>> = []
  const open: Array<Op> = []
  for (const operation of [...operations].sort((a, b) => a.call - b.call)) {
    if (operation.return === undefined) {
      open.push(operation)
      continue
    }
    const free = closed.find((lane) => lane.length < longest && (lane.at(-1)?.return ?? 0) < operation.call)
    if (free === undefined) closed.push([operation])
    else free.push(operation)
  }
  return { closed, open }
}
