/**
 * An agent that tries again when its storage fails for a while, as far as that is safe.
 *
 * - Promises: what the agent below promises: no write happens twice, and none is acknowledged that may not have happened.
 * - Costs: nothing when nothing fails. A write keeps its lock while it waits for its next try, so that others wait too.
 * - Fails: as the agent below does, with the last failure once the schedule has ended. What is tried again is
 *   `StorageUnavailable` that is `retryable`, since the operation did not happen; and after `WriteIndeterminate` a write
 *   that expected a revision, since it can succeed once only. If such a write does not succeed in the end, its failure is
 *   the `WriteIndeterminate`. `save`, `delete` and the creation of a state are not tried again after `WriteIndeterminate`:
 *   somebody else may have written or deleted in between. Nor are batches of writes, of which a part may have happened.
 *
 * Law: over storage that does not fail it is the agent below; over storage that does, it is as honest as that.
 */
import { Effect, Function, Schedule, Stream } from "effect"
import type { Claims } from "../agents/Claims.ts"
import * as DataAgent from "../agents/DataAgent.ts"
import * as Family from "../agents/Family.ts"
import type { StateRegister } from "../agents/internal/stateRegister.ts"
import { absent, type HistoryOptions } from "../agents/Revision.ts"
import type { CompareError, ReadError, StateError, WriteIndeterminate } from "../agents/StateError.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Options

/** What `make` takes. */
export interface Options {
  /** When to try again, and how often. Default: after 50 ms, then twice as long each time, jittered; five times at most. */
  readonly schedule?: Schedule.Schedule<unknown, StateError> | undefined
}

const patient: Schedule.Schedule<unknown, StateError> = Schedule.max([
  Schedule.jittered(Schedule.exponential("50 millis")),
  Schedule.recurs(5)
])

// ---------------------------------------------------------------------------------------------------------------------
// Claims

/** What it promises over an agent: the same. */
export const claims = (below: Claims): Claims => below

// ---------------------------------------------------------------------------------------------------------------------
// make

/** The agent, trying again. Needs no scope; the two handles may be used side by side. */
export const make: {
  (options?: Options): <S>(self: DataAgent.DataAgent<S>) => DataAgent.DataAgent<S>
  <S>(self: DataAgent.DataAgent<S>, options?: Options): DataAgent.DataAgent<S>
} = Function.dual(
  (args) => DataAgent.isDataAgent(args[0]),
  <S>(self: DataAgent.DataAgent<S>, options: Options = {}) =>
    DataAgent.wrap(self, (register) => retrying(register, options.schedule ?? patient), claims(self.claims))
)

/** A family, trying again. */
export const family: {
  (options?: Options): <S>(self: Family.Family<S>) => Family.Family<S>
  <S>(self: Family.Family<S>, options?: Options): Family.Family<S>
} = Function.dual(
  (args) => Family.isFamily(args[0]),
  <S>(self: Family.Family<S>, options: Options = {}): Family.Family<S> => {
    const { claims: below, codec, deleteMany, has, listing, loadMany, name, query, saveMany } = self
    const schedule = options.schedule ?? patient
    return Family.fromAgents<S>({
      name,
      codec,
      claims: claims(below),
      at: (key) => make(self.at(key), options),
      keys: (options) => untilBegun(() => self.keys(options), schedule),
      has: (key) => again(has(key), schedule),
      loadMany: (keys) => again(loadMany(keys), schedule),
      saveMany,
      deleteMany,
      query: query === undefined ? undefined : (plan) => again(query(plan), schedule),
      listing: listing === undefined ? undefined : (which) => again(listing(which), schedule)
    })
  }
)

// ---------------------------------------------------------------------------------------------------------------------
// What is tried again

const didNotHappen = (error: StateError): boolean => error._tag === "StorageUnavailable" && error.retryable

type Again = Schedule.Schedule<unknown, StateError>

const again = <A, E extends StateError, R>(
  effect: Effect.Effect<A, E, R>,
  schedule: Again,
  isSafe: (error: StateError) => boolean = didNotHappen
): Effect.Effect<A, E, R> =>
  Effect.catchIf(effect, isSafe, (first) => {
    // The schedule is set up for the first failure and not before, and has to hear of that one too.
    let failed: E | undefined = first
    const next = Effect.suspend(() => {
      if (failed === undefined) return effect
      const error = failed
      failed = undefined
      return Effect.fail(error)
    })
    return Effect.retry(next, { while: isSafe, schedule })
  })

/** What has begun cannot be told to begin again: the listener would hear some of it twice, or miss some. */
const untilBegun = <A>(stream: () => Stream.Stream<A, ReadError>, schedule: Again): Stream.Stream<A, ReadError> =>
  Stream.suspend(() => {
    let begun = false
    const begin = Stream.map(stream(), (a) => {
      begun = true
      return a
    })
    return Stream.retry(
      begin,
      Schedule.while(schedule, ({ input }) => !begun && didNotHappen(input))
    )
  })

const retrying = <S>(below: StateRegister<S>, schedule: Again): StateRegister<S> => ({
  read: again(below.read, schedule),
  write: (draft, expected) =>
    expected === "any" || expected === absent
      ? again(below.write(draft, expected), schedule)
      : atMostOnce(below.write(draft, expected), schedule),
  get remove() {
    return again(below.remove, schedule)
  },
  history: (options) => resumed(below, options, schedule),
  at: (revision) => again(below.at(revision), schedule),
  asOf: (time) => again(below.asOf(time), schedule),
  get changes() {
    return untilBegun(() => below.changes, schedule)
  },
  listen: (listener) => below.listen?.(listener),
  get entries() {
    return below.entries
  }
})

/** A write that can succeed once only, since no revision comes back. */
const atMostOnce = <A>(write: Effect.Effect<A, CompareError>, schedule: Again): Effect.Effect<A, CompareError> => {
  const mayHaveHappened = (error: StateError): error is WriteIndeterminate => error._tag === "WriteIndeterminate"
  return Effect.suspend(() => {
    let first: WriteIndeterminate | undefined
    const noted = Effect.tapError(write, (error) =>
      Effect.sync(() => {
        if (mayHaveHappened(error)) first ??= error
      })
    )
    const tried = again(noted, schedule, (error) => didNotHappen(error) || mayHaveHappened(error))
    // A conflict may be with the very write whose reply was lost.
    return Effect.mapError(tried, (error) => first ?? error)
  })
}

/** A history goes on where it broke off: its revisions say where that is. */
const resumed = <S>(below: StateRegister<S>, { before, limit }: HistoryOptions, schedule: Again) =>
  Stream.suspend(() => {
    let [from, left] = [before, limit]
    const rest = Stream.suspend(() =>
      Stream.map(below.history({ before: from, limit: left }), (entry) => {
        from = entry.revision
        if (left !== undefined) left--
        return entry
      })
    )
    return Stream.retry(
      rest,
      Schedule.while(schedule, ({ input }) => didNotHappen(input))
    )
  })
