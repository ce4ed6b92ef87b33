/**
 * An agent whose states may not grow past a budget. The budget shrinks with depth: a fiber at depth d may use 1/(d+1) of
 * `maxBytes`, so that a sub-agent started by an agent (and one started by that one) keeps a smaller state.
 *
 * - Promises: what the agent below promises; besides, no state is acknowledged whose encoding is over the limit.
 * - Costs: nothing over a backend that stores what the codec makes, since that very encoding is measured; one encoding a
 *   save over one that does not (VolatileAgent). With `onLoad: "fail"`, one encoding for each revision that is loaded.
 * - Fails: with `StateTooLarge` and nothing written, in the words of the codec: bytes as stored, limit and budget.
 *
 * Law: with `maxBytes: Infinity` it is the agent below.
 */
import { Context, Effect, Exit, Function, Option } from "effect"
import type { Claims } from "../agents/Claims.ts"
import * as DataAgent from "../agents/DataAgent.ts"
import { invalid, type StateRegister, type Where } from "../agents/internal/stateRegister.ts"
import type { Revision, Revisioned } from "../agents/Revision.ts"
import { type ReadError, StateCorrupt, type StateInvalid, StateTooLarge } from "../agents/StateError.ts"
import { byteLength } from "../schema/Codec.ts"
import { over } from "./internal/over.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Options

/** What `make` takes. */
export interface Options {
  /** The most bytes that a state may have at depth 0, as encoded by the agent's codec. Default: 1 000 000. */
  readonly maxBytes?: number | undefined
  /**
   * What `load`, `current` and `modify` do with a stored state that is over the limit: `"allow"` (the default) hands it
   * out, so that a program can shorten it; `"fail"` refuses it with `StateTooLarge`. History is not measured.
   */
  readonly onLoad?: "allow" | "fail" | undefined
}

/** How much of the budget is used. */
export interface Figures {
  /** Bytes of the stored state as encoded by the agent's codec; 0 when none is stored, whatever `initial` says. */
  readonly size: number
  /** The most bytes that this fiber may save. */
  readonly limit: number
  /** The share of `maxBytes` that this fiber may use: above 0 and at most 1. */
  readonly budget: number
  /** `size / limit`: above 1 when what is stored is too large for this fiber. */
  readonly used: number
}

/** An agent with a budget. */
export interface EntropyConstrained<in out S> extends DataAgent.DataAgent<S> {
  readonly maxBytes: number
  /** How much of the budget is used, at the depth of the fiber that asks. */
  readonly figures: Effect.Effect<Figures, ReadError>
}

// ---------------------------------------------------------------------------------------------------------------------
// Claims

/** What it promises over an agent: the same. */
export const claims = (below: Claims): Claims => below

// ---------------------------------------------------------------------------------------------------------------------
// Depth

/** How deep the running fiber is nested; 0 at the outset. Forked fibers inherit it. */
export const depth = Context.Reference<number>("dgents/compose/EntropyConstrained/depth", { defaultValue: () => 0 })

/** The share of `maxBytes` that the running fiber may use: 1/(depth + 1). */
export const budget: Effect.Effect<number> = Effect.map(depth, (depth) => 1 / (Math.max(0, depth) + 1))

/** Runs an effect one level deeper, with the next smaller budget. May be nested as often as one likes. */
export const child = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.updateService(effect, depth, (depth) => depth + 1)

// ---------------------------------------------------------------------------------------------------------------------
// make

