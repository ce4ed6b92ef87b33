/**
 * A part of a state as an agent of its own: the settings of a user, the plan of a thread. Where the part is, Effect's
 * `Optic` says.
 *
 * - Promises: what the agent below promises, except that of an exact history it promises `some`: the writes of all parts
 *   share it. Parts that do not overlap are written side by side, and none loses what another one wrote. `changes` tells
 *   of the commits that changed the part, and of all that were made through this handle; one of another handle or process
 *   that leaves the part as it was is taken for one beside it. Revisions are those of the whole.
 * - Costs: a `save` reads the whole and writes it, as `update` does; the whole that was read last is kept until it is
 *   written. Writers of all parts wait for one lock; a write to another part by another process is a conflict, after
 *   which a `modify` runs again. A subscription encodes the part once a commit.
 * - Fails: as the agent below does; a lens that throws is a defect. With `StateInvalid`, and nothing written: for a part
 *   that does not fit its schema; for a save where no whole is stored and the agent has no `initial`; for the deletion of
 *   a part that is always there.
 *
 * Law: with a lens that keeps its own laws, saving what was loaded changes nothing, what was saved is loaded, and the
 * second of two saves wins, in the part and in the whole. What is beside the part stays as it is.
 */
import { Effect, Exit, Function, type Optic, Option, type Schema, Stream } from "effect"
import type { Claims } from "../agents/Claims.ts"
import * as DataAgent from "../agents/DataAgent.ts"
import * as Family from "../agents/Family.ts"
import { type Codec, toCodec } from "../schema/Codec.ts"
import { FocusedRegister, type Part } from "./focused/FocusedRegister.ts"
import { OwnCommits } from "./focused/OwnCommits.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Options

/** What `make` takes besides the agent. */
export interface Options<S, A> {
  /** Where the part is: `Optic.id<User>().key("settings")`. */
  readonly lens: Optic.Lens<S, A>
  /** What the part looks like. Nothing is stored in it; a codec is asked for sizes and copies. */
  readonly schema: Schema.Codec<A, unknown> | Codec<A>
}

/** What `makeOptional` takes besides the agent. */
export interface OptionalOptions<S, A> {
  /** Where the part is, `undefined` where there is none: `Optic.id<User>().optionalKey("draft")`. */
  readonly lens: Optic.Lens<S, A | undefined>
  /** What the part looks like when it is there. */
  readonly schema: Schema.Codec<A, unknown> | Codec<A>
}

// ---------------------------------------------------------------------------------------------------------------------
// Claims

/** What it promises over an agent: the same, but of an exact history as much as the other parts leave. */
export const claims = (below: Claims): Claims => ({
  ...below,
  history: typeof below.history === "object" ? "some" : below.history
})

// ---------------------------------------------------------------------------------------------------------------------
// make

/** A part that is always there. Needs no scope; lock and announcements are shared with the agent below. */
export const make: {
  <S, A>(options: Options<S, A>): (self: DataAgent.DataAgent<S>) => DataAgent.DataAgent<A>
  <S, A>(self: DataAgent.DataAgent<S>, options: Options<S, A>): DataAgent.DataAgent<A>
} = Function.dual(2, <S, A>(self: DataAgent.DataAgent<S>, options: Options<S, A>) =>
  focused(self, alwaysThere(options))
)

/**
 * A part that may be missing: then it is as a state that is not stored. Deleting the part takes it out of the whole;
 * its history reaches back to where it was last missing, and finding an old revision reads all that are newer.
 */
export const makeOptional: {
  <S, A>(options: OptionalOptions<S, A>): (self: DataAgent.DataAgent<S>) => DataAgent.DataAgent<A>
  <S, A>(self: DataAgent.DataAgent<S>, options: OptionalOptions<S, A>): DataAgent.DataAgent<A>
} = Function.dual(2, <S, A>(self: DataAgent.DataAgent<S>, options: OptionalOptions<S, A>) =>
  focused(self, perhapsMissing(options))
)

/** The same part of each state of a family. Parts are loaded together; they are saved one after the other. */
export const family: {
  <S, A>(options: Options<S, A>): (self: Family.Family<S>) => Family.Family<A>
  <S, A>(self: Family.Family<S>, options: Options<S, A>): Family.Family<A>
} = Function.dual(2, <S, A>(self: Family.Family<S>, options: Options<S, A>) =>
  focusedFamily(self, alwaysThere(options))
)

/** As `family`, of a part that may be missing. Its `keys` reads every state, to leave out those without the part. */
export const familyOptional: {
  <S, A>(options: OptionalOptions<S, A>): (self: Family.Family<S>) => Family.Family<A>
  <S, A>(self: Family.Family<S>, options: OptionalOptions<S, A>): Family.Family<A>
} = Function.dual(2, <S, A>(self: Family.Family<S>, options: OptionalOptions<S, A>) =>
  focusedFamily(self, perhapsMissing(options))
)

// ---------------------------------------------------------------------------------------------------------------------
// Parts

const alwaysThere = <S, A>({ lens, schema }: Options<S, A>): Part<S, A> => ({
  codec: toCodec(schema),
  find: (whole) => Option.some(lens.get(whole)),
  put: lens.replace,
  takeOut: undefined
})

const perhapsMissing = <S, A>({ lens, schema }: OptionalOptions<S, A>): Part<S, A> => ({
  codec: toCodec(schema),
  find: (whole) => Option.fromUndefinedOr(lens.get(whole)),
  put: lens.replace,
  takeOut: (whole) => lens.replace(undefined, whole)
})

const focused = <S, A>(
  self: DataAgent.DataAgent<S>,
  part: Part<S, A>,
  own: OwnCommits = new OwnCommits()
): DataAgent.DataAgent<A> => {
  const where = { agent: self.name, key: self.key }
  const { initial, lock } = self.internals
  return DataAgent.fromInternals(where, part.codec, claims(self.claims), {
    register: new FocusedRegister(where, self.internals, part, own),
    lock,
    isPerFiber: self.internals.isPerFiber,
    initial: initial === undefined || !mayHold(initial.get, part) ? undefined : { get: found(initial.get, part) }
  })
}

/** Whether an `initial` holds the part. Where a codec takes its time to answer, a part that is missing is a defect later. */
const mayHold = <S, A, E>(initial: Effect.Effect<S, E>, part: Part<S, A>): boolean => {
  if (part.takeOut === undefined) return true
  const exit = Effect.runSyncExit(initial)
  return Exit.isFailure(exit) || Option.isSome(part.find(exit.value))
}

const found = <S, A, E>(whole: Effect.Effect<S, E>, part: Part<S, A>): Effect.Effect<A, E> =>
  Effect.map(whole, (whole) => Option.getOrThrow(part.find(whole)))

const focusedFamily = <S, A>(self: Family.Family<S>, part: Part<S, A>): Family.Family<A> => {
  const own = new OwnCommits()
  const at = (key: string) => focused(self.at(key), part, own)
  return Family.fromAgents<A>({
    name: self.name,
    codec: part.codec,
    claims: claims(self.claims),
    at,
    keys: (options) =>
      part.takeOut === undefined
        ? self.keys(options)
        : Stream.filterEffect(self.keys(options), (key) => DataAgent.exists(at(key))),
    loadMany: (keys) =>
      Effect.map(self.loadMany(keys), (wholes) => {
        const parts = new Map<string, A>()
        for (const [key, whole] of wholes) {
          const state = part.find(whole)
          if (Option.isSome(state)) parts.set(key, state.value)
        }
        return parts
      })
  })
}
