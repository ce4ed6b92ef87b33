/** What a driver is told about its server, checked. */
import { Duration, Effect, Option, Redacted, Result, Schema, SchemaIssue } from "effect"
import type { StorageUnavailable } from "../../StateError.ts"
import type { Address, Tls } from "./connection.ts"
import { unavailable } from "./open.ts"
import type { Limits } from "./pool.ts"

/** A connection string, or the same in fields, which win where both are given. */
export interface ServerOptions {
  /**
   * `postgres://user:password@host:port/database`. Parameters that are understood: `sslmode` (`disable`, `require`,
   * `verify-full`, `no-verify`), `application_name`, and `host` for the directory of a Unix socket.
   */
  readonly url?: string | Redacted.Redacted<string> | undefined
  /** A name, an address, or the directory of a Unix socket. Default: `localhost`. */
  readonly host?: string | undefined
  /** Default: 5432. */
  readonly port?: number | undefined
  /** Default: the name of the user. */
  readonly database?: string | undefined
  /** Default: `postgres`. */
  readonly user?: string | undefined
  readonly password?: string | Redacted.Redacted<string> | undefined
  /** `true` checks the server's certificate. Default: `false`, unless the connection string has an `sslmode`. */
  readonly tls?: boolean | Tls | undefined
  /** What the server shows for our sessions. Default: `dgents`. */
  readonly applicationName?: string | undefined
}

/** How connections are shared. */
export interface PoolOptions extends ServerOptions {
  /** How many connections there are at most, the one that listens not counted. Default: 10. */
  readonly max?: number | undefined
  /** How long a connection that nobody uses stays open. Default: 1 minute. */
  readonly idleTimeout?: Duration.Input | undefined
  /** How long a connection may take to be made. Default: 5 seconds. */
  readonly connectTimeout?: Duration.Input | undefined
  /** How long an operation waits for a connection that is free, and a write whose answer was lost for one that works. Default: 10 seconds. */
  readonly acquireTimeout?: Duration.Input | undefined
  /** How long a statement may take. Default: 30 seconds. */
  readonly statementTimeout?: Duration.Input | undefined
  /**
   * Prepares statements by name, once for each connection: reads of single states take a third less. Not behind a proxy that
   * hands out connections by transaction, unless it knows of prepared statements. Default: false.
   */
  readonly prepare?: boolean | undefined
}

/** What is done in a database. */
export interface EngineOptions {
  /** The schema that the tables are in, which has to exist. Default: the first one of the user's `search_path`. */
  readonly schema?: string | undefined
  /** Tells other processes of each commit, for their `changes`. Default: true. */
  readonly notify?: boolean | undefined
  /**
   * How `changes` hear of commits of other processes: `true` opens one more connection while somebody follows; `{ url }`
   * opens it past a proxy, on the server itself; `false` leaves it to `poll`. Default: true.
   */
  readonly listen?: boolean | { readonly url: string | Redacted.Redacted<string> } | undefined
  /** How often `changes` look for commits that they were not told of; `"Infinity"`: never. Default: 5 seconds. */
  readonly poll?: Duration.Input | undefined
}

/** All of it. */
export interface Options extends PoolOptions, EngineOptions {}

const secret = Schema.Union([Schema.String, Schema.Redacted(Schema.String)])
const count = Schema.Number.check(Schema.isInt(), Schema.isBetween({ minimum: 1, maximum: 10_000 }))
const time = Schema.Unknown.check(
  Schema.makeFilter((input) =>
    // Sound: what is none is refused, and that is all.
    Option.exists(Duration.fromInput(input as Duration.Input), Duration.isPositive)
  )
)
// What a startup message or a C string cannot hold.
const name = Schema.NonEmptyString.check(
  Schema.makeFilter((text: string) => !text.includes("\0") && text.isWellFormed())
)
const pem = Schema.optional(Schema.String)

