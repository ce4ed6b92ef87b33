/** What PostgreSQL and the network below it say, as what an engine says: without states, statements or passwords. */
import type { Failure } from "../Engine.ts"

/** Why nothing was done, or why it cannot be known. */
export type Unavailable = Failure & { readonly _tag: "Unavailable" }

interface FailedOptions {
  readonly isLost?: boolean
  readonly isLate?: boolean
  readonly state?: string | undefined
}

/** A failure on its way through promises. */
export class Failed {
  readonly failure: Failure
  /** Whether the connection broke after something was sent, so that it may have been done all the same. */
  readonly isLost: boolean
  /** Whether it took longer than it may. */
  readonly isLate: boolean
  /** The SQLSTATE, where the server gave one. */
  readonly state: string | undefined

  constructor(failure: Failure, { isLate = false, isLost = false, state }: FailedOptions = {}) {
    this.failure = failure
    this.isLost = isLost
    this.isLate = isLate
    this.state = state
  }
}

/** What a server or a driver said, as far as it can be shown: details and some messages quote states. */
class PostgresError extends Error {
  override readonly name = "PostgresError"
  readonly code: string | undefined

  constructor(message: string, code: string | undefined) {
    super(message)
    this.code = code
    // Of no use: it leads through the driver's reader of the socket.
    this.stack = `${this.name}: ${message}`
  }
}

interface Reason {
  readonly reason: string
  readonly retryable: boolean
}

// By SQLSTATE; see https://www.postgresql.org/docs/current/errcodes-appendix.html.
const reasons: Readonly<Record<string, Reason>> = {
  "28P01": { reason: "it refuses the user or the password; check both", retryable: false },
  "28000": {
    reason: "it refuses this user from this host or without TLS; check pg_hba.conf and the option tls",
    retryable: false
  },
  "3D000": { reason: "the database does not exist; create it, or name another one", retryable: false },
  "3F000": { reason: "the schema does not exist; create it, or name another one", retryable: false },
  "42501": {
    reason: "the user has no right to do this; grant it SELECT, INSERT, UPDATE and DELETE on the tables dgents_*",
    retryable: false
  },
  "42P01": {
    reason: "a table is missing; open the driver again to set it up, or mend the statement",
    retryable: false
  },
  "25006": {
    reason: "the server takes no writes: it is a standby, or read-only by its settings; connect to the primary",
    retryable: false
  },
  "53100": { reason: "its disk is full; free some space", retryable: false },
  "53200": { reason: "its memory ran out", retryable: true },
  "53300": {
    reason: "it has too many connections; lower the option max, or raise its max_connections",
    retryable: true
  },
  "53400": { reason: "a limit of its configuration is reached", retryable: false },
  "55P03": { reason: "a lock could not be had in time", retryable: true },
  "57014": { reason: "the statement was cancelled, or took longer than the server allows", retryable: true },
  "57P01": { reason: "it was shut down by its administrator", retryable: true },
  "57P02": { reason: "it crashed and starts again", retryable: true },
  "57P03": { reason: "it is starting up or shutting down", retryable: true },
  "57P05": { reason: "it ended a session that was idle", retryable: true },
  "40001": { reason: "it could not put the transaction in one order with others", retryable: true },
  "40P01": { reason: "the transaction and another one waited for each other", retryable: true },
  "22012": { reason: "other writers were faster each time it was tried", retryable: true }
}

const ofClass: Readonly<Record<string, Reason>> = {
  "08": { reason: "the connection failed", retryable: true },
  "28": { reason: "it refuses the user; check the user and pg_hba.conf", retryable: false },
  "40": { reason: "it rolled the transaction back", retryable: true },
  "42": { reason: "it does not understand the statement", retryable: false },
  "53": { reason: "it has run out of something", retryable: true },
  "57": { reason: "its administrator intervened", retryable: true },
  "58": { reason: "its disk or file system reported an error", retryable: false }
}

const system: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens there; check that the server runs, its host and its port",
  ENOTFOUND: "the name of its host is not known; check the host",
  EAI_AGAIN: "the name of its host cannot be looked up at the moment",
  ECONNRESET: "the connection was cut",
  EPIPE: "the connection was cut",
  ETIMEDOUT: "the network did not answer",
  EHOSTUNREACH: "its host cannot be reached",
  ENETUNREACH: "its network cannot be reached",
  ENOENT: "its socket does not exist; check that the server runs, and the host"
}

// In these classes messages name tables, users and settings, and never a value of a row.
const quotable: ReadonlySet<string> = new Set(["08", "25", "28", "3D", "3F", "42", "53", "55", "57", "58"])

const codeOf = (error: unknown): string | undefined =>
  typeof error === "object" && error !== null && "code" in error && typeof error.code === "string"
    ? error.code
    : undefined

/** The SQLSTATE of what a server said. */
export const sqlState = (error: unknown): string | undefined => {
  const code = codeOf(error)
  return code !== undefined && /^[0-9A-Z]{5}$/.test(code) && !(code in system) ? code : undefined
}

/** An error that can be shown in place of one that may quote a state, a statement or a password. */
export const scrubbed = (error: unknown): Error => {
  const state = sqlState(error)
  const message = error instanceof Error ? error.message : "no message"
  if (state !== undefined)
    return new PostgresError(quotable.has(state.slice(0, 2)) ? `${message} (${state})` : `SQLSTATE ${state}`, state)
  const code = codeOf(error)
  return new PostgresError(code === undefined ? message : `${message} (${code})`, code)
}

/** What an error of a server or of the way to it comes to. `isSent`: whether a statement may have reached it. */
export const failed = (place: string, error: unknown, isSent: boolean): Failed => {
  if (error instanceof Failed) return error
  const state = sqlState(error)
  const cause = scrubbed(error)
  const known =
    state === undefined ? ofConnection(error, cause) : (reasons[state] ?? ofClass[state.slice(0, 2)] ?? other)
  const shown = state === undefined ? "" : ` (${state})`
  return new Failed(
    { _tag: "Unavailable", reason: `${place}: ${known.reason}${shown}`, retryable: known.retryable, cause },
    { state, isLost: isSent && (state === undefined || state.startsWith("57P") || state.startsWith("08")) }
  )
}

const other: Reason = { reason: "it refused the statement", retryable: false }

const ofConnection = (error: unknown, cause: Error): Reason => {
  const code = codeOf(error)
  const known = code === undefined ? undefined : system[code]
  if (known !== undefined) return { reason: `${known} (${code})`, retryable: true }
  if (/timeout expired/.test(cause.message))
    return { reason: "it did not let us in within connectTimeout; check its host and the network", retryable: true }
  if (/SASL|password/i.test(cause.message))
    return {
      reason: "it asks for a password in a way that cannot be answered; check the option password",
      retryable: false
    }
  if (/does not support SSL/i.test(cause.message))
    return { reason: "it does not speak TLS; set tls: false for a network that is trusted", retryable: false }
  if (/CERT|SELF_SIGNED|certificate|altnames/i.test(`${code} ${cause.message}`))
    return { reason: "its certificate is not trusted; give its authority as tls.ca", retryable: false }
  return { reason: "the connection broke", retryable: true }
}
