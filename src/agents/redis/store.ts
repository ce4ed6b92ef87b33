import { Clock, Duration, Effect, Exit, Option, type Scope, Stream } from "effect"
import type { Payload } from "../../schema/Codec.ts"
import type { Conflict, Failure } from "../internal/backend.ts"
import type { Collection, Collections } from "../internal/collections.ts"
import { compareError, readError, writeError } from "../internal/failure.ts"
import type { Hub } from "../internal/hub.ts"
import * as Lifetime from "../internal/lifetime.ts"
import type { Retention } from "../internal/retention.ts"
import { onlyCurrent, type Saving, type Where } from "../internal/stateRegister.ts"
import type { Entry, Listener, Listening, NewEntry, Register, Store } from "../Register.ts"
import * as Revision from "../Revision.ts"
import { AgentClosed, type CompareError, type ReadError, type WriteError } from "../StateError.ts"
import type { Keys } from "./keys.ts"
import type { Found, Increment, Incremented } from "./rows.ts"
import { RedisRows } from "./rows.ts"
import type { Cursor, Server } from "./Server.ts"
import { together } from "./together.ts"

// Pages are read one after the other so that a long list never sits in memory.
const statesInPage = 16

/** When a state is removed by itself. */
export interface Expiry {
  /** In milliseconds; 0: never. */
  readonly millis: number
  readonly from: "creation" | "write" | "read"
}

/** Which states a store keeps, and for how long. */
export interface StoreOptions {
  /** What the names of all keys begin with. */
  readonly prefix: string
  /** Whose states these are: data. Any well-formed string. */
  readonly collection: string
  readonly retention: Retention
  readonly expiry: Expiry
  /** What errors say about the place of a key. */
  readonly where: (key: string) => Where
}

/** The states of one collection, until the scope closes. */
export const make = (
  server: Server,
  collections: Collections,
  options: StoreOptions
): Effect.Effect<RedisStore, never, Scope.Scope> =>
  Effect.gen(function* () {
    const rows = new RedisRows(server, options)
    const collection = collections.of(options.collection, () => rows)
    const hub = yield* collection.join
    const lifetime = yield* Lifetime.make
    return new RedisStore(server, rows, collection, hub, lifetime, options)
  })

/** States in Redis: what `Register` and `Family` need of them, and what only a server can do. */
export class RedisStore implements Store {
  readonly place: object
  readonly rows: RedisRows
  readonly options: StoreOptions
  readonly hub: Hub<Payload>
  readonly collection: Collection
  readonly #server: Server
  readonly #lifetime: Lifetime.Lifetime
  readonly #whole: Where

  constructor(
    server: Server,
    rows: RedisRows,
    collection: Collection,
    hub: Hub<Payload>,
    lifetime: Lifetime.Lifetime,
    options: StoreOptions
  ) {
    this.place = collection.place
    this.rows = rows
    this.options = options
    this.hub = hub
    this.collection = collection
    this.#server = server
    this.#lifetime = lifetime
    this.#whole = { agent: options.where("").agent }
  }

  readonly at = (key: string): Register => new RedisRegister(this, key)

