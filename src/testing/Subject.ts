import type { Effect, FileSystem, Schema, Scope } from "effect"
import type { Claims } from "../agents/Claims.ts"
import type { DataAgent } from "../agents/DataAgent.ts"
import type { Family } from "../agents/Family.ts"
import type { Codec } from "../schema/Codec.ts"
import type { Injector } from "./internal/faults/injector.ts"
import type { Module } from "./internal/processes/module.ts"
import type { Site } from "./Site.ts"

/** What the laws are run against. */
export interface Subject<in out S> {
  readonly name: string
  /** Samples, equality and hostile values are derived from it. */
  readonly schema: Schema.Codec<S, unknown> | Codec<S>
  /**
   * Opens the agent. Each call on one site is a recovery of what is stored there. An agent that takes Effect's
   * `FileSystem` from its context is given a simulated disk: the laws of crashes, failing disks and damaged files are
   * then run as well.
   */
  readonly open: (site: Site) => Effect.Effect<DataAgent<S>, unknown, Scope.Scope | FileSystem.FileSystem>
  /** What the laws demand. Default: what the agent carries. An agent must carry at least what is given here. */
  readonly claims?: Claims | undefined
  /** A family of the same states; with it the laws of families are run as well. */
  readonly family?: ((site: Site) => Effect.Effect<Family<S>, unknown, Scope.Scope | FileSystem.FileSystem>) | undefined
  /** Access to the stored bytes of a closed agent that is not on the simulated disk; with it damage is tried as well. */
  readonly tamper?: ((site: Site) => Effect.Effect<Tamper, unknown, Scope.Scope>) | undefined
  /** Opens the same storage under another schema; with it the law of schemas that do not fit is run as well. */
  readonly openAs?:
    | (<T>(
        site: Site,
        schema: Schema.Codec<T, unknown>
      ) => Effect.Effect<DataAgent<T>, unknown, Scope.Scope | FileSystem.FileSystem>)
    | undefined
  /**
   * Opens the agent over a backend that fails: wrap what is below it with `Faults.agent(below, faults)`,
   * `Faults.register(register, faults)` or `Faults.operation(...)`. With it the laws of failing backends are run as well.
   */
  readonly faulty?:
    | ((site: Site, faults: Injector) => Effect.Effect<DataAgent<S>, unknown, Scope.Scope | FileSystem.FileSystem>)
    | undefined
  /** Where another process can import this subject from; with it the laws of kills and of several processes are run. */
  readonly module?: Module | undefined
  /** Whether what is stored is a log, whose torn tail is cut off: damage at its end may then leave an earlier state, or none. */
  readonly log?: boolean | undefined
}

/** The stored bytes of one agent. */
export interface Tamper {
  readonly read: Effect.Effect<Uint8Array, unknown>
  readonly write: (bytes: Uint8Array) => Effect.Effect<void, unknown>
}
