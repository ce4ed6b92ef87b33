/** How many fibers or promises ask for one key at once. */
export const atOnce = 64

/** What is measured, and what it is called in the table. */
export const tasks = {
  hit: "a hit",
  miss: "a miss of one",
  missAtOnce: `a miss of ${atOnce} at once, all`,
  write: "a write"
}

export type Task = keyof typeof tasks

/** What is looked at, and what it is called in the table. */
export const checks = {
  reads: `how often ${atOnce} who miss together read the store`,
  staleRefill: "a load that began before a write does not bring the older state back",
  alias: "a state that was loaded may be changed, and nobody else sees it",
  caller: "a state that was saved may be changed, and nobody else sees it",
  invalid: "a state that does not fit its schema is refused"
}

export type Check = keyof typeof checks
