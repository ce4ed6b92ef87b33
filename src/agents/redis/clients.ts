/** Clients of ioredis, told never to send anything twice and to leave waiting to us. */
import type { ConnectionOptions } from "node:tls"
import { Redacted } from "effect"
import type { ClusterOptions, Redis, RedisOptions } from "ioredis"
import type { Address } from "./address.ts"
import type { Settings } from "./options.ts"

type Options = Omit<RedisOptions, "replyMapping">

/** ioredis, once it is loaded. */
export type Driver = Pick<typeof import("ioredis"), "Cluster" | "Command" | "Redis">

const firstPause = 50
const longestPause = 1_000

/** How long to wait before the next attempt to connect, in milliseconds. Not all at once, where many lost the same server. */
export const pauseAfter = (attempts: number): number =>
  Math.min(longestPause, firstPause * 2 ** (attempts - 1)) * (0.5 + Math.random() / 2)

const toTls = ({ tls }: Settings): ConnectionOptions | undefined => {
  if (typeof tls === "boolean") return tls ? {} : undefined
  const { ca, cert, key, rejectUnauthorized = true, servername } = tls
  return {
    rejectUnauthorized,
    ...(servername === undefined ? {} : { servername }),
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key: Redacted.value(key) })
  }
}

/** Of one server and of a node of a Cluster alike. */
type SharedOptions = Omit<NonNullable<ClusterOptions["redisOptions"]>, "replyMapping">

/** What clients of all servers have in common. */
export const clientOptions = (settings: Settings): SharedOptions => {
  const tls = toTls(settings)
  const { clientName, connectTimeout, password, username } = settings
  return {
    lazyConnect: true,
    connectionName: clientName,
    connectTimeout,
    disconnectTimeout: 100,
    keepAlive: 5_000,
    // What was sent when a connection broke may have been done.
    autoResendUnfulfilledCommands: false,
    // And is answered at once.
    maxRetriesPerRequest: 0,
    enableReadyCheck: false,
    autoResubscribe: false,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password: Redacted.value(password) }),
    ...(tls === undefined ? {} : { tls })
  }
}

const toSentinels = (settings: Settings): Options => {
  const { connectTimeout, tls, topology } = settings
  if (topology._tag !== "Sentinels") return {}
  const { name, password, sentinels, username } = topology
  const sentinelTls = toTls(settings)
  return {
    sentinels: sentinels.map(({ host, port }) => ({ host, port })),
    name,
    // A master of before that answers as a replica now is asked for once more.
    enableReadyCheck: true,
    maxLoadingRetryTime: 100,
    sentinelCommandTimeout: connectTimeout,
    sentinelRetryStrategy: pauseAfter,
    enableTLSForSentinelMode: tls !== false,
    ...(sentinelTls === undefined ? {} : { sentinelTLS: sentinelTls }),
    ...(username === undefined ? {} : { sentinelUsername: username }),
    ...(password === undefined ? {} : { sentinelPassword: Redacted.value(password) })
  }
}

/** A client of one server, or of the one that Sentinels name, that has not connected yet. */
export const clientOf = ({ Redis }: Driver, settings: Settings, address?: Address, options?: Options): Redis => {
  const { db, topology } = settings
  const at = address ?? (topology._tag === "Single" ? topology.address : undefined)
  return new Redis({
    ...clientOptions(settings),
    ...(at === undefined ? toSentinels(settings) : { host: at.host, port: at.port }),
    db,
    enableOfflineQueue: false,
    retryStrategy: pauseAfter,
    ...options
  })
}

/**
 * Gives up a connection on which the server does not say hello in time, for which ioredis would wait for ever, and one whose
 * database could not be chosen, which ioredis would use with another one.
 */
export const guard = (client: Redis, connectTimeout: number): void => {
  let timer: NodeJS.Timeout | undefined
  const stop = () => clearTimeout(timer)
  client.on("connect", () => {
    stop()
    const { stream } = client
    timer = setTimeout(() => {
      if (stream !== client.stream || client.status !== "connect") return
      const late = Object.assign(new Error("the server said nothing after it was connected to"), { code: "ETIMEDOUT" })
      client.emit("error", late)
      stream.destroy()
    }, connectTimeout)
  })
  client.on("error", (error: unknown) => {
    if (client.status === "connect" && error instanceof Error && error.name === "ReplyError") client.stream.destroy()
  })
  for (const event of ["ready", "close", "end"]) client.on(event, stop)
}