const Options = Schema.Struct({
  url: Schema.optional(secret),
  host: Schema.optional(name),
  port: Schema.optional(Schema.Number.check(Schema.isInt(), Schema.isBetween({ minimum: 1, maximum: 65_535 }))),
  database: Schema.optional(name),
  user: Schema.optional(name),
  password: Schema.optional(secret),
  tls: Schema.optional(
    Schema.Union([
      Schema.Boolean,
      Schema.Struct({
        ca: pem,
        cert: pem,
        key: Schema.optional(Schema.Redacted(Schema.String)),
        servername: Schema.optional(name),
        rejectUnauthorized: Schema.optional(Schema.Boolean)
      })
    ])
  ),
  applicationName: Schema.optional(name),
  max: Schema.optional(count),
  idleTimeout: Schema.optional(time),
  connectTimeout: Schema.optional(time),
  acquireTimeout: Schema.optional(time),
  statementTimeout: Schema.optional(time),
  prepare: Schema.optional(Schema.Boolean),
  schema: Schema.optional(
    name.check(Schema.makeFilter((text: string) => Buffer.byteLength(text) <= 63 && !text.startsWith("pg_")))
  ),
  notify: Schema.optional(Schema.Boolean),
  listen: Schema.optional(Schema.Union([Schema.Boolean, Schema.Struct({ url: secret })])),
  poll: Schema.optional(time)
})

// In our words, since those of a schema may quote what it refuses.
const allowed: Readonly<Record<string, string>> = {
  url: "a connection string, plain or Redacted",
  host: "a name, an address, or the directory of a socket",
  port: "a whole number from 1 to 65535",
  database: "a name",
  user: "a name",
  password: "a string, plain or Redacted",
  tls: "true, false, or { ca, cert, key (Redacted), servername, rejectUnauthorized }",
  applicationName: "a name",
  max: "a whole number from 1 to 10000",
  idleTimeout: "a duration above 0",
  connectTimeout: "a duration above 0",
  acquireTimeout: "a duration above 0",
  statementTimeout: "a duration above 0",
  prepare: "true or false",
  schema: "a name of at most 63 bytes that does not begin with pg_",
  notify: "true or false",
  listen: "true, false, or { url }",
  poll: "a duration above 0"
}

/** Options as numbers, with everything that was left out. */
export interface Settings {
  readonly address: Address
  readonly limits: Limits
  readonly schema: string | undefined
  readonly notify: boolean
  /** Where to listen, if anywhere. */
  readonly listen: Address | undefined
  /** In milliseconds. */
  readonly poll: number
}

const formatIssue = SchemaIssue.makeFormatterStandardSchemaV1()

/** Checks options and fills them in. Nothing that was given is shown in an error but the names of options. */
export const settingsOf = (options: Options): Effect.Effect<Settings, StorageUnavailable> =>
  Effect.gen(function* () {
    const checked = Schema.decodeUnknownResult(Options, { onExcessProperty: "error" })(options)
    if (Result.isFailure(checked)) return yield* refuse(checked.failure.issue)
    const address = yield* addressOf(options)
    const { listen = true, notify = true, poll = "5 seconds", schema } = options
    return {
      address,
      limits: {
        max: options.max ?? 10,
        idleTimeout: timer(options.idleTimeout ?? "1 minute"),
        acquireTimeout: timer(options.acquireTimeout ?? "10 seconds"),
        statementTimeout: timer(options.statementTimeout ?? "30 seconds")
      },
      schema,
      notify,
      listen:
        typeof listen === "object"
          ? yield* addressOf({ ...options, url: listen.url, host: undefined, port: undefined })
          : listen
            ? address
            : undefined,
      poll: Duration.toMillis(poll)
    }
  })

const refuse = (issue: SchemaIssue.Issue): Effect.Effect<never, StorageUnavailable> => {
  const path =
    formatIssue(issue).issues[0]?.path?.map((part) => String(typeof part === "object" ? part.key : part)) ?? []
  const [option] = path
  const rule = option === undefined ? undefined : allowed[option]
  if (option === undefined) return Effect.fail(unavailable("its options have to be an object"))
  return Effect.fail(
    unavailable(rule === undefined ? `there is no option ${option}` : `the option ${path.join(".")} has to be ${rule}`)
  )
}

