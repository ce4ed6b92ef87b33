import type { Effect, Schema, Scope } from "effect"
import type { Claims } from "../agents/Claims.ts"
import type { DataAgent } from "../agents/DataAgent.ts"
import type { Family } from "../agents/Family.ts"
import type { Codec } from "../schema/Codec.ts"
import type { Site } from "./Site.ts"

/** What the laws are run against. */
export interface Subject<in out S> {
  readonly name: string
  /** Samples, equality and hostile values are derived from it. */
  readonly schema: Schema.Codec<S, unknown> | Codec<S>
  /** Opens the agent. Each call on one site is a recovery of what is stored there. */
  readonly open: (site: Site) => Effect.Effect<DataAgent<S>, unknown, Scope.Scope>
  /** What the laws demand. Default: what the agent carries. An agent must carry at least what is given here. */
  readonly claims?: Claims | undefined
  /** A family of the same states; with it the laws of families are run as well. */
  readonly family?: ((site: Site) => Effect.Effect<Family<S>, unknown, Scope.Scope>) | undefined
  /** Access to the stored bytes of a closed agent; with it the corruption law is run as well. */
  readonly tamper?: ((site: Site) => Effect.Effect<Tamper, unknown, Scope.Scope>) | undefined
}

/** The stored bytes of one agent. */
export interface Tamper {
  readonly read: Effect.Effect<Uint8Array, unknown>
  readonly write: (bytes: Uint8Array) => Effect.Effect<void, unknown>
  /** Whether the bytes are a log, whose torn tail is cut off: a truncation may then leave an earlier state, or none. */
  readonly log?: boolean | undefined
}
