/** How many appends are started together, each to a stream of its own. */
export const atOnce = 64

/** How many events the streams have that are replayed. */
export const lengths = { replay1000: 1_000, replay10000: 10_000 } as const

/** What is measured, and what it is called in the table. */
export const tasks = {
  append: "one append after another",
  appendAtOnce: `${atOnce} appends at once, each`,
  replay1000: "first load of 1 000 events",
  replay10000: "first load of 10 000 events",
  again: "load again"
}

export type Task = keyof typeof tasks
