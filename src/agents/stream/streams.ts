import { type Cause, Effect, Option, Queue, type Schema, type Scope, Stream } from "effect"
import { type Codec, toCodec } from "../../schema/Codec.ts"
import type { Claims } from "../Claims.ts"
import type { DataAgent } from "../DataAgent.ts"
import { readError } from "../internal/failure.ts"
import { KeyedLock, type Lock } from "../internal/keyedLock.ts"
import * as Lifetime from "../internal/lifetime.ts"
import { type Owned, own } from "../internal/owned.ts"
import { Recency } from "../internal/recency.ts"
import { invalid, type Where } from "../internal/stateRegister.ts"
import { AgentClosed, type ReadError, type StateInvalid } from "../StateError.ts"
import { EventCodec } from "./eventCodec.ts"
import { Journal, type Shared } from "./journal.ts"
import type { Log } from "./Log.ts"
import type { CompactError } from "./StreamError.ts"
import { Keeper, type Snapshot, type Snapshots } from "./snapshot.ts"
import type { Upcasters } from "./upcast.ts"
import { View } from "./view.ts"

/** A fold, with what says that two of them are one. */
export interface FoldOptions<E, S> {
  /** What the folded state looks like; snapshots are stored by it. */
  readonly state: Schema.Codec<S, unknown>
  /** The state before the first event. */
  readonly initial: NoInfer<S>
  /**
   * The state after an event: a pure function. What it is given is frozen, as far as JavaScript can freeze it; it has to take every
   * event there is, since what happened cannot be refused.
   */
  readonly fold: (state: NoInfer<S>, event: NoInfer<E>) => NoInfer<S>
  /** Another one for each fold or `initial` that gives other states: snapshots of another version are not read. Default: 1. */
  readonly version?: number | string | undefined
}

/** What the streams of one agent or family are made of. */
export interface StreamsOptions<E, S> extends FoldOptions<E, S> {
  readonly name: string
  readonly events: Schema.Codec<E, unknown>
  readonly upcasters?: Upcasters | undefined
  /** How many folded states are kept. */
  readonly cached: number
  readonly isSingle: boolean
  readonly snapshotsAt: (key: string) => Snapshots<DataAgent<Snapshot>> | undefined
}

/** A fold that a compaction has to prepare. */
export interface Compactable {
  readonly projection: string | undefined
  readonly snapshotClaims: Claims | undefined
  readonly pin: (upTo: number) => Effect.Effect<void, CompactError>
}

/** The projections of one stream that are open. */
export interface Compactables {
  readonly all: () => ReadonlyArray<Compactable>
  /** Until the scope closes. */
  readonly add: (one: Compactable) => Effect.Effect<void, never, Scope.Scope>
}

/** What all that is derived from one stream builds on. */
export interface Internals<in out E, in out S> {
  readonly where: Where
  readonly claims: Claims
  readonly journal: Journal<E>
  readonly view: View<E, S>
  readonly codec: Codec<S>
  readonly initial: Owned<S>
  /** Who decides on the stream, or writes the state it is for others, one at a time. */
  readonly lock: Lock
  /** The projections that are open, for those that compact. */
  readonly projections: Compactables
}

const keysInPage = 500

const places = new WeakMap<Log, Map<string, object>>()

/** What says that streams are the same, so that those who decide on one wait for each other. */
const placeIn = (log: Log, collection: string): object => {
  const all = places.get(log) ?? new Map<string, object>()
  places.set(log, all)
  const place = all.get(collection) ?? {}
  all.set(collection, place)
  return place
}

/** Names a fold in its snapshots. */
export const nameFold = (
  where: Where,
  projection: string | undefined,
  version: number | string | undefined = 1,
  codec: { readonly fingerprint: string }
): string => JSON.stringify({ stream: where.agent, key: where.key, projection, version, schema: codec.fingerprint })

/** The streams of one agent or family, until the scope closes. */
export class Streams<in out E, in out S> {
  readonly claims: Claims
  readonly #options: StreamsOptions<E, S>
  readonly #shared: Shared<E>
  readonly #codec: Codec<S>
  readonly #initial: Owned<S>
  readonly #locks: KeyedLock
  readonly #views = new Recency<View<E, S>>()
  readonly #projections = new Map<string, Set<Compactable>>()

