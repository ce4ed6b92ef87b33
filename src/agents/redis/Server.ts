/**
 * What the Redis primitives ask of a connection, whatever is at its other end: one server, the master that Sentinels
 * name, or a Cluster. Sending, waiting, reconnecting and telling failures apart is done once, below it.
 */
import type { Effect, Exit, Scope } from "effect"
import type { Claims } from "../Claims.ts"
import type { Failure } from "../internal/backend.ts"

/** What goes to the server: strings as UTF-8, numbers as decimal text. */
export type Argument = string | number | Uint8Array

/**
 * What comes back: bulk strings as `Buffer`s, integers as numbers, nil as `null`, arrays of those. A `Buffer` is a part of the bytes that
 * were read from the network at once: whoever keeps it for long copies it, or keeps all of them.
 */
export type Reply = Buffer | string | number | null | ReadonlyArray<Reply>

/** A Lua script and the name of what it does, for messages. Sent in full only to a server that does not know it. */
export interface Script {
  readonly name: string
  readonly lua: string
}

/**
 * Whether a command writes. A reader whose answer is lost fails with `Unavailable`; a writer that may have reached the server
 * fails with `Indeterminate`, and is never sent again.
 */
export type Kind = "read" | "write"

/** Where a scan goes on. Opaque: the place in the first node, and the nodes of a Cluster that are left. */
export interface Cursor {
  readonly from: string
  readonly nodes: ReadonlyArray<string | undefined>
}

/** Servers that are connected. Every operation fails with `Closed` after the scope. */
export interface Server {
  /** What holds for every state on these servers; the history is up to each agent. */
  readonly claims: Omit<Claims, "history">
  /** The version of the server, `[7, 0, 15]`; of a Cluster the lowest of its masters. */
  readonly version: ReadonlyArray<number>
  /** Whether keys are spread over several servers, so that one command or script can have those of one slot only. */
  readonly isSpread: boolean
  /** One command. Those of one turn of the event loop go together. The first argument that is a key decides the node. */
  readonly command: (kind: Kind, name: string, args: ReadonlyArray<Argument>) => Effect.Effect<Reply, Failure>
  /**
   * The same for who calls rather than waits: `answer` is called once, later. What comes back forgets about the answer; a command that
   * was not sent by then is not.
   */
  readonly begin: (
    kind: Kind,
    name: string,
    args: ReadonlyArray<Argument>,
    answer: (reply: Exit.Exit<Reply, Failure>) => void
  ) => () => void
  /** Sends what was asked for now, rather than when the turn of the event loop is over: for who goes on to ask for more. */
  readonly flush: () => void
  /** The value of a key, as `begin` of `get` answers; those of one turn go several in a command unless keys are spread. */
  readonly get: (key: string, answer: (reply: Exit.Exit<Reply, Failure>) => void) => () => void
  /** Runs a script on keys that share a slot. One that writes and then fails is `Indeterminate`: what it had written stays. */
  readonly script: (
    kind: Kind,
    script: Script,
    keys: ReadonlyArray<string>,
    args: ReadonlyArray<Argument>
  ) => Effect.Effect<Reply, Failure>
  /** The same for who calls. Nothing interrupts it. */
  readonly beginScript: (
    kind: Kind,
    script: Script,
    keys: ReadonlyArray<string>,
    args: ReadonlyArray<Argument>,
    answer: (reply: Effect.Effect<Reply, Failure>) => void
  ) => void
  /** A page of the keys that match a glob, in no order, some perhaps twice; `next` is `undefined` after the last one. */
  readonly scan: (
    pattern: string,
    cursor: Cursor | undefined
  ) => Effect.Effect<{ readonly keys: ReadonlyArray<string>; readonly next: Cursor | undefined }, Failure>
  /**
   * Until the scope closes, tells of the messages of a channel; with `undefined` when some may have been missed, which is after
   * every reconnect. Listens when it succeeds. Any number of listeners share one subscription.
   */
  readonly subscribe: (
    channel: string,
    notice: (message: string | undefined) => void
  ) => Effect.Effect<void, Failure, Scope.Scope>
  /** A round trip that changes nothing. */
  readonly ping: Effect.Effect<void, Failure>
}
