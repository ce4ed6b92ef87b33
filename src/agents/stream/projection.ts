import { Effect, type Scope } from "effect"
import { toCodec } from "../../schema/Codec.ts"
import type { DataAgent } from "../DataAgent.ts"
import { check, optional, rule, schema, text } from "../internal/options.ts"
import type { ReadError, StateInvalid, StorageUnavailable } from "../StateError.ts"
import type { StreamAgent } from "../StreamAgent.ts"
import { compactable } from "./compaction.ts"
import { type Folded, folded } from "./folding.ts"
import type { FoldError, TravelError } from "./StreamError.ts"
import { Keeper, type Snapshot, type Snapshots } from "./snapshot.ts"
import { type FoldOptions, initialOf, nameFold } from "./streams.ts"
import { View } from "./view.ts"

/** Another fold over the events of a stream. */
export interface Projection<out S> {
  readonly name: string
  /** The state after all events that were acknowledged before. */
  readonly load: Effect.Effect<S, FoldError>
  /** The same with the position of the last event in it. */
  readonly current: Effect.Effect<Folded<S>, FoldError>
  /** The state at a position, from 0, or at a time. */
  readonly at: (when: number | Date) => Effect.Effect<Folded<S>, TravelError>
  /** How far it is, while a load is under way as well. */
  readonly progress: Effect.Effect<Progress, ReadError>
}

/** How far a projection is. */
export interface Progress {
  /** Events up to this position are folded. */
  readonly position: number
  /** The position of the last event. */
  readonly last: number
}

/** What a projection is made of. */
export interface ProjectionOptions<E, S> extends FoldOptions<E, S> {
  /** Names the projection in errors and in its snapshots. */
  readonly name: string
  /** Where its snapshots are kept: an agent of its own. Without them it folds all events after a restart. */
  readonly snapshots?: Snapshots<DataAgent<Snapshot>> | undefined
}

const rules = {
  name: text,
  state: schema,
  fold: rule("a function", (value) => typeof value === "function"),
  snapshots: optional(rule("{ agent, every?, bytes? }", (value) => typeof value === "object" && value !== null))
}

/**
 * Adds a fold to a stream, until the scope closes. It may come years after the first event: its first load folds what there is. A
 * compaction keeps what the projections need that are open in its process, and no others.
 */
export const projection = <E, S, T>(
  stream: StreamAgent<E, T>,
  options: ProjectionOptions<E, S>
): Effect.Effect<Projection<S>, StateInvalid | StorageUnavailable, Scope.Scope> =>
  Effect.gen(function* () {
    yield* check(options, rules)
    const { journal, projections, where } = stream.internals
    const { fold, initial, name, snapshots, state, version } = options
    const codec = toCodec(state)
    const view = new View<E, S>({
      journal,
      codec,
      initial: yield* initialOf(codec, where, initial),
      fold,
      projection: name,
      keeper: snapshots && new Keeper(snapshots, nameFold(where, name, version, codec), codec, where)
    })
    yield* projections.add(compactable(view))
    return {
      name,
      load: Effect.map(view.current, ({ state }) => state),
      current: Effect.map(view.current, folded),
      at: (when) => Effect.map(view.at(when), folded),
      progress: Effect.gen(function* () {
        const { last } = yield* journal.bounds
        return { position: Math.min(yield* view.position, last), last }
      })
    }
  })
