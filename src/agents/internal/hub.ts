import { type Cause, Effect, Option, Queue, type Scope, Stream } from "effect"
import { type Change, type Revisioned, saved } from "../Revision.ts"
import type { ReadError } from "../StateError.ts"

type Subscriber<C> = Queue.Queue<Change<C>, Cause.Done>

/** Announces the commits of one key that are made through this process. */
export interface Announcer<C> {
  readonly publish: (change: Change<C>) => void
  /** Whether anybody would receive it. */
  readonly listening: () => boolean
  /** The current entry, then each later commit once, in order. */
  readonly changes: (
    current: Effect.Effect<Option.Option<Revisioned<C>>, ReadError>
  ) => Stream.Stream<Change<C>, ReadError>
}

/**
 * Announces the commits of this process to the subscribers of each key. Queues are unbounded: a commit is never dropped
 * and a slow subscriber never slows a writer. With nobody subscribed, publishing is one map lookup.
 */
export class Hub<C> {
  readonly #queues = new Map<string, Set<Subscriber<C>>>()

  publish(key: string, change: Change<C>): void {
    const queues = this.#queues.get(key)
    if (queues !== undefined) for (const queue of queues) Queue.offerUnsafe(queue, change)
  }

  /** Whether anybody listens to a key: lets a writer skip preparing content that nobody would receive. */
  listening(key: string): boolean {
    return this.#queues.has(key)
  }

  /** A hub that ends its subscriptions when the scope closes. */
  static make<C>(): Effect.Effect<Hub<C>, never, Scope.Scope> {
    return Effect.acquireRelease(
      Effect.sync(() => new Hub<C>()),
      (hub) => Effect.sync(() => hub.close())
    )
  }

  /** The part of the hub that serves one key. */
  at(key: string): Announcer<C> {
    return new Part(this, key)
  }

  /**
   * The current entry, then each later commit once, in order. Subscribing comes before reading, and what the read
   * already shows is dropped from the queue, so that no commit falls between the two.
   */
  changes(
    key: string,
    current: Effect.Effect<Option.Option<Revisioned<C>>, ReadError>
  ): Stream.Stream<Change<C>, ReadError> {
    return Stream.unwrap(
      Effect.gen({ self: this }, function* () {
        const queue = yield* Effect.acquireRelease(
          Effect.suspend(() => Effect.map(Queue.unbounded<Change<C>, Cause.Done>(), (queue) => this.#add(key, queue))),
          (queue) => Effect.sync(() => this.#remove(key, queue))
        )
        const first = yield* current
        const later = Stream.fromQueue(queue)
        if (Option.isNone(first)) return later
        const { revision } = first.value
        const isNew = (change: Change<C>) =>
          change._tag === "Saved" ? change.revision > revision : change.revision >= revision
        return Stream.concat(Stream.succeed(saved(first.value)), Stream.filter(later, isNew))
      })
    )
  }

  /** Ends every subscription: what was announced is still delivered. */
  close(): void {
    for (const queues of this.#queues.values()) for (const queue of queues) Queue.endUnsafe(queue)
    this.#queues.clear()
  }

  #add(key: string, queue: Subscriber<C>): Subscriber<C> {
    const queues = this.#queues.get(key)
    if (queues === undefined) this.#queues.set(key, new Set([queue]))
    else queues.add(queue)
    return queue
  }

  #remove(key: string, queue: Subscriber<C>): void {
    const queues = this.#queues.get(key)
    queues?.delete(queue)
    if (queues?.size === 0) this.#queues.delete(key)
  }
}

// Members on the prototype: one is made for each use of a key.
class Part<C> implements Announcer<C> {
  readonly #hub: Hub<C>
  readonly #key: string

  constructor(hub: Hub<C>, key: string) {
    this.#hub = hub
    this.#key = key
  }

  publish(change: Change<C>): void {
    this.#hub.publish(this.#key, change)
  }

  listening(): boolean {
    return this.#hub.listening(this.#key)
  }

  changes(current: Effect.Effect<Option.Option<Revisioned<C>>, ReadError>): Stream.Stream<Change<C>, ReadError> {
    return this.#hub.changes(this.#key, current)
  }
}
