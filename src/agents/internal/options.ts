/**
 * What the options of an agent have to be, looked at once, when it is opened: plain JavaScript has no types to tell it, and
 * a setting that is ignored is found out when it is too late.
 */
import { Duration, Effect, Option, Predicate, Schema, Struct } from "effect"
import { StorageUnavailable } from "../StateError.ts"

/** What an option has to be; answers what is wrong with a value, in words that do not show it. */
export type Rule = (option: string, value: unknown) => string | undefined

/** A rule of its own: what is allowed, in words, and as a test. */
export const rule =
  (allowed: string, isAllowed: (value: unknown) => boolean): Rule =>
  (option, value) =>
    isAllowed(value) ? undefined : `the option ${option} is ${kindOf(value)}, and has to be ${allowed}`

/** What is not given is allowed. */
export const optional =
  (given: Rule): Rule =>
  (option, value) =>
    value === undefined ? undefined : given(option, value)

/** One of some words. */
export const oneOf = <A extends string>(...words: ReadonlyArray<A>): Rule => {
  const quoted = words.map((word) => `"${word}"`)
  const allowed: ReadonlySet<unknown> = new Set(words)
  return rule(`${quoted.slice(0, -1).join(", ")} or ${quoted.at(-1)}`, (value) => allowed.has(value))
}

/** Any text. */
export const text: Rule = rule("a string", Predicate.isString)

/** How many, where there has to be one. */
export const count: Rule = rule(
  "a whole number from 1, or Infinity",
  (value) => value === Number.POSITIVE_INFINITY || (Number.isInteger(value) && Number(value) >= 1)
)

/** How many bytes. */
export const bytes: Rule = rule("a number from 0, or Infinity", (value) => Predicate.isNumber(value) && value >= 0)

/** How long, more than no time at all. What is no duration may count as 0, which is why that is none either. */
export const duration: Rule = rule('a duration above 0, such as "30 days"', (value) =>
  // Sound: it refuses what is none.
  Option.exists(Duration.fromInput(value as Duration.Input), Duration.isPositive)
)

/** What states look like. */
export const schema: Rule = rule(
  "a Schema or a Codec",
  (value) => Schema.isSchema(value) || Predicate.hasProperty(value, "fingerprint")
)

/** An object of options of its own. */
export const record =
  (rules: Readonly<Record<string, Rule>>): Rule =>
  (option, value) => {
    const names = Object.keys(rules)
    const wrong = rule(
      `{ ${names.join(", ")} }`,
      (value) => Predicate.isObject(value) && Object.keys(value).every((name) => names.includes(name))
    )(option, value)
    return wrong ?? (Predicate.isObject(value) ? firstWrong(rules, value, `${option}.`) : undefined)
  }

const historyWithin = (limits: Readonly<Record<string, Rule>>): Rule => {
  const names = Object.keys(limits)
  const whole = rule(
    `"none", "full" or { ${names.join(", ")} }`,
    (value) => Predicate.isObject(value) && Object.keys(value).every((name) => names.includes(name))
  )
  return (option, value) => {
    if (value === undefined || value === "none" || value === "full") return undefined
    const wrong = whole(option, value)
    if (wrong !== undefined || !Predicate.isObject(value)) return wrong
    return firstWrong(limits, value, `${option}.`)
  }
}

/** The history of agents that keep so many states: `"none"`, `"full"` or `{ bounded }`; optional. */
export const exactHistory: Rule = historyWithin({ bounded: count })

const limits = { bounded: optional(count), maxAge: optional(duration), maxBytes: optional(bytes) }

/** The history of agents that keep what fits such limits: `"none"`, `"full"`, or any of the limits; optional. */
export const historyOf = (...names: ReadonlyArray<keyof typeof limits>): Rule =>
  historyWithin(Struct.pick(limits, names))

/**
 * Fails for the first option that is not what it has to be; options without a rule are let be. The agent is called by the
 * first of the options `named` that is a string.
 */
export const check = (
  options: unknown,
  rules: Readonly<Record<string, Rule>>,
  named: ReadonlyArray<string> = ["name"]
): Effect.Effect<void, StorageUnavailable> => {
  const given = Predicate.isObject(options) ? options : {}
  const reason = firstWrong(rules, given, "")
  if (reason === undefined) return Effect.void
  const agent = named.map((name) => given[name]).find(Predicate.isString) ?? "(unnamed)"
  return Effect.fail(new StorageUnavailable({ agent, operation: "open", reason, retryable: false }))
}

const firstWrong = (
  rules: Readonly<Record<string, Rule>>,
  given: Readonly<Record<PropertyKey, unknown>>,
  prefix: string
): string | undefined => {
  for (const name of Object.keys(rules)) {
    const wrong = rules[name]?.(prefix + name, given[name])
    if (wrong !== undefined) return wrong
  }
  return undefined
}

/** What a value is, without what it says: somebody may have put a secret in the wrong place. */
const kindOf = (value: unknown): string => {
  if (value === null || value === undefined || typeof value === "boolean") return String(value)
  if (typeof value === "number") return `the number ${value}`
  if (value === "") return "an empty string"
  if (Array.isArray(value)) return "an array"
  return typeof value === "object" ? "an object" : `a ${typeof value}`
}
