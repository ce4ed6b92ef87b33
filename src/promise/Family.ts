import type { Claims } from "../agents/Claims.ts"
import type * as Families from "../agents/Family.ts"
import { type Agent, fromAgent } from "./Agent.ts"
import type { Runner, Signal } from "./Runner.ts"

/** A `Family` in promises. */
export interface Family<in out S> {
  readonly name: string
  readonly claims: Claims
  /** The agent of one key. Cheap: nothing is opened or read, and nothing has to be closed. */
  readonly at: (key: string) => Agent<S>
  /** The keys that have a stored state, each once, in no particular order. */
  readonly keys: (options?: Families.KeysOptions & Signal) => AsyncIterable<string>
  /** What `load` would answer for each key; keys that miss are left out. */
  readonly loadMany: (keys: Iterable<string>, options?: Signal) => Promise<ReadonlyMap<string, S>>
  /** All or none where the backend has transactions. */
  readonly saveMany: (states: Iterable<readonly [key: string, state: S]>, options?: Signal) => Promise<void>
  readonly deleteMany: (keys: Iterable<string>, options?: Signal) => Promise<void>
  readonly has: (key: string, options?: Signal) => Promise<boolean>
}

/** A family in promises. */
export const fromFamily = <S>(family: Families.Family<S>, runner: Runner): Family<S> => {
  const { iterate, run } = runner
  return {
    name: family.name,
    claims: family.claims,
    at: (key) => fromAgent(family.at(key), runner),
    keys: (options) => iterate(family.keys(options), options),
    loadMany: (keys, options) => run(family.loadMany(keys), options),
    saveMany: (states, options) => run(family.saveMany(states), options),
    deleteMany: (keys, options) => run(family.deleteMany(keys), options),
    has: (key, options) => run(family.has(key), options)
  }
}
