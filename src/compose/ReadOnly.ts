/**
 * An agent that can be read and not written: for a sub-agent that is to look at a state, or a tool that a model calls.
 *
 * - Promises: what the agent below promises to its readers; nothing is written through it.
 * - Costs: nothing.
 * - Fails: reading as the agent below does; `save`, `update`, `modify`, `compareAndSave` and `delete` with
 *   `StorageUnavailable`, which is not retryable, before any function of the caller has run.
 *
 * Law: what is read through it is what is read below; after any use of it, state, revision and history are as before.
 */
import { Effect, Function, Pipeable } from "effect"
import type { Claims } from "../agents/Claims.ts"
import * as DataAgent from "../agents/DataAgent.ts"
import * as Family from "../agents/Family.ts"
import { type Lock, unlocked } from "../agents/internal/keyedLock.ts"
import type { Where } from "../agents/internal/stateRegister.ts"
import { StorageUnavailable } from "../agents/StateError.ts"
import { over } from "./internal/over.ts"

/** The operations that read, for a signature under which a write does not even type-check. */
export interface View<in out S>
  extends Pipeable.Pipeable,
    Pick<DataAgent.DataAgent<S>, "name" | "key" | "claims" | "load" | "current" | "history" | "at" | "changes"> {}

// ---------------------------------------------------------------------------------------------------------------------
// Claims

/** What it promises over an agent: the same, to readers. */
export const claims = (below: Claims): Claims => below

// ---------------------------------------------------------------------------------------------------------------------
// make

/** The agent without its writes. It still goes wherever an agent goes: under combinators, and behind a service tag. */
export const make = <S>(self: DataAgent.DataAgent<S>): DataAgent.DataAgent<S> => {
  const where: Where = { agent: self.name, key: self.key }
  const refuse = refusing(where)
  const refused = DataAgent.fromInternals(where, self.codec, claims(self.claims), {
    ...self.internals,
    register: over(self.internals.register, { write: () => refuse("write"), remove: refuse("delete") }),
    lock: noLock
  })
  // The register refuses as well; said here, it is said before a costly function has run.
  return Object.assign(refused, { update: () => refuse("write"), modify: () => refuse("write") })
}

/** The agent as a value that has no writes at all. */
export const view = <S>(self: DataAgent.DataAgent<S>): View<S> => {
  const { at, changes, claims, current, history, key, load, name } = self
  return Object.assign(Object.create(Pipeable.Prototype) as typeof Pipeable.Prototype, {
    name,
    key,
    claims,
    load,
    current,
    history,
    at,
    changes
  })
}

/** A family without its writes. */
export const family = <S>(self: Family.Family<S>): Family.Family<S> => {
  const { claims: below, codec, has, keys, listing, loadMany, name, query } = self
  const refuse = refusing({ agent: name })
  return Family.fromAgents<S>({
    name,
    codec,
    claims: claims(below),
    at: (key) => make(self.at(key)),
    keys,
    has,
    loadMany,
    query,
    listing,
    saveMany: () => refuse("write"),
    deleteMany: () => refuse("delete")
  })
}

// Who may not write has nothing to wait for.
const noLock: Lock = {
  hold: Function.identity,
  holdNow: unlocked,
  holdForUser: Function.identity
}

const refusing = (where: Where) => (operation: string) =>
  Effect.fail(
    new StorageUnavailable({
      ...where,
      operation,
      reason: "this handle is read only; write through the agent that it was made from",
      retryable: false
    })
  )
