import { Clock, Effect, Exit, Option, type Scope, Stream } from "effect"
import type { Payload } from "../../schema/Codec.ts"
import type { Collection, Collections } from "../internal/collections.ts"
import { compareError, readError, writeError } from "../internal/failure.ts"
import type { Rows } from "../internal/follower.ts"
import type { Hub } from "../internal/hub.ts"
import * as Lifetime from "../internal/lifetime.ts"
import type { Listing, ListingOf } from "../internal/listing.ts"
import type { Member } from "../internal/member.ts"
import { onlyCurrent, type Saving, type Where } from "../internal/stateRegister.ts"
import type { Cells, Plan } from "../query/ir.ts"
import { compile } from "../query/sql.ts"
import type { Entry, Listener, Listening, NewEntry, Register, Store } from "../Register.ts"
import * as Revision from "../Revision.ts"
import { AgentClosed, type CompareError, type ReadError, type WriteError } from "../StateError.ts"
import * as Deltas from "./deltas.ts"
import type { Conflict, Current, Engine, Failure, Id, KeysFrom, Put, Remove, Written } from "./Engine.ts"
import * as Past from "./past.ts"
import { keepAt, type Retention } from "./retention.ts"
import type { Home, SqlStorage } from "./together.ts"

// Pages are read one after the other so that a long list never sits in memory; states may be large, keys are not.
const keysInPage = 500
const statesInPage = 16

/** Which states a store keeps, and how. */
export interface StoreOptions {
  /** Whose states these are: data, to be bound and never pasted into SQL. Any well-formed string. */
  readonly collection: string
  /** Whether the collection has one key only. */
  readonly isSingle: boolean
  readonly retention: Retention
  /** What errors say about the place of a key. */
  readonly where: (key: string) => Where
}

/** The states of one collection of a database, until the scope closes. */
export const make = (
  engine: Engine,
  collections: Collections,
  storage: SqlStorage,
  options: StoreOptions
): Effect.Effect<Store, never, Scope.Scope> =>
  Effect.gen(function* () {
    const collection = collections.of(options.collection, () => rowsOf(engine, options))
    const hub = yield* collection.join
    const lifetime = yield* Lifetime.make
    return new SqlStore(engine, storage, collection, hub, lifetime, options)
  })

const rowsOf = (engine: Engine, { collection, isSingle }: StoreOptions): Rows => ({
  readMany: (keys) => engine.readMany(collection, keys),
  between: (key, from, to) =>
    Effect.map(
      // What is kept is found, whatever the store that follows says of histories.
      Past.page(engine, { collection, key }, { before: to + 1, limit: to - from, every: 0 }),
      (entries) => entries.filter(({ revision }) => revision > from).toReversed()
    ),
  deleted: (current) =>
    !isSingle ? Exit.succeed(0) : current === undefined ? engine.floor(collection) : Exit.succeed(current.since - 1),
  watch: (notice) => engine.watch(collection, notice)
})

class SqlStore implements Store {
  readonly place: object
  readonly engine: Engine
  readonly storage: SqlStorage
  readonly collection: Collection
  readonly hub: Hub<Payload>
  readonly options: StoreOptions
  readonly home: Home
  readonly #name: string
  readonly #lifetime: Lifetime.Lifetime
  readonly #whole: Where