  readonly keys = (prefix: string): Stream.Stream<string, ReadError> =>
    Stream.suspend(() => {
      // A scan may show a key twice.
      const seen = new Set<string>()
      return Stream.paginate<Cursor | undefined, string, ReadError>(undefined, (cursor) =>
        this.reading(this.#whole, "list keys", () =>
          Effect.map(this.#server.scan(this.rows.naming.pattern(prefix), cursor), ({ keys, next }) => {
            const found = keys.map((key) => this.rows.naming.keyOf(key)).filter((key) => !seen.has(key))
            for (const key of found) seen.add(key)
            return [[...new Set(found)], next === undefined ? Option.none() : Option.some(next)] as const
          })
        )
      )
    })

  readonly readMany = (keys: ReadonlyArray<string>): Effect.Effect<ReadonlyMap<string, Entry>, ReadError> =>
    this.reading(this.#whole, "read", () => this.rows.readAll(keys))

  /** Each in a step of its own: a Cluster has no other. What was written when one fails stays. */
  readonly writeMany = (
    entries: ReadonlyArray<readonly [key: string, next: NewEntry]>
  ): Effect.Effect<ReadonlyArray<Revision.Revision>, WriteError> =>
    Effect.uninterruptible(
      Effect.flatMap(
        together<Revision.Revision, CompareError>(entries.length, (i, answer) => {
          const entry = entries[i]
          if (entry === undefined) return
          const [key, next] = entry
          const keys = this.rows.naming.of(key)
          if (!this.begin(keys, next, "any", answer)) answer(this.write(keys, next, "any"))
        }),
        (written) => all(written, (one) => Effect.catchTag(one, "RevisionConflict", Effect.die))
      )
    )

  readonly removeMany = (
    keys: ReadonlyArray<string>
  ): Effect.Effect<ReadonlyMap<string, Revision.Revision>, WriteError> =>
    Effect.map(
      all(keys, (key) => this.remove(key)),
      (revisions) => {
        const removed = new Map<string, Revision.Revision>()
        for (const [i, key] of keys.entries()) {
          const revision = revisions[i]
          if (revision !== undefined && revision !== 0) removed.set(key, revision)
        }
        return removed
      }
    )

  read(keys: Keys): Effect.Effect<Option.Option<Entry>, ReadError> {
    return this.open(this.options.where(keys.key), () => this.toEntry(keys.key, this.rows.read(keys)))
  }

  /** As in `Register`. */
  beginRead(keys: Keys, answer: (found: Effect.Effect<Option.Option<Entry>, ReadError>) => void) {
    if (this.#lifetime.isClosed()) return undefined
    return this.rows.beginRead(keys, (found) => answer(this.toEntry(keys.key, found)))
  }

  toEntry(key: string, found: Found): Effect.Effect<Option.Option<Entry>, ReadError> {
    return Effect.mapBothEager(found, {
      onFailure: (failure) => readError(this.options.where(key), "read")(failure),
      onSuccess: Option.fromUndefinedOr
    })
  }

  write(keys: Keys, next: NewEntry, expected: Revision.Expected): Effect.Effect<Revision.Revision, CompareError> {
    const { key } = keys
    return this.#writing(this.options.where(key), key, () =>
      this.#saved(key, next, expected, this.rows.write(keys, next, expected))
    )
  }

  /** The same for who calls; answers whether it began. */
  begin(keys: Keys, next: NewEntry, expected: Revision.Expected, answer: (saving: Saving) => void): boolean {
    const { key } = keys
    // The writes of a followed key are counted before they begin.
    if (this.#lifetime.isClosed() || this.collection.follower.follows(key)) return false
    this.rows.begin(keys, next, expected, (written) => answer(this.#saved(key, next, expected, written)))
    return true
  }

  /** Answers 0 where there was nothing. */
  remove(key: string): Effect.Effect<Revision.Revision, WriteError> {
    const where = this.options.where(key)
    return this.#writing(where, key, () =>
      Effect.matchEffect(this.rows.remove(key), {
        onFailure: (failure) => Exit.fail(writeError(where, "delete")(failure)),
        onSuccess: (number) => {
          const revision = Revision.make(number)
          return number === 0 ? Exit.succeed(revision) : this.#told(key, () => Revision.deleted(revision), revision)
        }
      })
    )
  }

  /** How long the state of a key still lives. */
  timeToLive(key: string): Effect.Effect<Option.Option<Duration.Duration>, ReadError> {
    return this.reading(this.options.where(key), "read", () =>
      Effect.map(this.rows.timeToLive(key), (millis) =>
        millis > 0 ? Option.some(Duration.millis(millis)) : Option.none()
      )
    )
  }

  /** Adds to a number inside a state. `undefined` when there is no state and none to begin with. */
  increment(key: string, increment: Increment): Effect.Effect<Incremented | undefined, WriteError> {
    const where = this.options.where(key)
    const isFollowed = this.collection.follower.follows(key)
    return this.#writing(where, key, () =>
      Effect.flatMap(Clock.currentTimeMillis, (savedAt) =>
        Effect.matchEffect(this.rows.increment(key, increment, savedAt, isFollowed), {
          onFailure: (failure) => Exit.fail(writeError(where, "increment")(failure)),
          onSuccess: (done): Effect.Effect<Incremented | undefined> => {
            if (done?.state === undefined) return Exit.succeed(done)
            const { state } = done
            const revision = Revision.make(done.revision)
            return this.#told(key, () => Revision.saved({ state, savedAt, revision }), done)
          }
        })
      )
    )
  }

  reading<A>(where: Where, operation: string, read: () => Effect.Effect<A, Failure>): Effect.Effect<A, ReadError> {
    return this.open(where, () => Effect.mapError(read(), readError(where, operation)))
  }

  open<A, E, R>(where: Where, run: () => Effect.Effect<A, E, R>): Effect.Effect<A, E | AgentClosed, R> {
    return Effect.suspend(
      (): Effect.Effect<A, E | AgentClosed, R> =>
        this.#lifetime.isClosed() ? Exit.fail(new AgentClosed(where)) : run()
    )
  }

  #saved(
    key: string,
    { savedAt, state }: NewEntry,
    expected: Revision.Expected,
    written: Effect.Effect<number, Failure | Conflict>
  ): Saving {
    const failed = Effect.mapErrorEager(written, (failure) => compareError(this.options.where(key), expected)(failure))
    return Effect.flatMapEager(failed, (number) => {
      const revision = Revision.make(number)
      return this.#told(key, () => Revision.saved({ state, savedAt, revision }), revision)
    })
  }

  #writing<A, E>(where: Where, key: string, write: () => Effect.Effect<A, E>): Effect.Effect<A, E | AgentClosed> {
    const { follower } = this.collection
    return this.open(where, () => (follower.follows(key) ? follower.writing([key], write()) : write()))
  }

  #told<A>(key: string, change: () => Revision.Change<Payload>, answer: A): Effect.Effect<A> {
    const { follower } = this.collection
    return follower.follows(key) ? Effect.as(follower.committed(key, change()), answer) : Exit.succeed(answer)
  }
}

