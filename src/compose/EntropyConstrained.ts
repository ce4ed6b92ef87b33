/**
 * An agent whose states may not grow past a budget: of bytes, of entries in a collection, of nested levels. The budget of
 * bytes and entries shrinks with depth: a fiber at depth d may use 1/(d+1) of it, so that a sub-agent started by an agent
 * (and one started by that one) keeps a smaller state.
 *
 * - Promises: what the agent below promises; besides, no state is acknowledged whose encoding is over a limit.
 * - Costs: nothing over a backend that stores what the codec makes, since that very encoding is measured; one encoding a
 *   save over one that does not (VolatileAgent). With `maxEntries` or `maxLevels` one walk over the JSON of each save, which
 *   is made for it where the codec stores something else. With `onLoad: "fail"`, one encoding for each revision that is
 *   loaded. With `shrink`, one more encoding a `modify`.
 * - Fails: with `StateTooLarge` and nothing written: what was measured, size, limit and budget. With `shrink`, when what
 *   that leaves is still too large.
 *
 * Law: with `maxBytes: Infinity` it is the agent below; with `shrink` it is so for states within the limits.
 */
import { Effect, Function, Option } from "effect"
import type { Claims } from "../agents/Claims.ts"
import * as DataAgent from "../agents/DataAgent.ts"
import * as Family from "../agents/Family.ts"
import type { Member } from "../agents/internal/member.ts"
import type { StateRegister } from "../agents/internal/stateRegister.ts"
import type { Revision } from "../agents/Revision.ts"
import type { ReadError, StateInvalid, StateTooLarge } from "../agents/StateError.ts"
import { budget, child, depth } from "./entropy/budget.ts"
import { limitOf, Meter, type Limits as Most, type Size } from "./entropy/Meter.ts"
import { Refusals, shrinking } from "./entropy/shrinking.ts"
import { over } from "./internal/over.ts"

export { budget, child, depth }

// ---------------------------------------------------------------------------------------------------------------------
// Options

/** How large a state may be at depth 0. */
export interface Limits {
  /** The most bytes that a state may have, as encoded by the agent's codec. Default: 1 000 000. */
  readonly maxBytes?: number | undefined
  /**
   * The most entries that any one collection in a state may have: elements of an array or a set, entries of a map, keys of
   * a record, also fields of a struct. Default: no limit.
   */
  readonly maxEntries?: number | undefined
  /**
   * The most levels of collections inside each other, as JSON, in which a map is two of them. The same at every depth.
   * Default: no limit.
   */
  readonly maxLevels?: number | undefined
  /**
   * What `load`, `current` and `modify` do with a stored state that is over a limit: `"allow"` (the default) hands it
   * out, so that a program can shorten it; `"fail"` refuses it with `StateTooLarge`. History is not measured.
   */
  readonly onLoad?: "allow" | "fail" | undefined
}

/** What `make` takes. */
export interface Options<in out S> extends Limits {
  /**
   * Makes a state that is over a limit smaller: drops the oldest messages, cuts a text. What it answers is stored in place
   * of the state, and is what `update` answers; if that is too large as well, the write fails. It is applied by the
   * writes of this very handle: a combinator on top of it, which may keep what it wrote, gets the failure instead. So put
   * this one outermost. Default: the write fails.
   */
  readonly shrink?: ((state: S, excess: StateTooLarge) => S) | undefined
}

/** How much of one limit is used. */
export interface Used {
  readonly size: number
  readonly limit: number
  /** `size / limit`. */
  readonly used: number
}

/** How much of the budget is used. */
export interface Figures extends Used {
  /** Bytes of the stored state as encoded by the agent's codec; 0 when none is stored, whatever `initial` says. */
  readonly size: number
  /** The most bytes that this fiber may save. */
  readonly limit: number
  /** The share of the limits that this fiber may use: above 0 and at most 1. */
  readonly budget: number
  /** `size / limit`: above 1 when what is stored is too large for this fiber. */
  readonly used: number
  /** The longest collection of the stored state; where `maxEntries` is set. */
  readonly entries: Used | undefined
  /** How deep the stored state is nested; where `maxLevels` is set. */
  readonly levels: Used | undefined
  /** How many writes through this handle have failed for a limit. */
  readonly refused: number
  /** How often `shrink` was applied through this handle. */
  readonly shrunk: number
}

