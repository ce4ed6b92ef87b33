/**
 * What an agent promises, as a value that it carries. Laws test an agent against its claims, combinators compute the
 * claims of a composite from those of its parts, and the documentation's tables are printed from them.
 */

/**
 * How much failure an acknowledged write survives, weakest first: `volatile` nothing beyond its scope; `process` a
 * kill -9 of our process; `power` an operating system crash or a power cut; `replicated` the loss of a machine.
 */
export type Durability = "volatile" | "process" | "power" | "replicated"

/** `linearizable`: operations look as if each happened at one instant. `lastWriteWins`: a concurrent write may be lost. */
export type Consistency = "lastWriteWins" | "linearizable"

/** Who may share one state: the fibers of one process, several processes of one host, or several hosts. */
export type Sharing = "process" | "host" | "network"

/**
 * Which earlier states are kept: none, exactly the last `bounded` ones (the current one included), all, or `some`: the
 * current one for certain, and of the earlier ones as many as fit a limit of age or of bytes.
 */
export type History = "none" | "some" | { readonly bounded: number } | "full"

/** A history whose length is known beforehand: what backends without limits of age or bytes are asked for. */
export type ExactHistory = Exclude<History, "some">

/** What an agent promises. A claim stronger than the code keeps is a bug. */
export interface Claims {
  readonly durability: Durability
  readonly consistency: Consistency
  readonly sharing: Sharing
  readonly history: History
}

const durabilities: ReadonlyArray<Durability> = ["volatile", "process", "power", "replicated"]
const consistencies: ReadonlyArray<Consistency> = ["lastWriteWins", "linearizable"]
const sharings: ReadonlyArray<Sharing> = ["process", "host", "network"]

const weakest =
  <A>(order: ReadonlyArray<A>) =>
  (a: A, b: A): A =>
    order.indexOf(a) <= order.indexOf(b) ? a : b

/** The weaker of two durabilities: what a write survives that must be kept by both. */
export const weakerDurability: (a: Durability, b: Durability) => Durability = weakest(durabilities)

/** Whether durability `a` survives all that `b` survives. */
export const survives = (a: Durability, b: Durability): boolean => durabilities.indexOf(a) >= durabilities.indexOf(b)

/** How many revisions a history holds for certain, the current one included: 1, n, or `Infinity`. */
export const historyLength = (history: History): number =>
  typeof history === "object" ? history.bounded : history === "full" ? Number.POSITIVE_INFINITY : 1

/** How many revisions a history may hold, the current one included: as many as for certain, unless it says `some`. */
export const historyMost = (history: History): number =>
  history === "some" ? Number.POSITIVE_INFINITY : historyLength(history)

// Of two that promise as much, the one that promises no upper limit promises less.
const weakerHistory = (a: History, b: History): History => {
  const more = historyLength(a) - historyLength(b) || historyMost(b) - historyMost(a)
  return more > 0 ? b : a
}

/** The claims that hold for a composite in which every part must keep its promise: the weaker one, field by field. */
export const weaker = (a: Claims, b: Claims): Claims => ({
  durability: weakerDurability(a.durability, b.durability),
  consistency: weakest(consistencies)(a.consistency, b.consistency),
  sharing: weakest(sharings)(a.sharing, b.sharing),
  history: weakerHistory(a.history, b.history)
})

/** One line for people: `power, linearizable, shared by process, history full`. */
export const describe = (claims: Claims): string => {
  const history = typeof claims.history === "string" ? claims.history : `last ${claims.history.bounded}`
  return `${claims.durability}, ${claims.consistency}, shared by ${claims.sharing}, history ${history}`
}