/** All at once, so that they travel together; every one of them is over before the first failure is told. */
const all = <A, B, E>(items: ReadonlyArray<A>, run: (item: A) => Effect.Effect<B, E>): Effect.Effect<Array<B>, E> =>
  Effect.flatMap(
    // What is over already needs no fiber.
    Effect.forEach(items, (item) => Effect.exit(run(item)), {
      concurrency: items.every(Exit.isExit) ? 1 : "unbounded"
    }),
    (exits) => Effect.forEach(exits, (exit) => exit)
  )

// Members on a prototype: the register of a key is made for each use of the key.
class RedisRegister implements Register {
  readonly #store: RedisStore
  readonly #keys: Keys

  constructor(store: RedisStore, key: string) {
    this.#store = store
    this.#keys = store.rows.naming.of(key)
  }

  get place(): object {
    return this.#store.place
  }

  get read(): Effect.Effect<Option.Option<Entry>, ReadError> {
    return this.#store.read(this.#keys)
  }

  beginRead(answer: (found: Effect.Effect<Option.Option<Entry>, ReadError>) => void): (() => void) | undefined {
    return this.#store.beginRead(this.#keys, answer)
  }

  write(next: NewEntry, expected: Revision.Expected): Effect.Effect<Revision.Revision, CompareError> {
    return this.#store.write(this.#keys, next, expected)
  }

  begin(next: NewEntry, expected: Revision.Expected, answer: (saving: Saving) => void): boolean {
    return this.#store.begin(this.#keys, next, expected, answer)
  }

  get remove(): Effect.Effect<Option.Option<Revision.Revision>, WriteError> {
    return Effect.map(this.#store.remove(this.#keys.key), (revision) =>
      revision === 0 ? Option.none() : Option.some(revision)
    )
  }

  /** Newest first. The server may still hold what was kept under an earlier rule: it is not shown. */
  history({ before, limit }: Revision.HistoryOptions): Stream.Stream<Entry, ReadError> {
    const { retention } = this.#store.options
    if (retention.count === 1) return onlyCurrent(this.read, { before, limit })
    interface Position {
      readonly before: number
      readonly left: number
    }
    const start: Position = {
      before: before ?? Number.POSITIVE_INFINITY,
      left: Math.trunc(limit ?? Number.MAX_SAFE_INTEGER)
    }
    return Stream.paginate<Position, Entry, ReadError>(start, (position) => {
      const wanted = Math.min(statesInPage, position.left)
      if (wanted <= 0) return Exit.succeed([[], Option.none()] as const)
      return this.#reading(() =>
        Effect.gen({ self: this }, function* () {
          const now = yield* Clock.currentTimeMillis
          const { current, past } = yield* this.#store.rows.page(this.#keys.key, position.before, wanted)
          if (current === undefined) return [[], Option.none()] as const
          const kept = past.filter(
            ({ revision, savedAt }) =>
              revision >= current.since &&
              revision > current.revision - retention.count &&
              savedAt >= now - retention.millis
          )
          const whole = current.revision < position.before ? [current, ...kept] : kept
          const page = whole.slice(0, wanted)
          const last = page.at(-1)
          const isEnd =
            last === undefined || kept.length < past.length || past.length === 0 || page.length >= position.left
          const next = isEnd ? Option.none() : Option.some({ before: last.revision, left: position.left - page.length })
          return [page, next] as const
        })
      )
    })
  }

  at(revision: Revision.Revision): Effect.Effect<Option.Option<Entry>, ReadError> {
    return Effect.map(
      Stream.runHead(this.history({ before: Revision.make(revision + 1), limit: 1 })),
      Option.filter((entry) => entry.revision === revision)
    )
  }

  asOf(time: number): Effect.Effect<Option.Option<Entry>, ReadError> {
    return Effect.flatMap(
      this.#reading(() => this.#store.rows.revisionAt(this.#keys.key, time)),
      (revision) => (revision === 0 ? Exit.succeed(Option.none()) : this.at(Revision.make(revision)))
    )
  }

  get changes(): Stream.Stream<Revision.Change<Payload>, ReadError> {
    const store = this.#store
    const where = this.#where
    const followed = store.open(where, () =>
      Effect.mapError(store.collection.follower.follow(this.#keys.key), readError(where, "follow"))
    )
    // Looking on is no use that would let a state live on.
    const current = store.open(where, () => store.toEntry(this.#keys.key, store.rows.look(this.#keys.key)))
    return Stream.unwrap(Effect.as(followed, store.hub.changes(this.#keys.key, current)))
  }

  listen(listener: Listener): Effect.Effect<Listening, ReadError> {
    const { collection, hub, options } = this.#store
    // In the audience first: what is found from then on is heard.
    const listening = collection.follower.listen(this.#keys.key, hub.listen(this.#keys.key, listener))
    return Effect.mapErrorEager(listening, (failure) => readError(options.where(this.#keys.key), "follow")(failure))
  }

  #reading<A>(read: () => Effect.Effect<A, Failure>): Effect.Effect<A, ReadError> {
    return this.#store.reading(this.#where, "read", read)
  }

  get #where(): Where {
    return this.#store.options.where(this.#keys.key)
  }
}
