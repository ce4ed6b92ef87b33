/** What a driver is told about its servers, checked. */
import { Duration, Effect, Option, Predicate, Redacted } from "effect"
import { check, count, duration, oneOf, optional, type Rule, rule } from "../internal/options.ts"
import { StorageUnavailable } from "../StateError.ts"
import { conceal, type FromUrl, fromUrl, placeOf, refuse, reveal, type Topology, topologyOf } from "./address.ts"

/** TLS with other settings than Node's own; certificates and keys as PEM. */
export interface Tls {
  /** Who has to have signed the server's certificate. Default: those whom Node trusts. */
  readonly ca?: string | undefined
  readonly cert?: string | undefined
  readonly key?: Redacted.Redacted<string> | undefined
  /** The name that the certificate has to be for. Default: the host. */
  readonly servername?: string | undefined
  /** `false` talks to whoever answers. Default: true. */
  readonly rejectUnauthorized?: boolean | undefined
}

/** A connection string, or the same in fields, which win where both are given; or Sentinels; or nodes of a Cluster. */
export interface Options {
  /** `redis://user:password@host:port/db`, or `rediss://` for TLS. */
  readonly url?: string | Redacted.Redacted<string> | undefined
  /** Default: `localhost`. */
  readonly host?: string | undefined
  /** Default: 6379. */
  readonly port?: number | undefined
  /** Default: the server's default user. */
  readonly username?: string | undefined
  readonly password?: string | Redacted.Redacted<string> | undefined
  /** The number of the database; not in a Cluster. Default: 0. */
  readonly db?: number | undefined
  /** `true` checks the server's certificate. Default: `false`, unless the connection string begins with `rediss://`. */
  readonly tls?: boolean | Tls | undefined
  /** Sentinels, any of which names the server that is the master now; the port is 26379 where none is given. */
  readonly sentinels?: ReadonlyArray<{ readonly host: string; readonly port?: number | undefined }> | undefined
  /** What the Sentinels call the master. */
  readonly name?: string | undefined
  readonly sentinelUsername?: string | undefined
  readonly sentinelPassword?: string | Redacted.Redacted<string> | undefined
  /** Some nodes of a Cluster, which tell of the others; the port is 6379 where none is given. */
  readonly cluster?: ReadonlyArray<{ readonly host: string; readonly port?: number | undefined }> | undefined
  /** What all keys begin with: programs with other prefixes have states of their own. Default: `dgents`. */
  readonly prefix?: string | undefined
  /** What the server shows for our connections. Default: `dgents`. */
  readonly clientName?: string | undefined
  /** How long a connection may take to be made. Default: 5 seconds. */
  readonly connectTimeout?: Duration.Input | undefined
  /** How long a command waits in all: for a connection, for a server that can, and for its answer. Default: 5 seconds. */
  readonly timeout?: Duration.Input | undefined
  /** How many commands may wait or be under way at once; the next one is refused. Default: 10000. */
  readonly queue?: number | undefined
  /**
   * What the server keeps on disk, for one that refuses to tell: `"always"` syncs its append-only file before each answer,
   * `"everysec"` once a second. Of this and of what a server does tell, the weaker one counts.
   */
  readonly persistence?: "none" | "everysec" | "always" | undefined
  /** Acknowledges a write once so many replicas have it; with fewer after `timeout` (default: 1 second) it is indeterminate. */
  readonly waitForReplicas?: { readonly count: number; readonly timeout?: Duration.Input | undefined } | undefined
  /**
   * Acknowledges a write once it is synced to the append-only file of the server (`local: 1`) and of so many replicas; else it is
   * indeterminate after `timeout` (default: 1 second). Redis 7.2 or later.
   */
  readonly waitForAof?:
    | { readonly local: 0 | 1; readonly replicas?: number | undefined; readonly timeout?: Duration.Input | undefined }
    | undefined
}

/** What comes after a write, on its connection: `WAIT` or `WAITAOF`, its arguments, and what it has to answer at least. */
export interface Confirmation {
  readonly command: "wait" | "waitaof"
  readonly local: number
  readonly replicas: number
  /** In milliseconds. */
  readonly timeout: number
}

/** Options as numbers, with everything that was left out. Times in milliseconds. */
export interface Settings {
  readonly topology: Topology
  /** The servers for people. */
  readonly place: string
  readonly username: string | undefined
  readonly password: Redacted.Redacted<string> | undefined
  readonly db: number
  readonly tls: boolean | Tls
  readonly clientName: string
  readonly connectTimeout: number
  readonly timeout: number
  readonly queue: number
  readonly persistence: "none" | "everysec" | "always" | undefined
  readonly confirmation: Confirmation | undefined
}

const isOf = (value: unknown, rules: Readonly<Record<string, (value: unknown) => boolean>>): boolean =>
  Predicate.isObject(value) &&
  Object.keys(value).every((name) => name in rules) &&
  Object.entries(rules).every(([name, isAllowed]) => isAllowed(value[name]))

const orNone =
  (isAllowed: (value: unknown) => boolean) =>
  (value: unknown): boolean =>
    value === undefined || isAllowed(value)

