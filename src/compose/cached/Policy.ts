import { Duration, Effect, Option, Predicate } from "effect"
import { check, count, oneOf, optional, type Rule, record, rule } from "../../agents/internal/options.ts"
import type { CompareError } from "../../agents/StateError.ts"

/** How long entries are used, and how writes go to the backend. */
export interface Policy {
  /** How long an entry is used. Default: until it is known to be out of date. */
  readonly ttl?: Duration.Input | undefined
  /**
   * By which share of `ttl` an entry may be used for less long, at random, so that entries made together do not end
   * together: from 0 to 1. Default: 0.
   */
  readonly jitter?: number | undefined
  /**
   * How long past `ttl` an entry is still answered at once, while one fiber reads the backend for the next ones (RFC
   * 5861). Default: not at all.
   */
  readonly staleWhileRevalidate?: Duration.Input | undefined
  /**
   * How long past `ttl` an entry is still answered when the backend fails with `StorageUnavailable` (RFC 5861).
   * Default: not at all.
   */
  readonly staleIfError?: Duration.Input | undefined
  /** How long after a failed read such an entry is answered without asking the backend again. Default: 1 second. */
  readonly retryAfter?: Duration.Input | undefined
  /**
   * Whether the backend is to tell of commits made around the cache. `"ignore"` saves some hundred bytes a key, and a
   * fiber and a read over a backend that tells by `changes` alone; such commits are then seen after the `ttl`. Default:
   * `"follow"`.
   */
  readonly changes?: "follow" | "ignore" | undefined
  /**
   * `"through"` writes to the backend and then to the cache; `"around"` writes to the backend and empties the cache, for
   * what is written more often than it is read; `{ behind }` writes to memory, and to the backend later. Default: `"through"`.
   */
  readonly write?: "through" | "around" | { readonly behind: BehindOptions } | undefined
  /**
   * Whether what others put into the `cache` is used as well, for as long as `ttl` says of it: a cache in Redis that many processes
   * fill, and that a restart finds full. Needs a `cache` that they share and a `ttl`, and goes with no writes behind. Default: no.
   */
  readonly shared?: boolean | undefined
}

/** What may be said of writes that reach the backend later. */
export interface BehindOptions {
  /** How long a write may wait for those that follow it, with which it becomes one. Default: 100 milliseconds. */
  readonly delay?: Duration.Input | undefined
  /** How many acknowledged writes may wait; of a family, of all keys together. Default: 1 000. */
  readonly maxPending?: number | undefined
  /** What a write does when so many wait: it waits until fewer do, or it writes through. Default: `"wait"`. */
  readonly whenFull?: "wait" | "through" | undefined
  /** Told of each write to the backend that failed. Default: a line in the log, an error when writes were lost. */
  readonly onFailure?: ((failure: Failure) => Effect.Effect<void>) | undefined
}

/** A write to the backend that failed after it had been acknowledged. */
export interface Failure {
  readonly agent: string
  readonly key: string | undefined
  readonly error: CompareError
  /** How many acknowledged writes it held. */
  readonly writes: number
  /** Whether they are lost; otherwise they are tried again. */
  readonly lost: boolean
}

/** A policy with nothing left open; times are milliseconds. */
export interface Settings {
  readonly ttl: number
  readonly jitter: number
  readonly staleWhileRevalidate: number
  readonly staleIfError: number
  readonly retryAfter: number
  readonly follow: boolean
  readonly around: boolean
  readonly shared: boolean
}

const millis = (input: Duration.Input | undefined, otherwise: number): number =>
  input === undefined ? otherwise : Duration.toMillis(input)

export const settingsOf = (policy: Policy): Settings => ({
  ttl: millis(policy.ttl, Number.POSITIVE_INFINITY),
  jitter: policy.jitter ?? 0,
  staleWhileRevalidate: millis(policy.staleWhileRevalidate, 0),
  staleIfError: millis(policy.staleIfError, 0),
  retryAfter: millis(policy.retryAfter, 1_000),
  follow: policy.changes !== "ignore",
  around: policy.write === "around",
  shared: policy.shared === true
})

/** What writes behind are, where they are asked for. */
export const behindOf = ({ write }: Policy): BehindOptions | undefined =>
  typeof write === "object" ? write.behind : undefined

/** The same with nothing left open; times are milliseconds. */
export const behindSettings = ({ delay, maxPending, onFailure, whenFull }: BehindOptions) => ({
  delay: millis(delay, 100),
  maxPending: maxPending ?? 1_000,
  waits: whenFull !== "through",
  onFailure: onFailure ?? logged
})

const logged = ({ agent, error, key, lost, writes }: Failure): Effect.Effect<void> => {
  const of = `${writes} acknowledged write(s) of "${agent}"${key === undefined ? "" : `, key ${JSON.stringify(key)},`}`
  return lost
    ? Effect.logError(`Cached: ${of} are lost: ${error.message}`)
    : Effect.logWarning(`Cached: ${of} did not reach the backend and will be tried again: ${error.message}`)
}

const span: Rule = rule('a duration, such as "5 minutes"', (value) =>
  // Sound: it refuses what is none.
  Option.exists(Duration.fromInput(value as Duration.Input), (duration) => !Duration.isNegative(duration))
)

const behind = record({
  delay: optional(span),
  maxPending: optional(count),
  whenFull: optional(oneOf("wait", "through")),
  onFailure: optional(rule("a function", Predicate.isFunction))
})

const rules: Readonly<Record<string, Rule>> = {
  ttl: optional(span),
  jitter: optional(rule("a number from 0 to 1", (value) => Predicate.isNumber(value) && value >= 0 && value <= 1)),
  staleWhileRevalidate: optional(span),
  staleIfError: optional(span),
  retryAfter: optional(span),
  changes: optional(oneOf("follow", "ignore")),
  cache: optional(rule("a function", Predicate.isFunction)),
  shared: optional(rule("true or false", Predicate.isBoolean)),
  write: (option, value) =>
    Predicate.isObject(value)
      ? record({ behind })(option, value)
      : optional(rule('"through", "around" or { behind }', (value) => value === "through" || value === "around"))(
          option,
          value
        )
}

/** Fails for an option that is not what it has to be; `more` are those of a family. */
export const checkPolicy = (
  agent: string,
  policy: Policy,
  more: Readonly<Record<string, Rule>> = {}
): ReturnType<typeof check> =>
  check(
    { ...policy, name: agent },
    {
      ...rules,
      ...more,
      ...(policy.shared === true ? { ttl: forShared("a ttl"), cache: forShared("a cache"), write: noBehind } : {})
    }
  )

const forShared = (what: string): Rule => rule(`there: shared needs ${what}`, (value) => value !== undefined)

const noBehind: Rule = rule('"through" or "around", since a cache is shared', (value) => !Predicate.isObject(value))
