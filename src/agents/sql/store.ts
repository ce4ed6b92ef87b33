import { Clock, Effect, Exit, Option, type Scope, Stream } from "effect"
import type { Payload } from "../../schema/Codec.ts"
import type { Collection, Collections } from "../internal/collections.ts"
import { compareError, readError, writeError } from "../internal/failure.ts"
import type { Rows } from "../internal/follower.ts"
import type { Hub } from "../internal/hub.ts"
import * as Lifetime from "../internal/lifetime.ts"
import type { Listing, ListingOf } from "../internal/listing.ts"
import { succeeded } from "../internal/settled.ts"
import type { Saving, Where } from "../internal/stateRegister.ts"
import type { Cells, Plan } from "../query/ir.ts"
import { compile } from "../query/sql.ts"
import type { Entry, NewEntry, Register, Store } from "../Register.ts"
import * as Revision from "../Revision.ts"
import { AgentClosed, type CompareError, type ReadError, type WriteError } from "../StateError.ts"
import * as Deltas from "./deltas.ts"
import type { Conflict, Current, Engine, Failure, Id, KeysFrom, Put, Remove, Written } from "./Engine.ts"
import * as Past from "./past.ts"
import { SqlRegister } from "./register.ts"
import { keepAt, type Retention } from "./retention.ts"
import type { Home, SqlStorage } from "./together.ts"

// Pages are read one after the other so that a long list never sits in memory.
const keysInPage = 500

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

/** What the registers of its keys share. */
export class SqlStore implements Store {
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
    const { follower } = this.collection
    const told = Effect.flatMap(written, (revisions) =>
      entries.some(([key]) => follower.follows(key))
        ? Effect.forEach(entries, ([key, next], i) => this.#saved(key, next, revisions[i] ?? 0))
        : Exit.succeed(revisions.map(Revision.make))
    )
    return follower.writing(
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

  get isClosed(): boolean {
    return this.#lifetime.isClosed()
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
    const told = ([revision = 0]: Written): Effect.Effect<Revision.Revision> =>
      this.collection.follower.follows(key) ? this.#saved(key, next, revision) : Exit.succeed(Revision.make(revision))
    const done = succeeded(stored)
    if (done !== undefined) return told(done.value)
    const failed = Effect.mapErrorEager(stored, (failure) => compareError(this.options.where(key), expected)(failure))
    return Effect.flatMapEager(failed, told)
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
