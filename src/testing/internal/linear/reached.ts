import type { RegisterOperation } from "./register.ts"

/** A revision that was certainly reached, and the operations that show it. */
export interface Reached {
  readonly revision: number
  /** Nobody said the number: it is at least this. */
  readonly atLeast: boolean
  readonly by: ReadonlyArray<RegisterOperation>
}

/** One end of an operation. */
export interface End {
  readonly operation: RegisterOperation
  readonly at: number
  readonly isReturn: boolean
}

/** Calls and returns in the order of time. */
export const ends = (operations: ReadonlyArray<RegisterOperation>): ReadonlyArray<End> =>
  operations
    .flatMap((operation): ReadonlyArray<End> => {
      const called = { operation, at: operation.call, isReturn: false }
      return operation.return === undefined ? [called] : [called, { operation, at: operation.return, isReturn: true }]
    })
    // At the same instant calls come first: what only looks simultaneous is concurrent.
    .sort((a, b) => a.at - b.at || Number(a.isReturn) - Number(b.isReturn))

/** For each operation the revision that was reached before it was called. */
export const floors = (
  sorted: ReadonlyArray<End>,
  start: number
): { readonly before: (operation: RegisterOperation) => Reached } => {
  const found = new Map<RegisterOperation, Reached>()
  const beginning: Reached = { revision: start, atLeast: false, by: [] }
  const before = (operation: RegisterOperation) => found.get(operation) ?? beginning
  let reached = beginning
  for (const { isReturn, operation } of sorted) {
    if (!isReturn) found.set(operation, reached)
    else {
      const now = after(operation, before(operation))
      if (now.revision > reached.revision) reached = now
    }
  }
  return { before }
}

/** What is reached when an operation has returned that began above a floor. */
const after = (operation: RegisterOperation, floor: Reached): Reached => {
  const { seen, wrote } = operation
  const revision = wrote?.revision ?? seen?.revision ?? 0
  if (wrote === undefined || wrote.value === null || wrote.revision !== undefined)
    return { revision, atLeast: false, by: [operation] }
  return { revision: Math.max(floor.revision, revision) + 1, atLeast: true, by: [...floor.by.slice(-1), operation] }
}
