/** When an operation of a client was called and when it returned; without a return it may or may not have happened. */
export interface Timed {
  /** Whose lane it is drawn in. */
  readonly client: string
  readonly call: number
  readonly return?: number | undefined
}

/**
 * What an object does when nobody else uses it. A state may stand for several real ones, where the answers do not tell
 * which it is (a save that shows no revision): a step then keeps those in which the answer is possible.
 */
export interface Model<State, in out Op extends Timed> {
  readonly initial: State
  /** The state after an operation that answered as it did; `undefined` when it cannot have, in this state. */
  readonly step: (state: State, operation: Op) => State | undefined
  /** Equal text for equal states. */
  readonly key: (state: State) => string
  /** Operations of different parts have nothing to do with each other: the keys of a family. Default: all are of one. */
  readonly part?: ((operation: Op) => string) | undefined
  /**
   * Whether an operation changes nothing, in any state, except that its answer may tell which of several states it is.
   * Where its answer fits and tells nothing new, it is then put first without trying any other order.
   */
  readonly isRead?: ((operation: Op) => boolean) | undefined
  /**
   * Whether an open operation matters only to the operation directly after it: to one that is not possible without it, or a
   * read that tells which state it is. True of registers, where a write that nobody saw is as good as none; false of
   * queues and logs. It keeps histories with many open operations decidable.
   */
  readonly unseenIsNothing?: boolean | undefined
  /** With it, a history that fails is made smaller. */
  readonly shrink?: Shrink<Op> | undefined
}

/** Steps from a history to a simpler one that are safe: what was possible stays possible. */
export interface Shrink<in out Op> {
  /** What an operation can be replaced by; `undefined` leaves it out. Any that are left out together are as safe. */
  readonly simpler: (history: ReadonlyArray<Op>) => (operation: Op) => ReadonlyArray<Op | undefined>
  /** An operation as it was before it returned; `undefined` when it then says nothing. */
  readonly unfinished: (operation: Op) => Op | undefined
}

/** What a search for an order came to, and in how many steps. */
export type Verdict<State, Op> =
  | {
      readonly _tag: "Linearizable"
      readonly steps: number
      /** An order that explains every answer; open operations are in it where they must have happened. */
      readonly order: ReadonlyArray<Op>
    }
  | {
      readonly _tag: "NotLinearizable"
      readonly steps: number
      /** An order that explains as much as any, and the state that it ends in. */
      readonly longest: ReadonlyArray<Op>
      readonly state: State
      /** The operations that could come next by their times, none of which fits by its answer. */
      readonly blocked: ReadonlyArray<Op>
      /** What returned up to then has no order already, if one looks at all the answers. */
      readonly until: number
    }
  | { readonly _tag: "Undecided"; readonly steps: number }
