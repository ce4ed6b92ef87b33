import { Cause, Effect, Option, Queue, type Scope, Stream } from "effect"
import type { Listener, Listening, News } from "../Register.ts"
import { type Change, type Revisioned, saved } from "../Revision.ts"
import type { ReadError } from "../StateError.ts"

/** Announces the commits of one key that are made through this process. */
export interface Announcer<C> {
  readonly publish: (change: Change<C>) => void
  /** Whether anybody would receive it. */
  readonly listening: () => boolean
  /** The current entry, then each later commit once, in order. */
  readonly changes: (
    current: Effect.Effect<Option.Option<Revisioned<C>>, ReadError>
  ) => Stream.Stream<Change<C>, ReadError>
  /** Tells of each later commit, by a call. */
  readonly listen: (listener: Listener) => Listening
}

/** One who is told of the commits of a key. */
interface Subscriber<C> {
  readonly tell: (change: Change<C>) => void
  readonly hear: (news: News) => void
  readonly end: () => void
}

/**
 * Announces the commits of this process to the subscribers of each key. Queues are unbounded: a commit is never dropped
 * and a slow subscriber never slows a writer. With nobody subscribed, publishing is one map lookup.
 */
export class Hub<C> {
  // Replaced with each who comes or goes, so that one may do so while others are told.
  readonly #subscribers = new Map<string, ReadonlyArray<Subscriber<C>>>()

  publish(key: string, change: Change<C>): void {
    const all = this.#subscribers.get(key)
    if (all !== undefined) for (const one of all) one.tell(change)
  }

  /** Tells those who listen to a key what is no commit, or one of which they have been told. */
  tell(key: string, news: News): void {
    const all = this.#subscribers.get(key)
    if (all !== undefined) for (const one of all) one.hear(news)
  }

  /** Whether anybody listens to a key: lets a writer skip preparing content that nobody would receive. */
  listening(key: string): boolean {
    return this.#subscribers.has(key)
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
        const { queue } = yield* Effect.acquireRelease(
          Effect.suspend(() =>
            Effect.map(Queue.unbounded<Change<C>, Cause.Done>(), (queue) => this.#add(key, new Queued(queue)))
          ),
          (queued) => Effect.sync(() => this.remove(key, queued))
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

  /** Tells of each later commit to a key, by a call, until it is stopped. */
  listen(key: string, listener: Listener): Listening {
    return this.#add(key, new Listened(this, key, listener))
  }

  /** Ends every subscription: what was announced is still delivered. */
  close(): void {
    const all = [...this.#subscribers.values()]
    this.#subscribers.clear()
    for (const some of all) for (const one of some) one.end()
  }

  #add<A extends Subscriber<C>>(key: string, subscriber: A): A {
    this.#subscribers.set(key, [...(this.#subscribers.get(key) ?? []), subscriber])
    return subscriber
  }

  remove(key: string, subscriber: Subscriber<never>): void {
    const others = this.#subscribers.get(key)?.filter((one) => one !== subscriber) ?? []
    if (others.length === 0) this.#subscribers.delete(key)
    else this.#subscribers.set(key, others)
  }
}

/** One who takes what is announced when it has time to. */
class Queued<C> implements Subscriber<C> {
  readonly queue: Queue.Queue<Change<C>, Cause.Done>

  constructor(queue: Queue.Queue<Change<C>, Cause.Done>) {
    this.queue = queue
  }

  tell(change: Change<C>): void {
    Queue.offerUnsafe(this.queue, change)
  }

  hear(): void {}

  end(): void {
    Queue.endUnsafe(this.queue)
  }
}

/** One who is told by a call. Members on the prototype: there is one for each key that is cached. */
class Listened implements Subscriber<unknown>, Listening {
  readonly #hub: Pick<Hub<never>, "remove">
  readonly #key: string
  #listener: Listener | undefined

  constructor(hub: Pick<Hub<never>, "remove">, key: string, listener: Listener) {
    this.#hub = hub
    this.#key = key
    this.#listener = listener
  }

  tell(change: Change<unknown>): void {
    this.hear(change)
  }

  hear(news: News): void {
    try {
      this.#listener?.hear(news)
    } catch (defect) {
      // Neither the others nor who commits have anything to do with it.
      Effect.runFork(Effect.logError(`a listener to key "${this.#key}" threw`, Cause.die(defect)))
    }
  }

  end(): void {
    this.hear({ _tag: "Gap" })
    this.#listener = undefined
  }

  get stop(): Effect.Effect<void> {
    return Effect.sync(() => {
      this.#listener = undefined
      this.#hub.remove(this.#key, this)
    })
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

  listen(listener: Listener): Listening {
    return this.#hub.listen(this.#key, listener)
  }
}
