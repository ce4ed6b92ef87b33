/**
 * Work on all states of a family: store them as they are stored now, find those that cannot be read, put those right.
 *
 * - Promises: `migrateAll` changes how states are stored and never what they are; a state that somebody writes meanwhile is theirs.
 *   A run that was killed is taken up by another one: what is done is known by a look at it. `validate` writes nothing. `repair`
 *   keeps each original before it is replaced, and replaces it if nobody else did. All of them may run while programs use the family.
 * - Costs: each state read once, one after the other as keys are listed, `concurrency` at a time; one save, and so a revision, for
 *   each that is rewritten. Histories are left as they are: they are taken up as they are read.
 * - Fails: with what reads and writes fail with where going on makes no sense (the storage does not answer); what is wrong with one
 *   state is a `Problem` of the report, and the others go on.
 *
 * Give them the family of a primitive: a combinator's does not show what is stored.
 */
import { Effect, Exit, Function, Option, Schema, Stream } from "effect"
import { isCurrent, type Payload } from "../schema/Codec.ts"
import type { DataAgent } from "./DataAgent.ts"
import * as Family from "./Family.ts"
import { backoff } from "./internal/backoff.ts"
import { decodeEntry, type Entries, invalid, onlyCurrent, type Where } from "./internal/stateRegister.ts"
import type { Entry } from "./Register.ts"
import type { Revision } from "./Revision.ts"
import {
  type CompareError,
  type ReadError,
  type RevisionConflict,
  type StateCorrupt,
  type StateInvalid,
  type StateTooLarge,
  StorageUnavailable
} from "./StateError.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Options and reports

/** Which states, and how. */
export interface Options<R = never> {
  /** Only keys that begin with exactly these characters. */
  readonly prefix?: string | undefined
  /** How many states are worked on at a time. Default: 8. */
  readonly concurrency?: number | undefined
  /** Is run every 100 states, and at the end. */
  readonly onProgress?: ((progress: Progress) => Effect.Effect<void, never, R>) | undefined
}

/** How far a run is: states by what became of them. */
export interface Progress {
  /** All that were looked at; the sum of the others. */
  readonly looked: number
  /** There was nothing to do. */
  readonly current: number
  /** Were stored anew; in a dry run: would be. */
  readonly rewritten: number
  /** Were left as they are, each for a `Problem`. */
  readonly failed: number
}

/** What is wrong with one state. */
export interface Problem {
  readonly key: string
  /** Which revision, where that is known. */
  readonly revision: Revision | undefined
  readonly error: StateProblem
}

/** An error that is about one state, and says nothing about the others. */
export type StateProblem = StateCorrupt | StateInvalid | StateTooLarge | RevisionConflict

/** What a run came to. */
export interface Report extends Progress {
  readonly problems: ReadonlyArray<Problem>
}

// ---------------------------------------------------------------------------------------------------------------------
// migrateAll

/** What `migrateAll` takes besides. */
export interface MigrateOptions<R = never> extends Options<R> {
  /** Writes nothing, and tries everything else: reading, taking up, encoding. Default: false. */
  readonly dryRun?: boolean | undefined
}

/**
 * Stores every state that is stored in an older way (an older version, another key or compression, plain text where it is to be
 * encrypted) as its codec stores it now.
 */
export const migrateAll: {
  <R = never>(options?: MigrateOptions<R>): <S>(self: Family.Family<S>) => Effect.Effect<Report, CompareError, R>
  <S, R = never>(self: Family.Family<S>, options?: MigrateOptions<R>): Effect.Effect<Report, CompareError, R>
} = Function.dual(
  (args) => Family.isFamily(args[0]),
  <S, R>(self: Family.Family<S>, options: MigrateOptions<R> = {}): Effect.Effect<Report, CompareError, R> =>
    runAll(self, options, (agent, entry) =>
      Effect.gen(function* () {
        // What cannot even be looked at is decoded for its error.
        if (yield* Effect.orElseSucceed(isCurrent(agent.codec, entry.state), () => false)) return "current"
        const where = whereOf(agent)
        const { state } = yield* decodeEntry(agent.codec, where, entry)
        if (options.dryRun === true) yield* Effect.mapError(agent.codec.encode(state), (error) => invalid(where, error))
        else yield* agent.compareAndSave(state, entry.revision)
        return "rewritten"
      })
    )
)

