import { Effect, Exit, Option } from "effect"
import type { Codec, CodecError } from "../../schema/Codec.ts"
import { Growth, type Owned } from "../internal/owned.ts"
import { deletedType } from "./eventCodec.ts"
import type { Journal, Recorded } from "./journal.ts"
import type { Stored } from "./Log.ts"
import { type FoldError, FoldFailed } from "./StreamError.ts"
import type { Mark } from "./snapshot.ts"

/** A state, and how far the events go that are in it. */
export interface Folded<out S> {
  readonly state: S
  /** The position of the last event in it; 0 for none. */
  readonly position: number
  /** When that event was appended, in milliseconds since the epoch; 0 for none. */
  readonly at: number
}

/** Where a fold stands. Nobody else has a part of the state that can be changed. */
export interface Point<out S> extends Folded<S> {
  /** The position of the last deletion: events up to there are not in the state. 0 for none. */
  readonly since: number
}

/** An event and the state that it leads to; of a deletion there is no event. */
export interface Step<out E, out S> extends Point<S> {
  readonly event: Option.Option<E>
}

/** A point whose state is handed out: to each reader one that no other one can change. */
export interface Held<out S> extends Omit<Point<S>, "state"> {
  readonly owned: Owned<S>
}

/** What is folded, and how. */
export interface FoldingOptions<E, S> {
  readonly journal: Journal<E>
  readonly codec: Codec<S>
  readonly initial: Owned<S>
  readonly fold: (state: S, event: E) => S
  /** The name of the projection; `undefined` for the stream's own fold. */
  readonly projection: string | undefined
}

/** Folds stored events, so that nobody sees a state that others can change, or half of one. */
export class Folding<in out E, in out S> {
  readonly #options: FoldingOptions<E, S>
  readonly #growth: Growth<S>

  constructor(options: FoldingOptions<E, S>) {
    this.#options = options
    this.#growth = new Growth(options.codec)
  }

  /** Before the first event. */
  get start(): Held<S> {
    return { owned: this.#options.initial, position: 0, at: 0, since: 0 }
  }

  /** Folds a page as a whole: when it fails, nothing of it is in a state that anybody sees. */
  fold(from: Point<S>, page: ReadonlyArray<Stored>): Effect.Effect<Point<S>, FoldError> {
    return Effect.suspend(() => this.#folded(from, page))
  }

  #folded(from: Point<S>, page: ReadonlyArray<Stored>): Exit.Exit<Point<S>, FoldError> {
    const { fold, initial, journal } = this.#options
    let { at, position, since, state } = from
    for (const stored of page) {
      at = stored.at
      position = stored.position
      if (stored.type === deletedType) {
        since = position
        state = Effect.runSync(initial.get)
        continue
      }
      const event = journal.decode(stored)
      if (Exit.isFailure(event)) return Exit.failCause(event.cause)
      try {
        state = fold(state, event.value)
      } catch (cause) {
        return Exit.fail(this.#failed(stored, "it threw", cause))
      }
    }
    return Exit.succeed({ state, position, at, since })
  }

  /** Takes a copy of a state, to be handed out. */
  hold({ state, ...point }: Point<S>, last: Stored | undefined): Effect.Effect<Held<S>, FoldFailed> {
    return Effect.mapBothEager(this.#growth.own(state), {
      onSuccess: (owned) => ({ ...point, owned }),
      onFailure: (error) => this.#misfit(error, point.position, last)
    })
  }

  #misfit({ path, reason }: CodecError, position: number, last?: Stored): FoldFailed {
    const where = path.length === 0 ? "" : ` at "${path.map(String).join(".")}"`
    return this.#failed({ position, type: last?.type }, `its state does not fit the schema${where}: ${reason}`)
  }

  #failed(event: { readonly position: number; readonly type: string | undefined }, reason: string, cause?: unknown) {
    const { journal, projection } = this.#options
    const { position, type } = event
    return new FoldFailed({ ...journal.where, projection, position, type, reason, cause })
  }

  /** The states that the events of a page lead to, one each. */
  scan(from: Point<S>, page: ReadonlyArray<Stored>): Effect.Effect<ReadonlyArray<Step<E, S>>, FoldError> {
    return Effect.suspend((): Exit.Exit<ReadonlyArray<Step<E, S>>, FoldError> => {
      const steps: Array<Step<E, S>> = []
      let point = from
      for (const stored of page) {
        const next = this.#step(point, stored)
        if (Exit.isFailure(next)) return Exit.failCause(next.cause)
        steps.push(next.value.step)
        point = next.value.point
      }
      return Exit.succeed(steps)
    })
  }

  /** The state behind one event, once for a reader and once for the next fold. */
  #step(from: Point<S>, stored: Stored): Exit.Exit<{ readonly step: Step<E, S>; readonly point: Point<S> }, FoldError> {
    const { journal } = this.#options
    // An event of its own for the reader: the fold may have kept a part of the other one.
    const event = stored.type === deletedType ? undefined : journal.decode(stored)
    if (event !== undefined && Exit.isFailure(event)) return Exit.failCause(event.cause)
    const folded = this.#folded(from, [stored])
    if (Exit.isFailure(folded)) return Exit.failCause(folded.cause)
    // Copying waits for nothing.
    const held = Effect.runSyncExit(this.hold(folded.value, stored))
    return Exit.map(held, (held) => ({
      step: { ...opened(held), event: event === undefined ? Option.none() : Option.some(event.value) },
      point: opened(held)
    }))
  }

  /** A point as it is stored. */
  mark({ at, position, since, state }: Point<S>): Effect.Effect<Mark, FoldFailed> {
    return Effect.mapBoth(this.#options.codec.encode(state), {
      onFailure: (error) => this.#misfit(error, position),
      // JSON is text.
      onSuccess: (payload) => ({ position, at, since, state: payload.toString() })
    })
  }
}

/** A state of one's own. */
export const open = <S>(held: Held<S>): Effect.Effect<Point<S>> => Effect.sync(() => opened(held))

const opened = <S>({ owned, ...point }: Held<S>): Point<S> => ({
  ...point,
  // Copying waits for nothing, and what is held was encoded and decoded once already: a codec error here is a defect.
  state: Effect.runSync(owned.get)
})

/** A step that is no deletion, as a record with its state. */
export const recordedOf = <E, S>({
  at,
  event,
  position,
  state
}: Step<E, S>): ReadonlyArray<Recorded<E> & { readonly state: S }> =>
  Option.isSome(event) ? [{ event: event.value, position, at, state }] : []

/** What a point says to a reader. */
export const folded = <S>({ at, position, state }: Point<S>): Folded<S> => ({ state, position, at })
