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

/** Which earlier states are kept: none, at most the last `bounded` ones (the current one included), or all. */
export type History = "none" | { readonly bounded: number } | "full"

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

/** How many revisions a history holds, the current one included: 1, n, or `Infinity`. */
export const historyLength = (history: History): number =>
  history === "none" ? 1 : history === "full" ? Number.POSITIVE_INFINITY : history.bounded

/** The claims that hold for a composite in which every part must keep its promise: the weaker one, field by field. */
export const weaker = (a: Claims, b: Claims): Claims => ({
  durability: weakerDurability(a.durability, b.durability),
  consistency: weakest(consistencies)(a.consistency, b.consistency),
  sharing: weakest(sharings)(a.sharing, b.sharing),
  history: historyLength(a.history) <= historyLength(b.history) ? a.history : b.history
})

/** One line for people: `power, linearizable, shared by process, history full`. */
export const describe = (claims: Claims): string => {
  const history = typeof claims.history === "string" ? claims.history : `last ${claims.history.bounded}`
  return `${claims.durability}, ${claims.consistency}, shared by ${claims.sharing}, history ${history}`
}
