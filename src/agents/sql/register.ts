import { Clock, Effect, Exit, Option, Stream } from "effect"
import type { Payload } from "../../schema/Codec.ts"
import { readError } from "../internal/failure.ts"
import type { Member } from "../internal/member.ts"
import { onlyCurrent, type Saving } from "../internal/stateRegister.ts"
import type { Entry, Listener, Listening, NewEntry, Register } from "../Register.ts"
import * as Revision from "../Revision.ts"
import type { CompareError, ReadError, WriteError } from "../StateError.ts"
import type { Failure, Id } from "./Engine.ts"
import * as Past from "./past.ts"
import type { SqlStore } from "./store.ts"

// Pages are read one after the other so that a long list never sits in memory: states may be large.
const statesInPage = 16

const nothingToStop = () => {}

/** The states of one key. */
// Members on a prototype: the register of a key is made for each use of the key.
export class SqlRegister implements Register {
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

  get beginRead(): Register["beginRead"] {
    const { readNow } = this.#store.engine
    if (readNow === undefined) return undefined
    return (answer) => {
      if (this.#store.isClosed) return undefined
      answer(
        Effect.mapBothEager(readNow(this.#store.id(this.#key)), {
          onFailure: (failure) => readError(this.#store.options.where(this.#key), "read")(failure),
          onSuccess: Option.fromUndefinedOr
        })
      )
      return nothingToStop
    }
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
