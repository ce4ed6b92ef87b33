/**
 * An agent whose storage operations are seen: spans, a histogram of durations, and a line in the log for each failure,
 * in Effect's own terms and under the names of OpenTelemetry's semantic conventions for databases.
 *
 * - Promises: what the agent below promises. No state is ever part of a span, a metric or a log line; a key only if asked for.
 * - Costs: nothing with all three turned off: it is the agent below. A span costs some microseconds an operation, also
 *   where nobody collects spans, unless `References.TracerEnabled` is off; the histogram one or two.
 * - Fails: as the agent below does.
 *
 * Law: it is transparent: over any agent it keeps every law that the agent keeps.
 *
 * Operations are those of the storage: `read`, `write`, `remove` and `history` (a `modify` is a read and a write), and of
 * families `list`, `readMany`, `writeMany`, `removeMany` and `query`. Subscriptions to `changes` have no end that could be timed, and are not seen.
 * Names: https://opentelemetry.io/docs/specs/semconv/database/
 */
import { Cause, Effect, Exit, Function, Metric, Stream } from "effect"
import type { Claims } from "../agents/Claims.ts"
import * as DataAgent from "../agents/DataAgent.ts"
import * as Family from "../agents/Family.ts"
import type { StateRegister, Where } from "../agents/internal/stateRegister.ts"
import { isStateError } from "../agents/StateError.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Options

/** What `make` takes. */
export interface Options {
  /** A span of kind `client` for each operation, named `"<operation> <agent>"`. Default: true. */
  readonly spans?: boolean | undefined
  /** `db.client.operation.duration`, a histogram in seconds. Default: true. */
  readonly metrics?: boolean | undefined
  /** A line for each failure: a warning, or for a conflict, which is part of normal work, at level debug. Default: true. */
  readonly logs?: boolean | undefined
  /** `db.system.name`: `"postgresql"`, `"redis"`, `"sqlite"`, ... Default: `"dgents"`. */
  readonly system?: string | undefined
  /** Whether spans and log lines name the key of an agent in a family, which may be about a person. Default: false. */
  readonly keys?: boolean | undefined
}

// ---------------------------------------------------------------------------------------------------------------------
// Claims

/** What it promises over an agent: the same. */
export const claims = (below: Claims): Claims => below

// ---------------------------------------------------------------------------------------------------------------------
// make

/** The agent, seen. Needs no scope; what is done through the agent below is not seen. */
export const make: {
  (options?: Options): <S>(self: DataAgent.DataAgent<S>) => DataAgent.DataAgent<S>
  <S>(self: DataAgent.DataAgent<S>, options?: Options): DataAgent.DataAgent<S>
} = Function.dual(
  (args) => DataAgent.isDataAgent(args[0]),
  <S>(self: DataAgent.DataAgent<S>, options: Options = {}) =>
    isOff(options) ? self : agentSeen(self, new Observer({ agent: self.name }, options))
)

/** A family, seen. A batch is one operation. */
export const family: {
  (options?: Options): <S>(self: Family.Family<S>) => Family.Family<S>
  <S>(self: Family.Family<S>, options?: Options): Family.Family<S>
} = Function.dual(
  (args) => Family.isFamily(args[0]),
  <S>(self: Family.Family<S>, options: Options = {}): Family.Family<S> => {
    if (isOff(options)) return self
    const { claims: below, codec, listing, name, query } = self
    // One for all keys: it knows the metrics.
    const observer = new Observer({ agent: name }, options)
    return Family.fromAgents<S>({
      name,
      codec,
      claims: claims(below),
      at: (key) => agentSeen(self.at(key), observer),
      keys: (options) => observer.seeStream("list", self.keys(options)),
      has: (key) => observer.see("read", self.has(key), key),
      loadMany: (keys) => observer.see("readMany", self.loadMany(keys)),
      saveMany: (states) => observer.see("writeMany", self.saveMany(states)),
      deleteMany: (keys) => observer.see("removeMany", self.deleteMany(keys)),
      query: query === undefined ? undefined : (plan) => observer.see("query", query(plan)),
      listing: listing === undefined ? undefined : (which) => observer.see("list", listing(which))
    })
  }
)

const isOff = ({ logs, metrics, spans }: Options): boolean => spans === false && metrics === false && logs === false