// ---------------------------------------------------------------------------------------------------------------------
// validate

/** What `validate` takes besides. */
export interface ValidateOptions {
  /** Only keys that begin with exactly these characters. */
  readonly prefix?: string | undefined
  /** Default: `"current"`. `"history"`: every revision that is kept, the current one included. */
  readonly over?: "current" | "history" | undefined
}

/** Every state that cannot be read, and why. */
export const validate: {
  (options?: ValidateOptions): <S>(self: Family.Family<S>) => Stream.Stream<Problem, ReadError>
  <S>(self: Family.Family<S>, options?: ValidateOptions): Stream.Stream<Problem, ReadError>
} = Function.dual(
  (args) => Family.isFamily(args[0]),
  <S>(self: Family.Family<S>, { over = "current", prefix }: ValidateOptions = {}): Stream.Stream<Problem, ReadError> =>
    Stream.flatMap(self.keys({ prefix }), (key) => {
      const agent = self.at(key)
      const looked = Stream.flatMap(
        Stream.fromEffect(entriesOf(agent)),
        (entries): Stream.Stream<Entry, ReadError> =>
          entries === "states"
            ? Stream.drain(Stream.fromEffect(agent.current))
            : over === "history"
              ? entries.history({})
              : onlyCurrent(entries.read, {})
      )
      const decoded = Stream.mapEffect(looked, (entry) =>
        Effect.match(decodeEntry(agent.codec, whereOf(agent), entry), {
          onSuccess: (): ReadonlyArray<Problem> => [],
          onFailure: (error) => [{ key, revision: entry.revision, error }]
        })
      )
      // What the storage itself finds damaged has no payload to decode, and no revision.
      return Stream.catch(Stream.flattenIterable(decoded), (error) =>
        isProblem(error) ? Stream.succeed<Problem>({ key, revision: undefined, error }) : Stream.fail(error)
      )
    })
)

// ---------------------------------------------------------------------------------------------------------------------
// repair

/** A stored state that does not decode. */
export interface Broken {
  readonly key: string
  readonly revision: Revision
  /** Milliseconds since the epoch. */
  readonly savedAt: number
  /** As it is stored. */
  readonly payload: Payload
  readonly error: StateCorrupt
}

/** What `repair` keeps of a state before it replaces it. */
export const Original = Schema.Struct({
  key: Schema.String,
  revision: Schema.Number,
  savedAt: Schema.Number,
  payload: Schema.Union([Schema.Struct({ text: Schema.String }), Schema.Struct({ bytes: Schema.Uint8Array })]),
  reason: Schema.String
})

/** What `repair` keeps of a state before it replaces it. */
export type Original = typeof Original.Type

/** What `repair` takes besides. */
export interface RepairOptions<S, E = never, R = never> extends Options<R> {
  /** The state to store in place of one that does not decode; none to leave that one as it is. */
  readonly repair: (broken: Broken) => Effect.Effect<Option.Option<S>, E, R>
  /** Where the originals are kept, under their revision and key: `"7:ada"`. A family as durable as they are worth. */
  readonly originals: Family.Family<Original>
}

/** Replaces states that do not decode by what a function makes of them, and keeps the originals. */
export const repair: {
  <S, E = never, R = never>(
    options: RepairOptions<S, E, R>
  ): (self: Family.Family<S>) => Effect.Effect<Report, E | CompareError, R>
  <S, E = never, R = never>(
    self: Family.Family<S>,
    options: RepairOptions<S, E, R>
  ): Effect.Effect<Report, E | CompareError, R>
} = Function.dual(
  2,
  <S, E, R>(self: Family.Family<S>, options: RepairOptions<S, E, R>): Effect.Effect<Report, E | CompareError, R> =>
    runAll(self, options, (agent, entry, key) =>
      Effect.gen(function* () {
        const decoded = yield* Effect.result(decodeEntry(agent.codec, whereOf(agent), entry))
        if (decoded._tag === "Success") return "current"
        const { revision, savedAt, state: payload } = entry
        const error = decoded.failure
        const repaired = yield* options.repair({ key, revision, savedAt, payload, error })
        if (Option.isNone(repaired)) return yield* error
        yield* options.originals.at(`${revision}:${key}`).save({
          key,
          revision,
          savedAt,
          payload: typeof payload === "string" ? { text: payload } : { bytes: payload },
          reason: error.reason
        })
        yield* agent.compareAndSave(repaired.value, revision)
        return "rewritten"
      })
    )
)

