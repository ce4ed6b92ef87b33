/**
 * What the person who starts the laws may say about them, from outside: a word that is none is told, since a run that
 * quietly does something else looks like one that did as it was told.
 */
import type { Budget } from "./world.ts"

const budgets: ReadonlyArray<Budget> = ["quick", "ci", "soak"]

/** The budget that is called so; throws where there is none. `source` says where the name stands. */
export const budgetOf = (source: string, name: string): Budget => {
  const budget = budgets.find((budget) => budget === name)
  if (budget === undefined) throw new Error(`${source} is "${name}": use quick, ci or soak`)
  return budget
}

/** The seed that a text is, at most 32 bits; throws where it is none. */
export const seedOf = (source: string, text: string): number => {
  if (!/^[0-9]{1,10}$/.test(text) || Number(text) >= 2 ** 32)
    throw new Error(`${source} is "${text}": use a whole number from 0 to ${2 ** 32 - 1}`)
  return Number(text)
}

// Empty is how some shells and services say that there is none.
const read = <A>(name: string, parse: (source: string, text: string) => A): A | undefined => {
  const text = process.env[name] ?? ""
  return text === "" ? undefined : parse(name, text)
}

/** `LAWS_BUDGET`, if it is set. */
export const budgetOfEnvironment = (): Budget | undefined => read("LAWS_BUDGET", budgetOf)

/** `LAWS_SEED`, if it is set. */
export const seedOfEnvironment = (): number | undefined => read("LAWS_SEED", seedOf)

/** `LAWS_REPLAY`, if it is set. */
export const replayOfEnvironment = (): string | undefined => read("LAWS_REPLAY", (_, token) => token)
