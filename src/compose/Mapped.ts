/**
 * An agent seen through an isomorphism: the same state in another shape, say a Map over an array of pairs.
 *
 * - Promises: what the agent below promises. Both handles show every commit, each in its own shape.
 * - Costs: one application of the isomorphism for each state that goes in or comes out, and a check of what goes in.
 * - Fails: as the agent below does, and with `StateInvalid` for a state that does not fit the schema given here, before
 *   anything is written. An isomorphism that throws is a defect.
 *
 * Law: with an isomorphism that keeps its own laws (`get(set(a))` is `a`, `set(get(s))` is `s`) every law of the agent
 * below is kept. With the identity it is the agent below; mapping twice is mapping by the composition.
 */
import { Effect, Function, type Optic, Option, type Schema, Stream } from "effect"
import type { Claims } from "../agents/Claims.ts"
import * as DataAgent from "../agents/DataAgent.ts"
import * as Family from "../agents/Family.ts"
import { Draft, invalid, type StateRegister } from "../agents/internal/stateRegister.ts"
import type { Change, Revisioned } from "../agents/Revision.ts"
import { type Codec, toCodec } from "../schema/Codec.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Options

/** What `make` takes besides the agent. */
export interface Options<S, A> {
  /** From the state below to the one shown, and back. */
  readonly iso: Optic.Iso<S, A>
  /** What the state shown looks like. Nothing is stored in it; a codec is asked for sizes and copies. */
  readonly schema: Schema.Codec<A, unknown> | Codec<A>
}

// ---------------------------------------------------------------------------------------------------------------------
// Claims

/** What it promises over an agent: the same. */
export const claims = (below: Claims): Claims => below

// ---------------------------------------------------------------------------------------------------------------------
// make

/** The agent in another shape. Needs no scope; lock, announcements and `initial` are shared with the agent below. */
export const make: {
  <S, A>(options: Options<S, A>): (self: DataAgent.DataAgent<S>) => DataAgent.DataAgent<A>
  <S, A>(self: DataAgent.DataAgent<S>, options: Options<S, A>): DataAgent.DataAgent<A>
} = Function.dual(2, <S, A>(self: DataAgent.DataAgent<S>, options: Options<S, A>) =>
  over(self, options.iso, toCodec(options.schema))
)

/** A family in another shape. Many states are still loaded and saved in one go where the family below can. */
export const family: {
  <S, A>(options: Options<S, A>): (self: Family.Family<S>) => Family.Family<A>
  <S, A>(self: Family.Family<S>, options: Options<S, A>): Family.Family<A>
} = Function.dual(2, <S, A>(self: Family.Family<S>, { iso, schema }: Options<S, A>): Family.Family<A> => {
  const codec = toCodec(schema)
  return Family.fromAgents<A>({
    name: self.name,
    codec,
    claims: claims(self.claims),
    at: (key) => over(self.at(key), iso, codec),
    keys: self.keys,
    has: self.has,
    deleteMany: self.deleteMany,
    loadMany: (keys) =>
      Effect.map(self.loadMany(keys), (states) => new Map([...states].map(([key, state]) => [key, iso.get(state)]))),
    saveMany: (states) =>
      Effect.flatMap(
        // All are looked at before the first one is written.
        Effect.forEach(new Map(states), ([key, state]) =>
          Effect.mapBoth(codec.validate(state), {
            onSuccess: () => [key, iso.set(state)] as const,
            onFailure: (error) => invalid({ agent: self.name, key }, error)
          })
        ),
        self.saveMany
      )
  })
})

const over = <S, A>(self: DataAgent.DataAgent<S>, iso: Optic.Iso<S, A>, codec: Codec<A>): DataAgent.DataAgent<A> => {
  const { initial, lock, register: below } = self.internals
  const shown = (found: Revisioned<S>): Revisioned<A> => ({ ...found, state: iso.get(found.state) })
  const shownOption = Option.map(shown)
  const register: StateRegister<A> = {
    read: Effect.map(below.read, shownOption),
    write: (draft, expected) =>
      Effect.flatMapEager(
        Effect.mapErrorEager(codec.validate(draft.state), (error) => invalid(draft.where, error)),
        () => below.write(new Draft(draft.where, iso.set(draft.state), draft.savedAt), expected)
      ),
    get remove() {
      return below.remove
    },
    history: (options) => Stream.map(below.history(options), shown),
    at: (revision) => Effect.map(below.at(revision), shownOption),
    asOf: (time) => Effect.map(below.asOf(time), shownOption),
    get changes() {
      return Stream.map(
        below.changes,
        (change): Change<A> => (change._tag === "Deleted" ? change : { ...change, state: iso.get(change.state) })
      )
    },
    listen: (listener) => below.listen?.(listener)
  }
  return DataAgent.fromInternals({ agent: self.name, key: self.key }, codec, claims(self.claims), {
    register,
    lock,
    isPerFiber: self.internals.isPerFiber,
    initial: initial === undefined ? undefined : { get: Effect.map(initial.get, iso.get) }
  })
}