// ---------------------------------------------------------------------------------------------------------------------
// One state after the other

const whereOf = <S>({ key, name }: DataAgent<S>): Where => ({ agent: name, key })

/** What is stored of an agent. */
const entriesOf = <S>({ internals, key, name }: DataAgent<S>): Effect.Effect<Entries | "states", StorageUnavailable> =>
  internals.register.entries === undefined
    ? Exit.fail(
        new StorageUnavailable({
          agent: name,
          key,
          operation: "show what is stored",
          reason: "it is wrapped by a combinator; use the family that the combinator wraps",
          retryable: false
        })
      )
    : Exit.succeed(internals.register.entries)

const isProblem = (error: unknown): error is StateProblem =>
  typeof error === "object" && error !== null && "_tag" in error && problems.has(error._tag)

const problems: ReadonlySet<unknown> = new Set<StateProblem["_tag"]>([
  "StateCorrupt",
  "StateInvalid",
  "StateTooLarge",
  "RevisionConflict"
])

type Outcome = "current" | "rewritten"

// Others write the very state: what they wrote is looked at again.
const tries = 16

const progressEvery = 100

const runAll = <S, E, R>(
  family: Family.Family<S>,
  { concurrency = 8, onProgress, prefix }: Options<R>,
  work: (agent: DataAgent<S>, entry: Entry, key: string) => Effect.Effect<Outcome, E | CompareError, R>
): Effect.Effect<Report, E | CompareError, R> =>
  Effect.suspend(() => {
    const counts = { current: 0, rewritten: 0, failed: 0 }
    const found: Array<Problem> = []
    const progress = (): Progress => ({ looked: counts.current + counts.rewritten + counts.failed, ...counts })
    const tell = () => onProgress?.(progress()) ?? Effect.void
    const count = (what: keyof typeof counts) => {
      counts[what]++
      return progress().looked % progressEvery === 0 ? tell() : Effect.void
    }

    const one = (
      key: string,
      read: (revision: Revision) => void
    ): Effect.Effect<Outcome | undefined, E | CompareError, R> => {
      const agent = family.at(key)
      const attempt = Effect.gen(function* () {
        const entries = yield* entriesOf(agent)
        if (entries === "states") return Option.isSome(yield* agent.current) ? ("current" as const) : undefined
        const entry = yield* entries.read
        if (Option.isNone(entry)) return undefined
        read(entry.value.revision)
        return yield* work(agent, entry.value, key)
      })
      const isConflict = (error: E | CompareError) => isProblem(error) && error._tag === "RevisionConflict"
      return Effect.retry(attempt, { while: isConflict, schedule: backoff, times: tries })
    }

    const counted = (key: string): Effect.Effect<void, E | CompareError, R> => {
      let revision: Revision | undefined
      const done = one(key, (read) => {
        revision = read
      })
      return Effect.matchEffect(done, {
        onFailure: (error) => {
          if (!isProblem(error)) return Effect.fail(error)
          found.push({ key, revision, error })
          return count("failed")
        },
        // Without an outcome, it was deleted since its key was listed.
        onSuccess: (outcome) => (outcome === undefined ? Effect.void : count(outcome))
      })
    }

    return Stream.runDrain(Stream.mapEffect(family.keys({ prefix }), counted, { concurrency })).pipe(
      Effect.flatMap(tell),
      Effect.map((): Report => ({ ...progress(), problems: found }))
    )
  })
