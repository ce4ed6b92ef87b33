/** Which servers a driver is told of, and what they are called in errors. */
import { Effect, Redacted } from "effect"
import type { StorageUnavailable } from "../StateError.ts"
import { unavailable } from "./errors.ts"
import type { Options } from "./options.ts"

/** Where a server listens. */
export interface Address {
  readonly host: string
  readonly port: number
}

/** Which servers. */
export type Topology =
  | { readonly _tag: "Single"; readonly address: Address }
  | {
      readonly _tag: "Sentinels"
      readonly sentinels: ReadonlyArray<Address>
      readonly name: string
      readonly username: string | undefined
      readonly password: Redacted.Redacted<string> | undefined
    }
  | { readonly _tag: "Cluster"; readonly nodes: ReadonlyArray<Address> }

/** Why options cannot be used. */
export const refuse = (reason: string): Effect.Effect<never, StorageUnavailable> => Effect.fail(unavailable(reason))

/** A text that may be a secret, as it is. */
export const reveal = (text: string | Redacted.Redacted<string>): string =>
  typeof text === "string" ? text : Redacted.value(text)

/** A secret that nothing shows. */
export const conceal = (text: string | Redacted.Redacted<string> | undefined): Redacted.Redacted<string> | undefined =>
  typeof text === "string" ? Redacted.make(text, { label: "password" }) : text

/** The one way to servers that was given. */
export const topologyOf = (options: Options, url: FromUrl): Effect.Effect<Topology, StorageUnavailable> => {
  const { cluster, host, name, port, sentinels } = options
  const ways = [options.url ?? host ?? port, sentinels, cluster].filter((given) => given !== undefined)
  if (ways.length > 1) return refuse("only one of url (or host and port), sentinels and cluster can be given")
  if ((sentinels === undefined) !== (name === undefined)) return refuse("the options sentinels and name go together")
  if (sentinels !== undefined && name !== undefined)
    return Effect.succeed({
      _tag: "Sentinels",
      sentinels: sentinels.map(({ host, port = 26_379 }) => ({ host, port })),
      name,
      username: options.sentinelUsername,
      password: conceal(options.sentinelPassword)
    })
  if (cluster !== undefined)
    return Effect.succeed({ _tag: "Cluster", nodes: cluster.map(({ host, port = 6379 }) => ({ host, port })) })
  const address = { host: host ?? url.host ?? "localhost", port: port ?? url.port ?? 6379 }
  return Effect.succeed({ _tag: "Single", address })
}

/** What a connection string says. */
export interface FromUrl {
  readonly host?: string
  readonly port?: number
  readonly username?: string
  readonly password?: string
  readonly db?: number
  readonly tls?: boolean
}

/** Reads a connection string. */
export const fromUrl = (text: string): Effect.Effect<FromUrl, StorageUnavailable> => {
  const refused = (reason: string) => refuse(`the option url ${reason}`)
  let parts: { url: URL; user: string; password: string; host: string }
  try {
    const url = new URL(text)
    const [user = "", password = "", host = ""] = [url.username, url.password, url.hostname].map(decodeURIComponent)
    parts = { url, user, password, host }
  } catch {
    return refused("is no connection string: redis://user:password@host:port/db, its parts percent-encoded")
  }
  const { host, password, url, user } = parts
  if (url.protocol !== "redis:" && url.protocol !== "rediss:") return refused("has to begin with redis:// or rediss://")
  const [unknown] = url.searchParams.keys()
  if (unknown !== undefined) return refused(`has the parameter ${unknown}, which is not understood; use the options`)
  const db = url.pathname.replace(/^\//, "")
  if (!/^\d*$/.test(db)) return refused("has to end with the number of the database, or without one")
  return Effect.succeed({
    ...(host === "" ? {} : { host: host.replace(/^\[(.*)\]$/, "$1") }),
    ...(url.port === "" ? {} : { port: Number(url.port) }),
    ...(user === "" ? {} : { username: user }),
    ...(password === "" ? {} : { password }),
    ...(db === "" ? {} : { db: Number(db) }),
    ...(url.protocol === "rediss:" ? { tls: true } : {})
  })
}

const listOf = (addresses: ReadonlyArray<Address>): string =>
  addresses.map(({ host, port }) => `${host}:${port}`).join(", ")

/** The servers for people. */
export const placeOf = (topology: Topology, db: number): string => {
  switch (topology._tag) {
    case "Single":
      return `${topology.address.host}:${topology.address.port}/${db}`
    case "Sentinels":
      return `${topology.name} of the Sentinels ${listOf(topology.sentinels)}`
    case "Cluster":
      return `the Cluster of ${listOf(topology.nodes)}`
  }
}