  constructor(
    engine: Engine,
    storage: SqlStorage,
    collection: Collection,
    hub: Hub<Payload>,
    lifetime: Lifetime.Lifetime,
    options: StoreOptions
  ) {
    this.place = collection.place
    this.engine = engine
    this.storage = storage
    this.collection = collection
    this.hub = hub
    this.options = options
    this.#name = options.collection
    this.#lifetime = lifetime
    this.#whole = { agent: options.where("").agent }
    this.home = {
      collection,
      name: options.collection,
      read: (key) => this.at(key).read,
      put: (key, next, expected) =>
        Effect.mapError(this.#put(key, next, expected), readError(options.where(key), "read"))
    }
  }

  readonly at = (key: string): Register => new SqlRegister(this, key)

  readonly keys = (prefix: string): Stream.Stream<string, ReadError> =>
    Stream.paginate<KeysFrom, string, ReadError>({ from: prefix }, (start) =>
      this.reading(this.#whole, "list keys", () =>
        Effect.map(this.engine.keys(this.#name, start, keysInPage), (page) => {
          // Keys come in the order of their bytes, so the first one without the prefix ends those that have it.
          const end = page.findIndex((key) => !key.startsWith(prefix))
          const last = page.at(-1)
          const isEnd = end >= 0 || page.length < keysInPage || last === undefined
          return [end >= 0 ? page.slice(0, end) : page, isEnd ? Option.none() : Option.some({ after: last })] as const
        })
      )
    )

  readonly readMany = (keys: ReadonlyArray<string>): Effect.Effect<ReadonlyMap<string, Entry>, ReadError> =>
    keys.length === 0
      ? Exit.succeed(new Map())
      : this.reading(this.#whole, "read", () => this.engine.readMany(this.#name, keys))

  readonly writeMany = (
    entries: ReadonlyArray<readonly [key: string, next: NewEntry]>
  ): Effect.Effect<ReadonlyArray<Revision.Revision>, WriteError> => {
    if (entries.length === 0) return Exit.succeed([])
    const puts = Effect.map(this.#patches(entries), (patches) =>
      entries.map(([key, next], i) => this.put(key, next, "any", patches[i]))
    )
    const written = Effect.flatMap(puts, (puts) => this.written(this.#whole, "write", puts))
    const told = Effect.flatMap(written, (revisions) =>
      Effect.forEach(entries, ([key, next], i) => this.#saved(key, next, revisions[i] ?? 0))
    )
    return this.collection.follower.writing(
      entries.map(([key]) => key),
      told
    )
  }

  readonly query = (plan: Plan): Effect.Effect<ReadonlyArray<Cells> | undefined, ReadError> => {
    const { dialect, source } = this.engine
    if (dialect === undefined || source === undefined) return Exit.succeed(undefined)
    return this.reading(this.#whole, "query", () =>
      Effect.gen({ self: this }, function* () {
        const now = yield* Clock.currentTimeMillis
        const rows = source(this.#name, plan.over === "current" ? undefined : keepAt(this.options.retention, now))
        if (rows.leavesOut !== undefined && (yield* this.engine.query(rows.leavesOut)).length > 0) return undefined
        const { params, read, sql } = compile(dialect, rows, plan)
        return (yield* this.engine.query({ sql, params })).map(read)
      })
    )
  }

  readonly listing = (which: ListingOf): Effect.Effect<Listing | undefined, ReadError> =>
    this.reading(this.#whole, "list keys", () => this.engine.listing?.(this.#name, which) ?? Exit.succeed(undefined))

  readonly removeMany = (
    keys: ReadonlyArray<string>
  ): Effect.Effect<ReadonlyMap<string, Revision.Revision>, WriteError> => {
    if (keys.length === 0) return Exit.succeed(new Map())
    const removes = keys.map((key): Remove => ({ _tag: "Remove", collection: this.#name, key }))
    const told = Effect.flatMap(this.written(this.#whole, "delete", removes), (revisions) =>
      Effect.gen({ self: this }, function* () {
        const removed = new Map<string, Revision.Revision>()
        for (const [i, key] of keys.entries()) {
          const revision = Revision.make(revisions[i] ?? 0)
          if (revision === 0) continue
          removed.set(key, revision)
          yield* this.collection.follower.committed(key, Revision.deleted(revision))
        }
        return removed
      })
    )
    return this.collection.follower.writing(keys, told)
  }

  id(key: string): Id {
    return { collection: this.#name, key }
  }

  put(key: string, { savedAt, state }: NewEntry, expected: number | "any", patch: Put["patch"]): Put {
    const keep = keepAt(this.options.retention, savedAt)
    return { _tag: "Put", collection: this.#name, key, state, savedAt, expected, keep, patch }
  }

  write(key: string, next: NewEntry, expected: Revision.Expected): Effect.Effect<Revision.Revision, CompareError> {
    return this.open(this.options.where(key), () =>
      this.collection.follower.writing([key], this.#told(key, next, expected, this.#stored(key, next, expected)))
    )
  }

  begin(key: string, next: NewEntry, expected: Revision.Expected, answer: (saving: Saving) => void): boolean {
    const { collection, engine, options } = this
    // The writes of a followed key are counted before they begin.
    if (this.#lifetime.isClosed() || options.retention.every > 0 || collection.follower.follows(key)) return false
    return (
      engine.begin?.([this.put(key, next, expected, undefined)], (stored) =>
        answer(this.#told(key, next, expected, stored))
      ) === true
    )
  }

  #told(
    key: string,
    next: NewEntry,
    expected: Revision.Expected,
    stored: Effect.Effect<Written, Failure | Conflict>
  ): Saving {
    const failed = Effect.mapErrorEager(stored, (failure) => compareError(this.options.where(key), expected)(failure))
    return Effect.flatMapEager(failed, ([revision = 0]) =>
      this.collection.follower.follows(key) ? this.#saved(key, next, revision) : Exit.succeed(Revision.make(revision))
    )
  }

  #stored(key: string, next: NewEntry, expected: Revision.Expected): Effect.Effect<Written, Failure | Conflict> {
    if (this.options.retention.every === 0) return this.engine.write([this.put(key, next, expected, undefined)])
    return Effect.flatMap(this.#put(key, next, expected), (put) => this.engine.write([put]))
  }

  /** With the superseded state as a difference, where it is to be kept as one. */
  #put(key: string, next: NewEntry, expected: Revision.Expected): Effect.Effect<Put, Failure> {
    const { every } = this.options.retention
    if (every === 0) return Exit.succeed(this.put(key, next, expected, undefined))
    return Effect.map(this.engine.read(this.id(key)), (current) =>
      this.put(key, next, expected, patchOf(current, next, every))
    )
  }

  /** What the states that entries are about to supersede are as differences from them. */
  #patches(
    entries: ReadonlyArray<readonly [key: string, next: NewEntry]>
  ): Effect.Effect<ReadonlyArray<Put["patch"]>, WriteError> {
    const { every } = this.options.retention
    if (every === 0) return Exit.succeed([])
    const keys = entries.map(([key]) => key)
    return Effect.map(
      this.reading(this.#whole, "read", () => this.engine.readMany(this.#name, keys)),
      (current) => entries.map(([key, next]) => patchOf(current.get(key), next, every))
    )
  }

  #saved(key: string, { savedAt, state }: NewEntry, number: number): Effect.Effect<Revision.Revision> {
    const revision = Revision.make(number)
    return Effect.as(this.collection.follower.committed(key, Revision.saved({ state, savedAt, revision })), revision)
  }

  written(where: Where, operation: string, write: ReadonlyArray<Put | Remove>): Effect.Effect<Written, WriteError> {
    return this.open(where, () =>
      Effect.mapError(this.engine.write(write), (failure) => {
        if (failure._tag === "Conflict") throw new Error("a write without expectations met a conflict")
        return writeError(where, operation)(failure)
      })
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
}

/** What is superseded as a difference from what comes next, unless it stays in full. */
const patchOf = (current: Current | undefined, next: NewEntry, every: number): Put["patch"] => {
  if (current === undefined || Deltas.isWhole(current.revision, every)) return undefined
  const text = Deltas.diff(current.state, next.state)
  return text === undefined ? undefined : { base: current.revision, text }
}

// Members on a prototype: the register of a key is made for each use of the key.
class SqlRegister implements Register {
  readonly #store: SqlStore
  readonly #key: string

  constructor(store: SqlStore, key: string) {
    this.#store = store
    this.#key = key
  }

  get place(): object {
    return this.#store.place
  }

  get read(): Effect.Effect<Option.Option<Entry>, ReadError> {
    return this.#reading("read", (id) => Effect.map(this.#store.engine.read(id), Option.fromUndefinedOr))
  }

  get member(): Member {
    return this.#store.storage.member(this.#store.home, this.#key)
  }

  write(next: NewEntry, expected: Revision.Expected): Effect.Effect<Revision.Revision, CompareError> {
    return this.#store.write(this.#key, next, expected)
  }

  begin(next: NewEntry, expected: Revision.Expected, answer: (saving: Saving) => void): boolean {
    return this.#store.begin(this.#key, next, expected, answer)
  }

  get remove(): Effect.Effect<Option.Option<Revision.Revision>, WriteError> {
    return Effect.map(this.#store.removeMany([this.#key]), (removed) => Option.fromUndefinedOr(removed.get(this.#key)))
  }

  history({ before, limit }: Revision.HistoryOptions): Stream.Stream<Entry, ReadError> {
    const { retention } = this.#store.options
    if (retention.count === 1) return onlyCurrent(this.read, { before, limit })
    return Stream.unwrap(
      Effect.map(Clock.currentTimeMillis, (now) => {
        const oldest = now - retention.millis
        return this.#pages(before, limit, { oldest, kept: retention.count })
      })
    )
  }

  /** Newest first. A database may still hold what was kept under an earlier rule: it is not shown. */
  #pages(
    before: number = Number.POSITIVE_INFINITY,
    limit: number = Number.POSITIVE_INFINITY,
    { kept, oldest }: { readonly kept: number; readonly oldest: number }
  ): Stream.Stream<Entry, ReadError> {
    interface Position {
      readonly before: number
      readonly left: number
      readonly newer: Entry | undefined
      readonly current: number | undefined
    }
    const start: Position = { before, left: Math.trunc(limit), newer: undefined, current: undefined }
    const { engine, options } = this.#store
    return Stream.paginate<Position, Entry, ReadError>(start, (position) => {
      const wanted = position.left > 0 ? Math.min(statesInPage, position.left) : 0
      if (wanted === 0) return Exit.succeed([[], Option.none()] as const)
      return this.#reading("read", (id) =>
        Effect.gen(function* () {
          const { every } = options.retention
          const entries = yield* Past.page(engine, id, {
            before: position.before,
            limit: wanted,
            every,
            newer: position.newer
          })
          const needsCurrent = kept !== Number.POSITIVE_INFINITY || oldest !== Number.NEGATIVE_INFINITY
          const current =
            position.current ??
            (!needsCurrent
              ? Number.POSITIVE_INFINITY
              : position.before === Number.POSITIVE_INFINITY
                ? entries[0]?.revision
                : (yield* engine.read(id))?.revision)
          if (current === undefined) return [[], Option.none()] as const
          const end = entries.findIndex(
            ({ revision, savedAt }) => revision !== current && (revision <= current - kept || savedAt < oldest)
          )
          const page = end < 0 ? entries : entries.slice(0, end)
          const last = page.at(-1)
          const isEnd = last === undefined || end >= 0 || page.length < wanted || page.length >= position.left
          const next = isEnd
            ? Option.none()
            : Option.some({ before: last.revision, left: position.left - page.length, newer: last, current })
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
    if (this.#store.options.retention.count === 1)
      return Effect.map(
        this.read,
        Option.filter(({ savedAt }) => savedAt <= time)
      )
    return Effect.flatMap(
      this.#reading("read", (id) => this.#store.engine.revisionAt(id, time)),
      (revision) => (revision === 0 ? Exit.succeed(Option.none()) : this.at(Revision.make(revision)))
    )
  }

  get changes(): Stream.Stream<Revision.Change<Payload>, ReadError> {
    const store = this.#store
    const where = store.options.where(this.#key)
    const followed = store.open(where, () =>
      Effect.mapError(store.collection.follower.follow(this.#key), readError(where, "follow"))
    )
    return Stream.unwrap(Effect.as(followed, store.hub.changes(this.#key, this.read)))
  }

  listen(listener: Listener): Effect.Effect<Listening, ReadError> {
    const { collection, hub, options } = this.#store
    // In the audience first: what is found from then on is heard.
    const listening = collection.follower.listen(this.#key, hub.listen(this.#key, listener))
    return Effect.mapErrorEager(listening, (failure) => readError(options.where(this.#key), "follow")(failure))
  }

  #reading<A>(operation: string, read: (id: Id) => Effect.Effect<A, Failure>): Effect.Effect<A, ReadError> {
    const store = this.#store
    return store.reading(store.options.where(this.#key), operation, () => read(store.id(this.#key)))
  }
}