  private constructor(options: StreamsOptions<E, S>, shared: Shared<E>, codec: Codec<S>, initial: Owned<S>) {
    this.#options = options
    this.#shared = shared
    this.#codec = codec
    this.#initial = initial
    this.claims = { ...shared.log.claims, history: "full" }
    const kind = options.isSingle ? "agent" : "family"
    this.#locks = KeyedLock.of(placeIn(shared.log, shared.collection), `${kind} "${options.name}"`)
  }

  static open<E, S>(log: Log, options: StreamsOptions<E, S>): Effect.Effect<Streams<E, S>, StateInvalid, Scope.Scope> {
    return Effect.gen(function* () {
      const codec = toCodec(options.state)
      const initial = yield* initialOf(codec, { agent: options.name }, options.initial)
      const waiting = new Set<Queue.Queue<void, Cause.Done>>()
      // Runs after the end of the lifetime, so that nobody begins to wait behind it.
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          for (const queue of waiting) Queue.endUnsafe(queue)
        })
      )
      const lifetime = yield* Lifetime.make
      const shared: Shared<E> = {
        log,
        // The kind sets an agent apart from the empty key of a family of the same name.
        collection: `${options.isSingle ? "agent" : "family"}:${options.name}`,
        codec: new EventCodec(options.events, options.upcasters ?? {}),
        lifetime,
        waiting
      }
      return new Streams(options, shared, codec, initial)
    })
  }

  /** The stream of a key. */
  at(key: string): Internals<E, S> {
    const where: Where = { agent: this.#options.name, key: this.#options.isSingle ? undefined : key }
    const journal = new Journal(this.#shared, where)
    return {
      where,
      claims: this.claims,
      journal,
      view: this.#view(key, journal),
      codec: this.#codec,
      initial: this.#initial,
      lock: this.#locks.at(key),
      projections: {
        all: () => [...(this.#projections.get(key) ?? [])],
        add: (one) => this.#add(key, one)
      }
    }
  }

  /** The keys of a family that ever had an event. */
  keys(prefix: string): Stream.Stream<string, ReadError> {
    const { collection, log } = this.#shared
    const whole: Where = { agent: this.#options.name }
    return Stream.paginate<string | undefined, string, ReadError>(undefined, (after) =>
      Effect.suspend(() => {
        if (this.#shared.lifetime.isClosed()) return Effect.fail(new AgentClosed(whole))
        if (!prefix.isWellFormed()) return Effect.succeed([[], Option.none()] as const)
        const page = log.keys(collection, { prefix, after, limit: keysInPage })
        return Effect.mapBoth(page, {
          onFailure: readError(whole, "list keys"),
          onSuccess: (keys) =>
            [keys, keys.length < keysInPage ? Option.none() : Option.fromUndefinedOr(keys.at(-1))] as const
        })
      })
    )
  }

  #view(key: string, journal: Journal<E>): View<E, S> {
    const { cached, fold, snapshotsAt, version } = this.#options
    const known = this.#views.get(key)
    const snapshots = known === undefined ? snapshotsAt(key) : undefined
    const view =
      known ??
      new View({
        journal,
        codec: this.#codec,
        initial: this.#initial,
        fold,
        projection: undefined,
        keeper:
          snapshots &&
          new Keeper(snapshots, nameFold(journal.where, undefined, version, this.#codec), this.#codec, journal.where)
      })
    this.#views.set(key, view)
    // Who holds the agent of a key keeps its state; another one folds again.
    if (this.#views.size > cached) this.#views.deleteOldest()
    return view
  }

  #add(key: string, one: Compactable): Effect.Effect<void, never, Scope.Scope> {
    const add = Effect.sync(() => {
      const all = this.#projections.get(key) ?? new Set()
      this.#projections.set(key, all.add(one))
      return all
    })
    const remove = (all: Set<Compactable>) =>
      Effect.sync(() => {
        all.delete(one)
        if (all.size === 0) this.#projections.delete(key)
      })
    return Effect.asVoid(Effect.acquireRelease(add, remove))
  }
}

/** The private copy of a state before the first event. */
export const initialOf = <S>(codec: Codec<S>, where: Where, initial: S): Effect.Effect<Owned<S>, StateInvalid> =>
  Effect.mapError(own(codec, initial), (error) =>
    invalid(where, { ...error, reason: `the initial state does not fit: ${error.reason}` })
  )
