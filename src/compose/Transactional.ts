/**
 * Several states that change together or not at all. `make` lets an agent take part, `run` is a transaction; outside of one
 * the agent is the agent below.
 *
 * - Promises: what the agents promise, for all that one transaction writes together: it is acknowledged, durable and seen as a
 *   whole, or nothing of it happened, also after a kill. Transactions that commit are serializable: reads inside are
 *   repeatable and see what the transaction wrote, and it commits only if all that it read is still so. That holds for the
 *   agents of one storage (a `SqlDriver`, the memory of the process); an agent of any other kind may be the one that is
 *   written. `keys`, queries, `history` and `changes` tell of what is committed, and are not checked.
 * - Costs: 0.2 microseconds an operation outside. Inside, a read for each state that is read, nothing for what is
 *   written, and one write to commit; one that only reads commits by a check, or by nothing if it read one state. In Postgres
 *   the commit of several states that were read takes four round trips or more. What is overtaken runs again.
 * - Fails: as the effect does, with nothing written; with `RevisionConflict` when others wrote what it read, as often as it was
 *   tried; and as a write does. A write to a second storage fails with `StorageUnavailable`, and so does whatever a fiber does
 *   that outlives its transaction. A storage that can do no more than compare and set refuses to delete what was read and
 *   other processes may write.
 *
 * Law: outside of a transaction it is the agent below, and keeps every law that the agent keeps. What comes of concurrent
 * transactions is what could come of them one after the other, in an order that agrees with when they ran.
 *
 * The protocol is optimistic concurrency control: H. T. Kung and J. T. Robinson, On Optimistic Methods for Concurrency Control, 1981.
 */
import { Effect } from "effect"
import type { Claims } from "../agents/Claims.ts"
import * as DataAgent from "../agents/DataAgent.ts"
import * as Family from "../agents/Family.ts"
import { Current } from "./transactional/Transaction.ts"
import { TransactionalRegister } from "./transactional/TransactionalRegister.ts"

export { type Options, run } from "./transactional/run.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Claims

/** What it promises over an agent: the same. */
export const claims = (below: Claims): Claims => below

// ---------------------------------------------------------------------------------------------------------------------
// make

/** The agent, taking part in the transaction of the running fiber. Needs no scope; the two handles may be used side by side. */
export const make = <S>(self: DataAgent.DataAgent<S>): DataAgent.DataAgent<S> =>
  taking(self, { place: self.internals.register, key: "" })

const taking = <S>(
  self: DataAgent.DataAgent<S>,
  identity: { readonly place: object; readonly key: string }
): DataAgent.DataAgent<S> => {
  const register = new TransactionalRegister(self, identity)
  return DataAgent.fromInternals({ agent: self.name, key: self.key }, self.codec, claims(self.claims), {
    register,
    lock: register.lock,
    isPerFiber: self.internals.isPerFiber,
    initial: self.internals.initial
  })
}

/** A family of which every agent takes part. Batches are part of the transaction where there is one. */
export const family = <S>(self: Family.Family<S>): Family.Family<S> => {
  const { claims: below, codec, keys, listing, name, query } = self
  const inside = Family.fromAgents<S>({
    name,
    codec,
    claims: claims(below),
    at: (key) => taking(self.at(key), { place: self, key }),
    keys
  })
  const either = <A, E, R>(use: (family: Family.Family<S>) => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.flatMap(Current, (current) => use(current === undefined ? self : inside))
  return Family.fromAgents<S>({
    name,
    codec,
    claims: claims(below),
    at: inside.at,
    keys,
    query,
    listing,
    has: (key) => either((family) => family.has(key)),
    loadMany: (keys) => either((family) => family.loadMany(keys)),
    saveMany: (states) => either((family) => family.saveMany(states)),
    deleteMany: (keys) => either((family) => family.deleteMany(keys))
  })
}