/** An agent with a budget. */
export interface EntropyConstrained<in out S> extends DataAgent.DataAgent<S> {
  readonly maxBytes: number
  /** How much of the budget is used, at the depth of the fiber that asks. */
  readonly figures: Effect.Effect<Figures, ReadError>
  /** @internal */
  readonly meter: Meter<S>
}

// ---------------------------------------------------------------------------------------------------------------------
// Claims

/** What it promises over an agent: the same. */
export const claims = (below: Claims): Claims => below

// ---------------------------------------------------------------------------------------------------------------------
// make

/** The agent with a budget. Needs no scope; the two handles may be used side by side, and only this one measures. */
export const make: {
  (limits?: Limits): <S>(self: DataAgent.DataAgent<S>) => EntropyConstrained<S>
  <S>(options: Options<S>): (self: DataAgent.DataAgent<S>) => EntropyConstrained<S>
  <S>(self: DataAgent.DataAgent<S>, options?: Options<NoInfer<S>>): EntropyConstrained<S>
} = Function.dual(
  (args) => DataAgent.isDataAgent(args[0]),
  <S>(self: DataAgent.DataAgent<S>, options: Options<S> = {}): EntropyConstrained<S> => {
    const most = mostOf(options)
    const below = self.internals.register
    const meter = new Meter({ agent: self.name, key: self.key }, self.codec, most)
    const refusals = new Refusals()

    const read: StateRegister<S>["read"] =
      options.onLoad === "fail"
        ? Effect.tap(below.read, (found) =>
            Option.isNone(found) ? Effect.void : Effect.flatMap(meter.stored(found.value), (size) => meter.check(size))
          )
        : below.read

    const measured = (size: Effect.Effect<Size, StateInvalid>) =>
      Effect.tap(size, (size) => Effect.tapError(meter.check(size), refusals.add))

    const write: StateRegister<S>["write"] = (draft, expected) =>
      Effect.flatMap(measured(meter.draft(draft)), (size) =>
        Effect.tap(below.write(draft, expected), (revision) => Effect.sync(() => meter.know(revision, size)))
      )

    const begin: StateRegister<S>["begin"] = (draft, expected, answer) => {
      const size = below.begin === undefined ? undefined : meter.draftNow(draft)
      if (size === undefined) return false
      const known = Effect.mapEager((revision: Revision) => {
        meter.know(revision, size)
        return revision
      })
      return below.begin?.(draft, expected, (saving) => answer(known(saving))) === true
    }

    // A write together with others is measured as any other.
    const member = (below: Member): Member => ({
      ...below,
      part: (step, where) =>
        Effect.andThen(
          step._tag === "Put" ? measured(meter.payload(step.next.state)) : Effect.void,
          below.part(step, where)
        )
    })

    const figures = Effect.gen(function* () {
      const stored = yield* below.read
      const size = Option.isSome(stored) ? yield* meter.stored(stored.value) : { bytes: 0, entries: 0, levels: 0 }
      const share = yield* budget
      const used = (measure: keyof Most): Used => {
        const limit = limitOf(most, measure, share)
        return { size: size[measure], limit, used: size[measure] === 0 ? 0 : size[measure] / limit }
      }
      return {
        ...used("bytes"),
        budget: share,
        entries: options.maxEntries === undefined ? undefined : used("entries"),
        levels: options.maxLevels === undefined ? undefined : used("levels"),
        refused: refusals.refused,
        shrunk: refusals.shrunk
      }
    })

    const wrapped = DataAgent.wrap(
      self,
      // What a transaction reads would go past `read`.
      (register) => over(register, { read, write, begin }, options.onLoad === "fail" ? undefined : member),
      claims(self.claims)
    )
    const agent = Object.assign(wrapped, { maxBytes: most.bytes, figures, meter })
    return options.shrink === undefined
      ? agent
      : Object.assign(agent, shrinking(agent, meter, options.shrink, refusals))
  }
)

