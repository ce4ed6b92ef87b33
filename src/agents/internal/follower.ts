import { Cause, Effect, Exit, Option, Scope } from "effect"
import type { Payload } from "../../schema/Codec.ts"
import type { Entry, Listening, News } from "../Register.ts"
import * as Revision from "../Revision.ts"
import type { Current, Failure } from "./backend.ts"
import { Listened, newsOf } from "./listened.ts"
import { Watching } from "./watching.ts"

// More are not worth reading, where most of them have not changed: who wants to know which ones have reads those.
const mostLooked = 100

/** What a follower reads: the rows of one collection. */
export interface Rows {
  readonly readMany: (keys: ReadonlyArray<string>) => Effect.Effect<ReadonlyMap<string, Current>, Failure>
  /** The kept states of a key with a revision above `from` and up to `to`, oldest first. */
  readonly between: (key: string, from: number, to: number) => Effect.Effect<ReadonlyArray<Entry>, Failure>
  /** The last revision that is known to have been deleted, given the current state; 0 where that cannot be told. */
  readonly deleted: (current: Current | undefined) => Effect.Effect<number, Failure>
  readonly watch: (notice: Notice) => Effect.Effect<void, Failure, Scope.Scope>
  /** The same for one key, where others are heard key by key: `watch` need not tell of it then. */
  readonly listen?: ((key: string, notice: Notice) => Effect.Effect<void, Failure, Scope.Scope>) | undefined
}

/** Says which keys others may have changed, or `"all"` when it cannot be told. */
export type Notice = (keys: ReadonlyArray<string> | "all") => void

type Change = Revision.Change<Payload>

/** How far the followers of a key were told. Replaced with each thing told, so that old news is known as such. */
interface Told {
  readonly revision: number
  readonly exists: boolean
}

interface Followed {
  followers: number
  told: Told
  /** How many writes of this process are under way: what they commit is told by them, before what came after it. */
  writing: number
}

/** Who is told of what the follower finds. */
export interface Audience {
  readonly publish: (key: string, change: Change) => void
  /** Those alone who listen, and need not be told each commit. */
  readonly tell: (key: string, news: News) => void
}

/**
 * Tells of the commits to the followed keys of one collection, whoever made them: each one of this process, and of those
 * of others what the history still has, in order and none twice. With nobody following it costs one look-up a commit. Those
 * who listen are told of what is found: of the commits of others the last one.
 */
export class Follower {
  readonly #keys = new Map<string, Followed>()
  readonly #rows: Rows
  readonly #audience: Audience
  /** How many listen to a key. */
  readonly #listened = new Map<string, number>()
  readonly #dirty = new Set<string>()
  /** Keys whose look was put off until a write is over. */
  readonly #late = new Set<string>()
  readonly #watching: Watching
  #isLooking = false

  constructor(rows: Rows, audience: Audience) {
    this.#rows = rows
    this.#audience = audience
    this.#watching = new Watching(Effect.suspend(() => rows.watch(this.#notice)))
  }