/** The agent with a budget. Needs no scope; the two handles may be used side by side, and only this one measures. */
export const make: {
  (options?: Options): <S>(self: DataAgent.DataAgent<S>) => EntropyConstrained<S>
  <S>(self: DataAgent.DataAgent<S>, options?: Options): EntropyConstrained<S>
} = Function.dual(
  (args) => DataAgent.isDataAgent(args[0]),
  <S>(self: DataAgent.DataAgent<S>, options: Options = {}): EntropyConstrained<S> => {
    const maxBytes = options.maxBytes ?? 1_000_000
    const below = self.internals.register
    const meter = new Meter(self)

    const read: StateRegister<S>["read"] =
      options.onLoad === "fail"
        ? Effect.tap(below.read, (found) =>
            Option.isNone(found)
              ? Effect.void
              : Effect.flatMap(meter.size(found.value), (size) => check(meter.where, size, maxBytes))
          )
        : below.read

    const write: StateRegister<S>["write"] = (draft, expected) =>
      Effect.flatMap(draft.payload(self.codec), (payload) => {
        const size = byteLength(payload)
        return Effect.flatMap(check(draft.where, size, maxBytes), () =>
          Effect.tap(below.write(draft, expected), (revision) => meter.know(revision, size))
        )
      })

    const figures = Effect.gen(function* () {
      const stored = yield* below.read
      const size = Option.isSome(stored) ? yield* meter.size(stored.value) : 0
      const share = yield* budget
      const limit = limitOf(maxBytes, share)
      return { size, limit, budget: share, used: size === 0 ? 0 : size / limit }
    })

    const agent = DataAgent.wrap(self, (register) => over(register, { read, write }), claims(self.claims))
    return Object.assign(agent, { maxBytes, figures })
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
 * The state if it is within the limit of this fiber; otherwise what is left of it after as few applications of `shrink`
 * (drop the oldest messages, cut a text) as it takes. Fails with `StateTooLarge` when it is still too large after that.
 * Costs one encoding for each try.
 */
export const fit: {
  <S>(
    state: S,
    shrink: (state: S) => NoInfer<S>,
    options?: FitOptions
  ): (self: EntropyConstrained<S>) => Effect.Effect<S, StateTooLarge | StateInvalid>
  <S>(
    self: EntropyConstrained<S>,
    state: NoInfer<S>,
    shrink: (state: S) => NoInfer<S>,
    options?: FitOptions
  ): Effect.Effect<S, StateTooLarge | StateInvalid>
} = Function.dual(
  (args) => DataAgent.isDataAgent(args[0]),
  <S>(self: EntropyConstrained<S>, state: S, shrink: (state: S) => S, options: FitOptions = {}) => {
    const where = placeOf(self)
    const attempt = (state: S, left: number): Effect.Effect<S, StateTooLarge | StateInvalid> =>
      self.codec.encode(state).pipe(
        Effect.mapError((error) => invalid(where, error)),
        Effect.flatMap((payload) => check(where, byteLength(payload), self.maxBytes)),
        Effect.as(state),
        Effect.catchTag("StateTooLarge", (error) =>
          left > 0 ? Effect.suspend(() => attempt(shrink(state), left - 1)) : Effect.fail(error)
        )
      )
    return attempt(state, options.times ?? 16)
  }
)

// ---------------------------------------------------------------------------------------------------------------------
// Measuring

const placeOf = <S>(agent: DataAgent.DataAgent<S>): Where => ({ agent: agent.name, key: agent.key })

const limitOf = (maxBytes: number, budget: number): number => Math.floor(maxBytes * budget)

const check = (where: Where, size: number, maxBytes: number): Effect.Effect<void, StateTooLarge> =>
  Effect.flatMap(budget, (budget) => {
    const limit = limitOf(maxBytes, budget)
    // Asked this way round, a limit that is no number refuses every state.
    return size <= limit ? Exit.void : Exit.fail(new StateTooLarge({ ...where, size, limit, budget }))
  })

/** Sizes of stored states. The last one is remembered: what a revision holds never changes. */
class Meter<in out S> {
  readonly where: Where
  readonly #agent: DataAgent.DataAgent<S>
  #last: { readonly revision: Revision; readonly size: number } | undefined

  constructor(agent: DataAgent.DataAgent<S>) {
    this.#agent = agent
    this.where = placeOf(agent)
  }

  know(revision: Revision, size: number): Effect.Effect<void> {
    this.#last = { revision, size }
    return Effect.void
  }

  size({ revision, state }: Revisioned<S>): Effect.Effect<number, StateCorrupt> {
    return Effect.suspend(() => {
      if (this.#last?.revision === revision) return Effect.succeed(this.#last.size)
      return Effect.mapBoth(this.#agent.codec.encode(state), {
        onSuccess: (payload) => {
          const size = byteLength(payload)
          this.#last = { revision, size }
          return size
        },
        onFailure: ({ reason }) =>
          new StateCorrupt({ ...this.where, location: `revision ${revision}`, reason: `cannot be measured: ${reason}` })
      })
    })
  }
}
