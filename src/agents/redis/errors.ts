/** What Redis, ioredis and the network below them say, as what a backend says: without states, commands or passwords. */
import type { Failure } from "../internal/backend.ts"
import { StorageUnavailable } from "../StateError.ts"

/** An error of opening. */
export const unavailable = (reason: string, cause?: unknown): StorageUnavailable =>
  new StorageUnavailable({ agent: "RedisDriver", operation: "open", reason, retryable: false, cause })

/** What a server or a driver said, as far as it can be shown: some messages quote commands, and so states. */
class RedisError extends Error {
  override readonly name = "RedisError"
  readonly code: string | undefined

  constructor(message: string, code: string | undefined) {
    super(message)
    this.code = code
    // Of no use: it leads through the driver's reader of the socket.
    this.stack = `${this.name}: ${message}`
  }
}

/** What an error comes to. */
export interface Verdict {
  readonly reason: string
  readonly retryable: boolean
  /**
   * Whether the command was not executed and may soon be: as it is, or over a connection that is new because a failover has made
   * another server the master.
   */
  readonly again: "later" | "reconnect" | "no"
}

const never = (reason: string): Verdict => ({ reason, retryable: false, again: "no" })
const later = (reason: string): Verdict => ({ reason, retryable: true, again: "later" })
const elsewhere = (reason: string): Verdict => ({ reason, retryable: true, again: "reconnect" })

// By the first word of the reply. In all of these the server looked at the command, or at its first write, and did nothing.
const replies: Readonly<Record<string, Verdict>> = {
  LOADING: later("it is loading its data"),
  BUSY: later("it is busy with a script that takes long; SCRIPT KILL ends one that has written nothing"),
  TRYAGAIN: later("the keys are being moved to another node of the Cluster"),
  CLUSTERDOWN: later("the Cluster has no master for the key; check that all of its masters run"),
  NOREPLICAS: later("it has fewer replicas than its min-replicas-to-write; check that they run"),
  MOVED: later("the key is on another node of the Cluster"),
  ASK: later("the key is on another node of the Cluster"),
  READONLY: elsewhere("it is a replica, which takes no writes; connect to the master, or through Sentinels"),
  MASTERDOWN: elsewhere("it is a replica that has lost its master"),
  OOM: never("its memory is full; raise its maxmemory, or delete states"),
  MISCONF: never("it cannot write to its disk and so takes no writes; see its log, and free some space"),
  NOAUTH: never("it asks for a password; give the option password"),
  WRONGPASS: never("it refuses the user or the password; check both"),
  NOPERM: never("the user has no right to do this; grant it the commands and the keys by ACL SETUSER"),
  DENIED: never("it runs in protected mode, which lets nobody in from elsewhere; set a password there"),
  CROSSSLOT: never("the keys of one command are in several slots of the Cluster"),
  WRONGTYPE: never("a key holds something that is not of dgents; give dgents a prefix of its own"),
  NOSCRIPT: never("it does not know the script"),
  NOPROTO: never("it does not speak a version of the protocol that is understood")
}

// Those that begin with ERR differ by what they say.
const generic: ReadonlyArray<readonly [said: RegExp, verdict: Verdict]> = [
  [/max number of clients/, later("it has too many connections; raise its maxclients")],
  [/invalid password|without any password/, never("it refuses the user or the password; check both")],
  [/DB index|SELECT is not allowed/, never("it has no database of that number; check the option db")],
  [/cluster support disabled/, never("it is no node of a Cluster; give it as the option url")],
  [
    /unknown command/,
    never("it does not know a command that is needed; Redis 6.2 or later is, with no command renamed")
  ]
]

/** What a server says when a script fails in its midst, among other things. */
export const unknown: Verdict = never("it refused the command")

const system: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens there; check that the server runs, its host and its port",
  ENOTFOUND: "the name of its host is not known; check the host",
  EAI_AGAIN: "the name of its host cannot be looked up at the moment",
  ECONNRESET: "the connection was cut",
  EPIPE: "the connection was cut",
  ETIMEDOUT: "it did not let us in within connectTimeout; check its host, its port and the option tls",
  EHOSTUNREACH: "its host cannot be reached",
  ENETUNREACH: "its network cannot be reached",
  EPROTO: "it does not speak TLS; set tls: false for a network that is trusted"
}

const codeOf = (error: unknown): string | undefined =>
  typeof error === "object" && error !== null && "code" in error && typeof error.code === "string"
    ? error.code
    : undefined

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : "no message")

/** Whether a server said it, and not the way to it. */
export const isReply = (error: unknown): boolean => error instanceof Error && error.name === "ReplyError"

/** The first word of an error that a server sent. */
export const replyCode = (error: unknown): string => /^-?([A-Z]+)(?= |$)/.exec(messageOf(error))?.[1] ?? "ERR"

/** What an error comes to. */
export const verdictOf = (error: unknown): Verdict => {
  if (!isReply(error)) return ofConnection(error)
  const code = replyCode(error)
  const said = messageOf(error)
  // A script says where its command failed; what the command said comes first.
  return replies[code] ?? generic.find(([pattern]) => pattern.test(said))?.[1] ?? unknown
}

/** An error that can be shown in place of one that may quote a command. */
export const scrubbed = (error: unknown): Error => {
  if (isReply(error)) {
    const code = replyCode(error)
    return new RedisError(code in replies ? messageOf(error) : code, code)
  }
  const code = codeOf(error)
  return new RedisError(code === undefined ? messageOf(error) : `${messageOf(error)} (${code})`, code)
}

/** A failure of which nothing was done. */
export const refused = (place: string, error: unknown, verdict = verdictOf(error)): Failure => {
  const code = isReply(error) ? replyCode(error) : codeOf(error)
  const shown = code === undefined ? "" : ` (${code})`
  return {
    _tag: "Unavailable",
    reason: `${place}: ${verdict.reason}${shown}`,
    retryable: verdict.retryable,
    cause: scrubbed(error)
  }
}

/** What is known when nothing else is. */
export const broken: Verdict = later("the connection broke")

const lostSentinels = later("no Sentinel can be reached; check that they run, their hosts and their ports")

const ofConnection = (error: unknown): Verdict => {
  const code = codeOf(error)
  const said = `${code} ${messageOf(error)}`
  if (/CERT|SELF_SIGNED|certificate|altnames/i.test(said))
    return never("its certificate is not trusted; give its authority as tls.ca")
  if (/wrong version number|EPROTO/.test(said)) return never(system["EPROTO"] ?? "")
  if (/PEM|ERR_OSSL|ERR_TLS/.test(said)) return never("the option tls is not understood; its parts have to be PEM")
  if (/Unknown RESP type/.test(said)) return never("what answers is no Redis; check its host and its port")
  if (/sentinel.*(invalid reply|No such master)/.test(said))
    return later("its Sentinels know no master of that name; check the option name")
  if (/sentinel.*(NOAUTH|WRONGPASS)/.test(said))
    return never("its Sentinels refuse the user or the password; check sentinelUsername and sentinelPassword")
  const known = code === undefined ? undefined : system[code]
  if (known !== undefined) return later(known)
  // What ioredis says about Sentinels ends with what the last one said.
  const inner = Object.keys(system).find((each) => said.includes(each))
  if (inner !== undefined) return later(system[inner] ?? "")
  return /sentinel/.test(said) ? lostSentinels : broken
}
