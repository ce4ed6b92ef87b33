import { Effect, Exit } from "effect"
import { type Draft, invalid, type Where } from "../../agents/internal/stateRegister.ts"
import type { Revision, Revisioned } from "../../agents/Revision.ts"
import { type Measure, StateCorrupt, type StateInvalid, StateTooLarge } from "../../agents/StateError.ts"
import { byteLength, type Codec, type CodecError, json, type Payload } from "../../schema/Codec.ts"
import { budget, budgetNow } from "./budget.ts"
import { type Shape, shapeOf } from "./shape.ts"

/** What a state measures: by its encoding, and by the shape that it has as JSON. */
export type Size = Readonly<Record<Measure, number>>

/** The most that a state may measure, `Infinity` where there is no limit. */
export type Limits = Size

const measures: ReadonlyArray<Measure> = ["bytes", "entries", "levels"]

const unknown: Shape = { entries: 0, levels: 0 }

/** The limit of a fiber: how much there is is shared, how deep it is nested is not. */
export const limitOf = (limits: Limits, measure: Measure, budget: number): number =>
  measure === "levels" ? limits.levels : Math.floor(limits[measure] * budget)

/** Measures states, and says which are too large. What the last stored one measured is remembered. */
export class Meter<in out S> {
  readonly limits: Limits
  readonly #where: Where
  readonly #codec: Codec<S>
  /** Whether the shape of a state is of no interest, which saves the walk. */
  readonly #isOnlyWeighed: boolean
  #last: { readonly revision: Revision; readonly size: Size } | undefined

  constructor(where: Where, codec: Codec<S>, limits: Limits) {
    this.#where = where
    this.#codec = codec
    this.limits = limits
    this.#isOnlyWeighed = limits.entries === Number.POSITIVE_INFINITY && limits.levels === Number.POSITIVE_INFINITY
  }

  /** Remembers what a revision measures, which never changes. */
  know(revision: Revision, size: Size): void {
    this.#last = { revision, size }
  }

  /** What a state that is about to be stored measures. */
  draft(draft: Draft<S>): Effect.Effect<Size, StateInvalid> {
    return Effect.flatMap(draft.payload(this.#codec), (payload) =>
      Effect.mapErrorEager(
        this.#of(payload, () => Exit.succeed(draft.state)),
        (error) => invalid(draft.where, error)
      )
    )
  }

  /** The same for one that is encoded already. */
  payload(payload: Payload): Effect.Effect<Size, StateInvalid> {
    return Effect.mapError(
      this.#of(payload, () => this.#codec.decode(payload)),
      (error) => invalid(this.#where, error)
    )
  }

  #of(payload: Payload, state: () => Effect.Effect<S, CodecError>): Effect.Effect<Size, CodecError> {
    const bytes = byteLength(payload)
    if (this.#isOnlyWeighed) return Exit.succeed({ bytes, ...unknown })
    if (this.#isText(payload)) return Exit.succeed({ bytes, ...shapeOf(payload) })
    // The shape is that of the state as JSON, however it is stored. That codec makes text, always.
    return Effect.map(Effect.flatMap(state(), json(this.#codec.schema).encode), (text) => ({
      bytes,
      ...shapeOf(String(text))
    }))
  }

  /** What a state on its way in measures. */
  measure(state: S): Effect.Effect<Size, StateInvalid> {
    return Effect.mapError(this.#encoded(state), (error) => invalid(this.#where, error))
  }

  /** What a stored state measures. */
  stored({ revision, state }: Revisioned<S>): Effect.Effect<Size, StateCorrupt> {
    return Effect.suspend(() => {
      if (this.#last?.revision === revision) return Effect.succeed(this.#last.size)
      return Effect.mapBoth(this.#encoded(state), {
        onSuccess: (size) => {
          this.know(revision, size)
          return size
        },
        onFailure: ({ reason }) =>
          new StateCorrupt({
            ...this.#where,
            location: `revision ${revision}`,
            reason: `cannot be measured: ${reason}`
          })
      })
    })
  }

  /** Fails when a size is over a limit of the running fiber. */
  check(size: Size): Effect.Effect<void, StateTooLarge> {
    return Effect.flatMap(budget, (share) => {
      const excess = this.#excess(size, share)
      return excess === undefined ? Exit.void : Exit.fail(excess)
    })
  }

  /** What a state measures that is about to be stored and is within the limits, where both can be told at once. */
  draftNow(draft: Draft<S>): Size | undefined {
    const payload = draft.payloadNow(this.#codec)
    const share = budgetNow()
    if (payload === undefined || share === undefined) return undefined
    const shape = this.#isOnlyWeighed ? unknown : this.#isText(payload) ? shapeOf(payload) : undefined
    const size = shape && { bytes: byteLength(payload), ...shape }
    return size !== undefined && this.#excess(size, share) === undefined ? size : undefined
  }

  #excess(size: Size, share: number): StateTooLarge | undefined {
    for (const measure of measures) {
      const limit = limitOf(this.limits, measure, share)
      // Asked this way round, a limit that is no number refuses every state.
      if (size[measure] <= limit) continue
      const budget = measure === "levels" ? 1 : share
      return new StateTooLarge({ ...this.#where, measure, size: size[measure], limit, budget })
    }
    return undefined
  }

  #isText(payload: Payload): payload is string {
    return this.#codec.format === "json" && typeof payload === "string"
  }

  #encoded(state: S): Effect.Effect<Size, CodecError> {
    return Effect.flatMap(this.#codec.encode(state), (payload) => this.#of(payload, () => Exit.succeed(state)))
  }
}
