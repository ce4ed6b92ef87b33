import { Effect, Option } from "effect"
import type { Claims } from "../agents/Claims.ts"
import * as DataAgent from "../agents/DataAgent.ts"
import type { Change, HistoryOptions, Revision, Revisioned } from "../agents/Revision.ts"
import { type Awaitable, fromAsync, type Runner, type Signal } from "./Runner.ts"

/** A `DataAgent` in promises. Each is rejected with the errors that the operation of the same name lists there. */
export interface Agent<in out S> {
  readonly name: string
  readonly key: string | undefined
  readonly claims: Claims
  /** The state; the agent's `initial` when none is stored. Rejected with `StateNotFound` when there is neither. */
  readonly load: (options?: Signal) => Promise<S>
  /** The same, with `undefined` where there is none. */
  readonly find: (options?: Signal) => Promise<S | undefined>
  readonly save: (state: S, options?: Signal) => Promise<void>
  /** Replaces the state by a pure function of it, atomically, and answers the new one. */
  readonly update: (f: (state: S) => S, options?: DataAgent.ModifyOptions & Signal) => Promise<S>
  /**
   * Runs a function on the state and stores what it answers, atomically: `[answer, next]`. The signal is aborted when the
   * operation is given up. If the function throws, the state is as before, and the promise is rejected with what it threw.
   */
  readonly modify: <A>(
    f: (state: S, signal: AbortSignal) => Awaitable<readonly [answer: A, next: S]>,
    options?: DataAgent.ModifyOptions & Signal
  ) => Promise<A>
  readonly delete: (options?: Signal) => Promise<void>
  /** The stored state with its revision and time; `undefined` when nothing is stored, whatever `initial` says. */
  readonly current: (options?: Signal) => Promise<Revisioned<S> | undefined>
  /** Saves if the stored revision is the expected one (0 for "nothing is stored"), and answers the next one. */
  readonly compareAndSave: (state: S, expected: Revision, options?: Signal) => Promise<Revision>
  readonly history: (options?: HistoryOptions & Signal) => AsyncIterable<Revisioned<S>>
  readonly at: (when: Revision | Date, options?: Signal) => Promise<Revisioned<S>>
  /** Saves the state of an earlier revision or time again, as a new revision, and answers it. */
  readonly restore: (when: Revision | Date, options?: Signal) => Promise<S>
  /** The current state, then each commit once, in order, deletions included. Ends when the agent is closed. */
  readonly changes: (options?: Signal) => AsyncIterable<Change<S>>
}

/** An agent in promises. */
export const fromAgent = <S>(agent: DataAgent.DataAgent<S>, { iterate, run }: Runner): Agent<S> => ({
  name: agent.name,
  key: agent.key,
  claims: agent.claims,
  load: (options) => run(agent.load, options),
  find: (options) => run(Effect.map(DataAgent.loadOption(agent), Option.getOrUndefined), options),
  save: (state, options) => run(agent.save(state), options),
  update: (f, options) => run(agent.update(f, options), options),
  modify: (f, options) =>
    run(
      agent.modify((state) => fromAsync((signal) => f(state, signal)), options),
      options
    ),
  delete: (options) => run(agent.delete, options),
  current: (options) => run(Effect.map(agent.current, Option.getOrUndefined), options),
  compareAndSave: (state, expected, options) => run(agent.compareAndSave(state, expected), options),
  history: (options) => iterate(agent.history(options), options),
  at: (when, options) => run(agent.at(when), options),
  restore: (when, options) => run(DataAgent.restore(agent, when), options),
  changes: (options) => iterate(agent.changes, options)
})
