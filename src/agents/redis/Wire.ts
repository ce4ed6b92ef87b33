import type { Redis } from "ioredis"
import type { Request } from "./call.ts"
import type { Verdict } from "./errors.ts"

/** What a wire tells who sends through it. */
export interface WireEvents {
  /** It can take commands. */
  readonly ready: () => void
  /** Why it could not connect, or lost its connection. Nothing is sent until it is ready, and it tries again by itself. */
  readonly failed: (error: unknown, verdict: Verdict) => void
}

/** ioredis, as far as it is needed: one connection that comes back by itself, or one for each node of a Cluster. */
export interface Wire {
  readonly isReady: boolean
  /** How often a connection that had worked was made again. */
  readonly reconnects: number
  /** Hands commands over, which are written together. What becomes of each is told by its listener. */
  readonly send: (requests: ReadonlyArray<Request>) => void
  /** The masters of a Cluster; none elsewhere. */
  readonly masters: () => ReadonlyArray<string>
  /** The client that a connection belongs to, unless it is lost. */
  readonly ownerOf: (socket: object) => Redis | undefined
  /** Looks for a server that takes writes, once nothing is under way any more. */
  readonly reconnect: () => void
  readonly close: () => void
}
