import { Effect, Layer, type Scope } from "effect"
import type { Claims } from "../Claims.ts"
import type { Figures } from "./connection.ts"
import { type OpenError, open } from "./open.ts"
import type { Options } from "./options.ts"
import { fromServer, RedisDriver, type RedisDriverService } from "./RedisDriver.ts"

export type { Figures } from "./connection.ts"
export type { OpenError } from "./open.ts"
export type { Options, Tls } from "./options.ts"

/** A driver through `ioredis`, with what goes on in it. */
export interface IoredisDriverService extends RedisDriverService {
  readonly figures: Effect.Effect<Figures>
  /** What the operator of the servers should know: also logged when they are opened. */
  readonly warnings: ReadonlyArray<string>
}

/**
 * What holds for every state of a single server that syncs its append-only file before each answer, the history apart. What another
 * one promises is asked of it when it is opened.
 */
export const claims: Omit<Claims, "history"> = {
  durability: "power",
  consistency: "linearizable",
  sharing: "network"
}

/**
 * Connects through `ioredis`, which is loaded here and nowhere else, and asks the servers what they keep. Ends with the scope, which
 * waits for the answers to what was sent.
 */
export const make = (options: Options): Effect.Effect<IoredisDriverService, OpenError, Scope.Scope> =>
  Effect.map(open(options), ({ claimed, connection }) => ({
    ...fromServer(connection.server(claimed), options.prefix),
    figures: Effect.sync(() => connection.figures),
    warnings: claimed.warnings
  }))

/** The same as a layer for `RedisAgent`. */
export const layer = (options: Options): Layer.Layer<RedisDriver, OpenError> => Layer.effect(RedisDriver, make(options))