// What a command or a name of a host cannot hold is left out.
const isName = (value: unknown): boolean => Predicate.isString(value) && /^[^\s\0]+$/.test(value)
const isSecret = (value: unknown): boolean =>
  Predicate.isString(Redacted.isRedacted(value) ? Redacted.value(value) : value)
const isPort = (value: unknown): boolean => Number.isInteger(value) && Number(value) >= 1 && Number(value) <= 65_535
const isCount = (least: number) => (value: unknown) => Number.isInteger(value) && Number(value) >= least
const isBoolean = orNone(Predicate.isBoolean)
const isText = orNone(Predicate.isString)
// Sound: what is no duration is refused, and that is all.
const isTime = (value: unknown): boolean =>
  Option.exists(Duration.fromInput(value as Duration.Input), Duration.isPositive)

const name = optional(rule("a name without spaces", isName))
const secret = optional(rule("a string, plain or Redacted", isSecret))
const nodes = optional(
  rule(
    "a list of { host, port }, with one at least",
    (value) =>
      Array.isArray(value) &&
      value.length > 0 &&
      value.every((node) => isOf(node, { host: isName, port: orNone(isPort) }))
  )
)

const rules: Readonly<Record<keyof Options, Rule>> = {
  url: secret,
  host: name,
  port: optional(rule("a whole number from 1 to 65535", isPort)),
  username: name,
  password: secret,
  db: optional(rule("a whole number from 0", isCount(0))),
  tls: optional(
    rule(
      "true, false, or { ca, cert, key (Redacted), servername, rejectUnauthorized }",
      (value) =>
        Predicate.isBoolean(value) ||
        isOf(value, {
          ca: isText,
          cert: isText,
          key: orNone((key) => Redacted.isRedacted(key) && isSecret(key)),
          servername: orNone(isName),
          rejectUnauthorized: isBoolean
        })
    )
  ),
  sentinels: nodes,
  name,
  sentinelUsername: name,
  sentinelPassword: secret,
  cluster: nodes,
  prefix: optional(rule("a well-formed string", (value) => Predicate.isString(value) && value.isWellFormed())),
  clientName: name,
  connectTimeout: optional(duration),
  timeout: optional(duration),
  queue: optional(count),
  persistence: optional(oneOf("none", "everysec", "always")),
  waitForReplicas: optional(
    rule("{ count, timeout }, the count a whole number from 1", (value) =>
      isOf(value, { count: isCount(1), timeout: orNone(isTime) })
    )
  ),
  waitForAof: optional(
    rule(
      "{ local, replicas, timeout }, with local 0 or 1 and one of both above 0",
      (value) =>
        isOf(value, { local: orNone(isAof), replicas: orNone(isCount(0)), timeout: orNone(isTime) }) &&
        // Sound: it is an object by now.
        Object.values(value as object).some((each) => Number(each) >= 1)
    )
  )
}

function isAof(value: unknown): boolean {
  return value === 0 || value === 1
}

const agent = "RedisDriver"

/** Checks options and fills them in. Nothing that was given is shown in an error but the names of options. */
export const settingsOf = (options: Options): Effect.Effect<Settings, StorageUnavailable> =>
  Effect.gen(function* () {
    const unknown = Object.keys(options).find((option) => !(option in rules))
    if (unknown !== undefined) return yield* refuse(`there is no option ${unknown}`)
    yield* Effect.mapError(check(options, rules), (error) => new StorageUnavailable({ ...error, agent }))
    const url: FromUrl = options.url === undefined ? {} : yield* fromUrl(reveal(options.url))
    const topology = yield* topologyOf(options, url)
    const db = options.db ?? url.db ?? 0
    if (topology._tag === "Cluster" && db !== 0)
      return yield* refuse("a Cluster has no databases; leave out the option db")
    const password = options.password ?? url.password
    return {
      topology,
      place: placeOf(topology, db),
      username: options.username ?? url.username,
      password: conceal(password),
      db,
      tls: options.tls ?? url.tls ?? false,
      clientName: options.clientName ?? "dgents",
      connectTimeout: timer(options.connectTimeout ?? "5 seconds"),
      timeout: timer(options.timeout ?? "5 seconds"),
      queue: options.queue ?? 10_000,
      persistence: options.persistence,
      confirmation: yield* confirmationOf(options)
    }
  })

// Timers of Node hold no more; it is some 24 days.
const timer = (input: Duration.Input): number => Math.min(2 ** 31 - 1, Math.ceil(Duration.toMillis(input)))

const confirmationOf = ({
  waitForAof,
  waitForReplicas
}: Options): Effect.Effect<Confirmation | undefined, StorageUnavailable> => {
  if (waitForAof !== undefined && waitForReplicas !== undefined)
    return refuse("only one of waitForReplicas and waitForAof can be given; the second one waits for replicas as well")
  if (waitForAof !== undefined) {
    const { local = 0, replicas = 0, timeout = "1 second" } = waitForAof
    return Effect.succeed({ command: "waitaof", local, replicas, timeout: timer(timeout) })
  }
  if (waitForReplicas === undefined) return Effect.succeed(undefined)
  const { count, timeout = "1 second" } = waitForReplicas
  return Effect.succeed({ command: "wait", local: 0, replicas: count, timeout: timer(timeout) })
}
