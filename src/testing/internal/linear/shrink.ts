import type { Model, Shrink, Timed } from "./model.ts"

// A failing history is judged many times: so many steps of search in all, or ten times as many operations, take seconds.
const effort = 300_000
const stepsAnOperation = 0.1

/** Whether a smaller history still fails, and how many steps of search that took to find out. */
export interface Trial {
  readonly fails: boolean
  readonly steps: number
}

/** The smallest history found, by safe steps, that fails like the one given. */
export const shrink = <State, Op extends Timed>(
  model: Model<State, Op>,
  operations: ReadonlyArray<Op>,
  judge: (operations: ReadonlyArray<Op>) => Trial,
  /** When it may have begun to fail. */
  guess?: number
): ReadonlyArray<Op> => {
  const steps = model.shrink
  if (steps === undefined) return operations
  let left = effort
  const tries = (candidate: ReadonlyArray<Op>) => {
    if (left <= 0) return false
    const { fails, steps } = judge(candidate)
    left -= steps + candidate.length * stepsAnOperation
    return fails
  }
  let smallest = shortestPrefix(steps, operations, tries, guess)
  for (let before: ReadonlyArray<Op> = []; smallest !== before; ) {
    before = smallest
    smallest = replaceEach(steps, leaveOut(steps, smallest, tries), tries)
  }
  return smallest
}

/** Cut off before the first return without which it does not fail. */
const shortestPrefix = <Op extends Timed>(
  { unfinished }: Shrink<Op>,
  operations: ReadonlyArray<Op>,
  fails: (operations: ReadonlyArray<Op>) => boolean,
  guess: number | undefined
): ReadonlyArray<Op> => {
  const until = (end: number): ReadonlyArray<Op> =>
    operations.flatMap((operation) => {
      if (operation.call > end) return []
      return (operation.return ?? 0) <= end ? [operation] : (unfinished(operation) ?? [])
    })
  const ends = operations.flatMap((operation) => operation.return ?? []).sort((a, b) => a - b)
  let [low, high] = [0, ends.length]
  let smallest = operations
  if (guess !== undefined && fails(until(guess))) {
    smallest = until(guess)
    high = ends.indexOf(guess)
  }
  // A history that is possible has only possible prefixes, so that failing is monotonic.
  while (low < high) {
    const middle = (low + high) >>> 1
    const candidate = until(ends[middle] ?? 0)
    if (fails(candidate)) {
      high = middle
      smallest = candidate
    } else low = middle + 1
  }
  return smallest
}

/** Without as many operations as can be left out, halves first. */
const leaveOut = <Op extends Timed>(
  { simpler }: Shrink<Op>,
  operations: ReadonlyArray<Op>,
  fails: (operations: ReadonlyArray<Op>) => boolean
): ReadonlyArray<Op> => {
  let smallest = operations
  for (let changed = true; changed; ) {
    changed = false
    const simplerNow = simpler(smallest)
    const droppable = smallest.filter((operation) => simplerNow(operation).includes(undefined))
    for (let size = droppable.length; size >= 1; size = Math.floor(size / 2)) {
      for (let i = 0; i < droppable.length; i += size) {
        const dropped = new Set(droppable.slice(i, i + size))
        const candidate = smallest.filter((operation) => !dropped.has(operation))
        if (candidate.length === smallest.length || !fails(candidate)) continue
        smallest = candidate
        changed = true
      }
    }
  }
  return smallest
}

/** With each operation replaced by a simpler one where it fails still. */
const replaceEach = <Op extends Timed>(
  { simpler }: Shrink<Op>,
  operations: ReadonlyArray<Op>,
  fails: (operations: ReadonlyArray<Op>) => boolean
): ReadonlyArray<Op> => {
  let smallest = operations
  const simplerNow = simpler(operations)
  for (const operation of operations)
    for (const replacement of simplerNow(operation)) {
      if (replacement === undefined) continue
      const candidate = smallest.map((other) => (other === operation ? replacement : other))
      if (!fails(candidate)) continue
      smallest = candidate
      break
    }
  return smallest
}
