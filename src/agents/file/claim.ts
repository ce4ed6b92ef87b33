import { createHash } from "node:crypto"
import * as Owner from "./owner.ts"

/** One attempt to take a lock: a file whose name says all. The names of one lock sort by age of the attempt. */
export interface Claim {
  readonly name: string
  /** When the claim was made, in milliseconds since the epoch. */
  readonly since: number
  readonly owner: Owner.Owner
}

/** Microseconds since the epoch, as text that sorts. */
export const now = (): string =>
  Math.round((performance.timeOrigin + performance.now()) * 1000)
    .toString(16)
    .padStart(14, "0")

/** What the claims on one of the locks in a directory begin with. */
export const prefixOf = (lock: string): string =>
  lock === "" ? "0-" : `${createHash("sha256").update(lock).digest("hex").slice(0, 32)}-`

/** A new claim; `age` is the `now` of the first attempt, and stays over all that follow. */
export const make = (prefix: string, age: string): Claim => {
  const owner = Owner.make()
  const since = now()
  return { name: `${prefix}${age}-${since}-${Owner.format(owner)}`, since: Number.parseInt(since, 16) / 1000, owner }
}

const pattern = /^[0-9a-f]{14}-([0-9a-f]{14})-(.+)$/

/** The claim of a file name; none for the claims on other locks and for what else is in the directory. */
export const parse = (prefix: string, name: string): Claim | undefined => {
  if (!name.startsWith(prefix)) return undefined
  const [, since, text] = pattern.exec(name.slice(prefix.length)) ?? []
  const owner = text === undefined ? undefined : Owner.parse(text)
  return since === undefined || owner === undefined
    ? undefined
    : { name, since: Number.parseInt(since, 16) / 1000, owner }
}

/** Whether `name` is the claim of an older attempt than `mine`. */
export const isOlder = (name: string, mine: string): boolean => name < mine

/** What to do with a claim after a look into the directory. */
export type Decision = "hold" | "withdraw" | ReadonlySet<string>

/**
 * The protocol. `others` are the live claims seen by a listing that began after `mine` was there; `awaited` is what the
 * listing before answered, if there was one. The answer is to hold, to withdraw, or whom to wait for.
 */
export const decide = (mine: string, others: Iterable<string>, awaited?: ReadonlySet<string>): Decision => {
  const seen = [...others]
  if (awaited === undefined && seen.some((name) => isOlder(name, mine))) return "withdraw"
  const left = awaited === undefined ? seen : seen.filter((name) => awaited.has(name))
  return left.length === 0 ? "hold" : new Set(left)
}