const agentSeen = <S>(self: DataAgent.DataAgent<S>, observer: Observer): DataAgent.DataAgent<S> => {
  const { key } = self
  const seen = (below: StateRegister<S>): StateRegister<S> => ({
    read: observer.see("read", below.read, key),
    write: (draft, expected) => observer.see("write", below.write(draft, expected), key),
    get remove() {
      return observer.see("remove", below.remove, key)
    },
    history: (options) => observer.seeStream("history", below.history(options), key),
    at: (revision) => observer.see("read", below.at(revision), key),
    asOf: (time) => observer.see("read", below.asOf(time), key),
    get changes() {
      return below.changes
    },
    listen: (listener) => below.listen?.(listener),
    get entries() {
      return below.entries
    }
  })
  return DataAgent.wrap(self, seen, claims(self.claims))
}

// ---------------------------------------------------------------------------------------------------------------------
// Seeing

// In seconds, as the conventions advise.
const boundaries = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10]

class Observer {
  readonly #where: Where
  readonly #options: Options
  /** By operation and by what came of it: a series of its own each. */
  readonly #durations = new Map<string, Metric.Histogram<number>>()

  constructor(where: Where, options: Options) {
    this.#where = where
    this.#options = options
  }

  see<A, E, R>(operation: string, effect: Effect.Effect<A, E, R>, key?: string): Effect.Effect<A, E, R> {
    const { logs = true, metrics = true, spans = true } = this.#options
    const logged = logs ? Effect.onError(effect, (cause) => this.#log(operation, key, cause)) : effect
    const timed = metrics ? this.#time(operation, logged) : logged
    return spans ? Effect.withSpan(this.#outcome(timed), ...this.#span(operation, key)) : timed
  }

  /** As `see`, from the first pull to the end. */
  seeStream<A, E, R>(operation: string, stream: Stream.Stream<A, E, R>, key?: string): Stream.Stream<A, E, R> {
    const { logs = true, metrics = true, spans = true } = this.#options
    const logged = logs ? Stream.onError(stream, (cause) => this.#log(operation, key, cause)) : stream
    const timed = metrics
      ? Stream.unwrap(
          Effect.clockWith((clock) => {
            const started = clock.currentTimeNanosUnsafe()
            return Effect.succeed(Stream.onExit(logged, (exit) => this.#record(operation, started, exit)))
          })
        )
      : logged
    return spans ? Stream.withSpan(timed, ...this.#span(operation, key)) : timed
  }

  #attributes(operation: string): Record<string, string> {
    return {
      "db.system.name": this.#options.system ?? "dgents",
      "db.collection.name": this.#where.agent,
      "db.operation.name": operation
    }
  }

  #span(operation: string, key: string | undefined) {
    const named = this.#options.keys === true && key !== undefined ? { "dgents.key": key } : {}
    return [
      `${operation} ${this.#where.agent}`,
      { kind: "client", captureStackTrace: false, attributes: { ...this.#attributes(operation), ...named } }
    ] as const
  }

  #outcome<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.onError(effect, (cause) => Effect.annotateCurrentSpan("error.type", errorType(cause)))
  }

  #time<A, E, R>(operation: string, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.clockWith((clock) => {
      const started = clock.currentTimeNanosUnsafe()
      return Effect.onExit(effect, (exit) => this.#record(operation, started, exit))
    })
  }

  #record(operation: string, started: bigint, exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> {
    const outcome = Exit.isSuccess(exit) ? undefined : errorType(exit.cause)
    return Effect.clockWith((clock) =>
      Metric.update(this.#duration(operation, outcome), Number(clock.currentTimeNanosUnsafe() - started) / 1e9)
    )
  }

  #duration(operation: string, outcome: string | undefined): Metric.Histogram<number> {
    const name = outcome === undefined ? operation : `${operation} ${outcome}`
    const known = this.#durations.get(name)
    if (known !== undefined) return known
    const failed = outcome === undefined ? {} : { "error.type": outcome }
    const duration = Metric.histogram("db.client.operation.duration", {
      description: "Duration of database client operations, in seconds.",
      attributes: { ...this.#attributes(operation), ...failed, unit: "s" },
      boundaries
    })
    this.#durations.set(name, duration)
    return duration
  }

  #log<E>(operation: string, key: string | undefined, cause: Cause.Cause<E>): Effect.Effect<void> {
    // Somebody no longer wanted the answer.
    if (Cause.hasInterruptsOnly(cause)) return Effect.void
    const type = errorType(cause)
    const of = this.#options.keys === true && key !== undefined ? `, key ${JSON.stringify(key)}` : ""
    const line = `${operation} of "${this.#where.agent}"${of} failed: ${type}`
    return type === "RevisionConflict" ? Effect.logDebug(line) : Effect.logWarning(line)
  }
}

/** A name of low cardinality for what went wrong. */
const errorType = (cause: Cause.Cause<unknown>): string => {
  if (Cause.hasInterruptsOnly(cause)) return "interrupted"
  const error = Cause.squash(cause)
  if (isStateError(error)) return error._tag
  return "defect"
}
