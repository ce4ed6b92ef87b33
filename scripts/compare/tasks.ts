/** How many saves or loads are started together. */
export const atOnce = 64

/** How many earlier states a key has when the save after them is measured. */
export const earlier = 1_000

/** What is measured, and what it is called in the table. */
export const tasks = {
  save: "one save after another",
  saveAtOnce: `${atOnce} saves at once, each`,
  load: "one load after another",
  loadAtOnce: `${atOnce} loads at once, each`,
  saveAfter: `a save after ${earlier.toLocaleString("en").replace(",", " ")} of its key`
}

export type Task = keyof typeof tasks