const mostOf = ({ maxBytes = 1_000_000, maxEntries, maxLevels }: Limits): Most => ({
  bytes: maxBytes,
  entries: maxEntries ?? Number.POSITIVE_INFINITY,
  levels: maxLevels ?? Number.POSITIVE_INFINITY
})

/**
 * A family whose agents have a budget each. Many states are still loaded in one go, and saved in one go: all are measured
 * before the first one is written, at the cost of one more encoding of each.
 */
export const family: {
  (limits?: Limits): <S>(self: Family.Family<S>) => Family.Family<S>
  <S>(options: Options<S>): (self: Family.Family<S>) => Family.Family<S>
  <S>(self: Family.Family<S>, options?: Options<NoInfer<S>>): Family.Family<S>
} = Function.dual(
  (args) => Family.isFamily(args[0]),
  <S>(self: Family.Family<S>, options: Options<S> = {}): Family.Family<S> => {
    const at = (key: string) => make(self.at(key), options)
    const { shrink } = options
    const fitting = ([key, state]: readonly [string, S]) =>
      Effect.map(
        atMost(at(key).meter, state, shrink ?? Function.identity, shrink === undefined ? 0 : 1),
        (state) => [key, state] as const
      )
    return Family.fromAgents<S>({
      name: self.name,
      codec: self.codec,
      claims: claims(self.claims),
      at,
      keys: self.keys,
      deleteMany: self.deleteMany,
      saveMany: (states) => Effect.flatMap(Effect.forEach(new Map(states), fitting), self.saveMany),
      // Who refuses what is stored looks at each state.
      ...(options.onLoad === "fail"
        ? {}
        : { has: self.has, loadMany: self.loadMany, query: self.query, listing: self.listing })
    })
  }
)

/** How much of an agent's budget is used, at the depth of the fiber that asks. */
export const figures = <S>(self: EntropyConstrained<S>): EntropyConstrained<S>["figures"] => self.figures

/** What `fit` takes besides. */
export interface FitOptions {
  /** How often `shrink` may be applied. Default: 16. */
  readonly times?: number | undefined
}

/**
 * The state if it is within the limits of this fiber; otherwise what is left of it after as few applications of `shrink`
 * (drop the oldest messages, cut a text) as it takes. Fails with `StateTooLarge` when it is still too large after that.
 * Costs one encoding for each try.
 */
export const fit: {
  <S>(
    state: S,
    shrink: (state: S, excess: StateTooLarge) => NoInfer<S>,
    options?: FitOptions
  ): (self: EntropyConstrained<S>) => Effect.Effect<S, StateTooLarge | StateInvalid>
  <S>(
    self: EntropyConstrained<S>,
    state: NoInfer<S>,
    shrink: (state: S, excess: StateTooLarge) => NoInfer<S>,
    options?: FitOptions
  ): Effect.Effect<S, StateTooLarge | StateInvalid>
} = Function.dual(
  (args) => DataAgent.isDataAgent(args[0]),
  <S>(self: EntropyConstrained<S>, state: S, shrink: Shrink<S>, options: FitOptions = {}) =>
    atMost(self.meter, state, shrink, options.times ?? 16)
)

type Shrink<S> = (state: S, excess: StateTooLarge) => S

const atMost = <S>(
  meter: Meter<S>,
  state: S,
  shrink: Shrink<S>,
  times: number
): Effect.Effect<S, StateTooLarge | StateInvalid> =>
  Effect.flatMap(meter.measure(state), (size) => Effect.as(meter.check(size), state)).pipe(
    Effect.catchTag("StateTooLarge", (excess) =>
      times > 0 ? Effect.suspend(() => atMost(meter, shrink(state, excess), shrink, times - 1)) : Effect.fail(excess)
    )
  )