// Timers of Node hold no more; it is some 24 days.
const timer = (input: Duration.Input): number => Math.min(2 ** 31 - 1, Duration.toMillis(input))

const reveal = (text: string | Redacted.Redacted<string>): string =>
  typeof text === "string" ? text : Redacted.value(text)

const addressOf = (options: PoolOptions): Effect.Effect<Address, StorageUnavailable> =>
  Effect.map(options.url === undefined ? Effect.succeed<FromUrl>({}) : fromUrl(reveal(options.url)), (url) => {
    const user = options.user ?? url.user ?? "postgres"
    const password = options.password ?? url.password
    return {
      host: options.host ?? url.host ?? "localhost",
      port: options.port ?? url.port ?? 5432,
      database: options.database ?? url.database ?? user,
      user,
      password: typeof password === "string" ? Redacted.make(password, { label: "password" }) : password,
      tls: options.tls ?? url.tls ?? false,
      applicationName: options.applicationName ?? url.applicationName ?? "dgents",
      prepare: options.prepare ?? false,
      connectTimeout: timer(options.connectTimeout ?? "5 seconds")
    }
  })

interface FromUrl {
  readonly host?: string
  readonly port?: number
  readonly database?: string
  readonly user?: string
  readonly password?: string
  readonly tls?: boolean | Tls
  readonly applicationName?: string
}

const sslModes: ReadonlyMap<string, boolean | Tls> = new Map<string, boolean | Tls>([
  ["disable", false],
  // Stricter than the name says elsewhere: encryption to whoever answers is none.
  ["require", true],
  ["verify-ca", true],
  ["verify-full", true],
  ["no-verify", { rejectUnauthorized: false }]
])

const fromUrl = (text: string): Effect.Effect<FromUrl, StorageUnavailable> => {
  const refuse = (reason: string) => Effect.fail(unavailable(`the option url ${reason}`))
  let parts: { url: URL; user: string; password: string; host: string; database: string }
  try {
    const url = new URL(text)
    const [user, password, host, database] = [url.username, url.password, url.hostname, url.pathname.slice(1)].map(
      decodeURIComponent
    )
    parts = { url, user: user ?? "", password: password ?? "", host: host ?? "", database: database ?? "" }
  } catch {
    return refuse("is no connection string: postgres://user:password@host:port/database, its parts percent-encoded")
  }
  const { database, host, password, url, user } = parts
  if (url.protocol !== "postgres:" && url.protocol !== "postgresql:") return refuse("has to begin with postgres://")
  const given = new Map(url.searchParams)
  const unknown = [...given.keys()].find((name) => !["sslmode", "application_name", "host"].includes(name))
  if (unknown !== undefined) return refuse(`has the parameter ${unknown}, which is not understood; use the options`)
  const mode = given.get("sslmode")
  if (mode !== undefined && !sslModes.has(mode))
    return refuse("has an sslmode that is not understood; use disable, require, verify-full or no-verify")
  const tls = sslModes.get(mode ?? "")
  const [socket, applicationName] = [given.get("host"), given.get("application_name")]
  return Effect.succeed({
    ...(socket !== undefined ? { host: socket } : host === "" ? {} : { host: host.replace(/^\[(.*)\]$/, "$1") }),
    ...(url.port === "" ? {} : { port: Number(url.port) }),
    ...(database === "" ? {} : { database }),
    ...(user === "" ? {} : { user }),
    ...(password === "" ? {} : { password }),
    ...(tls === undefined ? {} : { tls }),
    ...(applicationName === undefined ? {} : { applicationName })
  })
}

/** A server and its database for people. */
export const placeOf = ({ database, host, port }: Address): string => `${host}:${port}/${database}`