  /** Follows a key until the scope closes. */
  follow(key: string): Effect.Effect<void, Failure, Scope.Scope> {
    const begin = Effect.gen({ self: this }, function* () {
      yield* this.#watching.begin
      const current = (yield* this.#rows.readMany([key])).get(key)
      const followed = this.#keys.get(key)
      if (followed === undefined) this.#keys.set(key, { followers: 1, told: after(current), writing: 0 })
      else followed.followers++
    })
    const { listen } = this.#rows
    return Effect.gen({ self: this }, function* () {
      if (listen !== undefined) yield* listen(key, this.#notice)
      yield* Effect.acquireRelease(begin, () => this.#unfollow(key))
      // The last of the others may have left meanwhile.
      yield* this.#watching.begin
      // What was committed between the read and the beginning was told to nobody.
      yield* Effect.forkDetach(this.#look([key]))
    })
  }

  /** Has a key looked at for one who is in the audience already, begun by the call: see `Register.listen`. */
  listen(key: string, heard: Listening): Effect.Effect<Listening, Failure> {
    this.#listened.set(key, (this.#listened.get(key) ?? 0) + 1)
    const { listen } = this.#rows
    const scope = listen === undefined ? undefined : Scope.makeUnsafe()
    const listened = new Listened(this, key, heard, scope)
    if (scope === undefined && this.#watching.hasBegun) return Exit.succeed(listened)
    const subscribed =
      listen === undefined || scope === undefined ? Effect.void : Scope.provide(listen(key, this.#notice), scope)
    const looked = Effect.as(Effect.forkDetach(this.#look([key])), listened)
    return Effect.onError(Effect.andThen(this.#watching.begin, Effect.andThen(subscribed, looked)), () => listened.stop)
  }

  /** One listens to a key no more. */
  leave(key: string): Effect.Effect<void> {
    return Effect.suspend(() => {
      const others = (this.#listened.get(key) ?? 0) - 1
      if (others > 0) this.#listened.set(key, others)
      else this.#listened.delete(key)
      return this.#unlessFollowed
    })
  }

  /** Whether anybody is to be told of the commits to a key. */
  follows(key: string): boolean {
    return this.#keys.has(key) || this.#listened.has(key)
  }

  /** Runs a write, which tells of its commit by `committed`. */
  writing<A, E>(keys: ReadonlyArray<string>, write: Effect.Effect<A, E>): Effect.Effect<A, E> {
    return Effect.suspend(() => {
      if (this.#keys.size === 0) return write
      const followed = keys.flatMap((key) => this.#keys.get(key) ?? [])
      if (followed.length === 0) return write
      for (const one of followed) one.writing++
      return Effect.ensuring(
        write,
        Effect.suspend(() => {
          for (const one of followed) one.writing--
          const late = keys.filter((key) => this.#late.delete(key))
          return late.length === 0 ? Effect.void : Effect.asVoid(Effect.forkDetach(this.#look(late)))
        })
      )
    })
  }

  /** Tells of a commit of this process. What others committed before it comes first. */
  committed(key: string, change: Change): Effect.Effect<void> {
    const followed = this.#keys.get(key)
    if (followed === undefined) {
      this.#audience.publish(key, change)
      return Effect.void
    }
    const { exists, revision } = followed.told
    const isNext =
      exists && (change._tag === "Deleted" ? change.revision === revision : change.revision === revision + 1)
    if (isNext) return Effect.sync(() => this.#tell(key, followed, [change]))
    // The commit stands whether or not its story can be read.
    return Effect.catch(this.#catchUp(key, followed, change), () =>
      Effect.sync(() => this.#tell(key, followed, [change]))
    )
  }

  #catchUp(key: string, followed: Followed, own?: Change): Effect.Effect<void, Failure> {
    return Effect.gen({ self: this }, function* () {
      for (;;) {
        const { told } = followed
        const current = (yield* this.#rows.readMany([key])).get(key)
        const changes = yield* this.#story(key, told, current, own)
        // What is committed here is told by who commits it; a look waits for its next turn.
        if (own === undefined && followed.writing > 0) return void this.#late.add(key)
        // Somebody told more while this read: begin again, from there.
        if (followed.told !== told) continue
        return this.#tell(key, followed, changes)
      }
    })
  }

  /** All that happened since what was told, as far as it can still be known. */
  #story(
    key: string,
    told: Told,
    current: Current | undefined,
    own: Change | undefined
  ): Effect.Effect<ReadonlyArray<Change>, Failure> {
    const isNew = (change: Change) =>
      change._tag === "Deleted" ? told.exists || change.revision > told.revision : change.revision > told.revision
    const mine = own !== undefined && isNew(own) ? own : undefined
    return Effect.gen({ self: this }, function* () {
      const changes: Array<Change> = []
      const begin = current?.since ?? Number.POSITIVE_INFINITY
      const isMineOver = mine !== undefined && mine.revision < begin
      if (isMineOver) changes.push(mine)
      const wasThere = isMineOver ? mine._tag === "Saved" : told.exists && begin > told.revision
      if (wasThere) {
        const last = Math.max(told.revision, isMineOver ? mine.revision : 0, yield* this.#rows.deleted(current))
        changes.push(Revision.deleted(Revision.make(last)))
      }
      if (current === undefined || current.revision <= told.revision) return changes
      const from = Math.max(told.revision, begin - 1)
      const between = current.revision === from + 1 ? [] : yield* this.#rows.between(key, from, current.revision - 1)
      // The history may no longer have what was committed here: it is told all the same, in its place.
      let pending = isMineOver ? undefined : mine
      for (const entry of [...between, current]) {
        if (pending !== undefined && pending.revision <= entry.revision) {
          changes.push(pending)
          pending = undefined
        }
        if (entry.revision !== mine?.revision) changes.push(Revision.saved(onlyEntry(entry)))
      }
      return changes
    })
  }

  #tell(key: string, followed: Followed, changes: ReadonlyArray<Change>): void {
    for (const change of changes) {
      followed.told = { revision: change.revision, exists: change._tag === "Saved" }
      this.#audience.publish(key, change)
    }
  }

  /**
   * Looks at keys that others may have changed. One look at a time; what comes meanwhile is part of the next. While the
   * database does not answer it is asked again: what it has to tell is not lost.
   */
  #look(keys: Iterable<string>): Effect.Effect<void> {
    return Effect.suspend(() => {
      for (const key of keys) this.#dirty.add(key)
      if (this.#isLooking) return Effect.void
      this.#isLooking = true
      return Effect.gen({ self: this }, function* () {
        for (;;) {
          const keys = [...this.#dirty].filter((key) => this.follows(key))
          this.#dirty.clear()
          if (keys.length === 0) break
          const looked = yield* Effect.exit(this.#lookAt(keys))
          if (Exit.isSuccess(looked)) continue
          const failure = Cause.findErrorOption(looked.cause)
          if (Option.isNone(failure) || failure.value._tag === "Closed") break
          for (const key of keys) this.#dirty.add(key)
          yield* pause
        }
        // In the same step that found nothing more to do: what comes after it begins anew.
        this.#isLooking = false
      })
    })
  }

  #lookAt(keys: ReadonlyArray<string>): Effect.Effect<void, Failure> {
    return Effect.gen({ self: this }, function* () {
      const found = yield* this.#rows.readMany(keys)
      for (const key of keys) {
        if (this.#listened.has(key)) this.#audience.tell(key, newsOf(found.get(key)))
        const followed = this.#keys.get(key)
        if (followed === undefined) continue
        if (followed.writing > 0) {
          this.#late.add(key)
          continue
        }
        const current = found.get(key)
        const isKnown =
          followed.told.exists === (current !== undefined) &&
          (current === undefined || followed.told.revision === current.revision)
        if (!isKnown) yield* this.#catchUp(key, followed)
      }
    })
  }

  readonly #notice: Notice = (keys) => {
    Effect.runFork(this.#look(keys === "all" ? [...this.#keys.keys(), ...this.#heard()] : keys))
  }

  /** The keys that are listened to; of many each one has changed, as far as one can tell. */
  #heard(): ReadonlyArray<string> {
    const keys = [...this.#listened.keys()]
    if (keys.length <= mostLooked) return keys
    for (const key of keys) this.#audience.tell(key, { _tag: "Unknown" })
    return []
  }

  get #unlessFollowed(): Effect.Effect<void> {
    const isFollowed = this.#keys.size > 0 || this.#listened.size > 0
    return isFollowed ? Effect.void : this.#watching.end
  }

  #unfollow(key: string): Effect.Effect<void> {
    return Effect.suspend(() => {
      const followed = this.#keys.get(key)
      if (followed !== undefined && --followed.followers === 0) this.#keys.delete(key)
      return this.#unlessFollowed
    })
  }
}

/** Until a database that did not answer is asked again, by the clock of the machine. Keeps no process alive. */
const pause: Effect.Effect<void> = Effect.callback((resume) => {
  const timer = setTimeout(() => resume(Effect.void), 500)
  timer.unref()
  return Effect.sync(() => clearTimeout(timer))
})

const after = (current: Current | undefined): Told =>
  current === undefined ? { revision: 0, exists: false } : { revision: current.revision, exists: true }

const onlyEntry = ({ revision, savedAt, state }: Entry): Entry => ({ state, savedAt, revision })
