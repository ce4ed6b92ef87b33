import { Cause, Effect, Exit, Option, Scope } from "effect"
import type { Payload } from "../../schema/Codec.ts"
import type { Entry } from "../Register.ts"
import * as Revision from "../Revision.ts"
import type { Current, Failure } from "./backend.ts"

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
  listeners: number
  told: Told
  /** How many writes of this process are under way: what they commit is told by them, before what came after it. */
  writing: number
}

/**
 * Tells of the commits to the followed keys of one collection, whoever made them: each one of this process, and of those
 * of others what the history still has, in order and none twice. With nobody following it costs one look-up a commit.
 */
export class Follower {
  readonly #keys = new Map<string, Followed>()
  readonly #rows: Rows
  readonly #publish: (key: string, change: Change) => void
  readonly #dirty = new Set<string>()
  /** Keys whose look was put off until a write is over. */
  readonly #late = new Set<string>()
  #watching: Scope.Closeable | undefined
  #isLooking = false

  constructor(rows: Rows, publish: (key: string, change: Change) => void) {
    this.#rows = rows
    this.#publish = publish
  }

  /** Follows a key until the scope closes. */
  follow(key: string): Effect.Effect<void, Failure, Scope.Scope> {
    const begin = Effect.gen({ self: this }, function* () {
      yield* this.#watch
      const current = (yield* this.#rows.readMany([key])).get(key)
      const followed = this.#keys.get(key)
      if (followed === undefined) this.#keys.set(key, { listeners: 1, told: after(current), writing: 0 })
      else followed.listeners++
    })
    const { listen } = this.#rows
    return Effect.andThen(
      Effect.andThen(
        listen === undefined ? Effect.void : listen(key, this.#notice),
        Effect.acquireRelease(begin, () => this.#unfollow(key))
      ),
      // What was committed between the read and the beginning was told to nobody.
      Effect.asVoid(Effect.forkDetach(this.#look([key])))
    )
  }

  /** Whether anybody follows a key. */
  follows(key: string): boolean {
    return this.#keys.has(key)
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
    if (followed === undefined) return Effect.void
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
      this.#publish(key, change)
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
          const keys = [...this.#dirty].filter((key) => this.#keys.has(key))
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
    Effect.runFork(this.#look(keys === "all" ? this.#keys.keys() : keys))
  }

  get #watch(): Effect.Effect<void, Failure> {
    return Effect.suspend(() => {
      if (this.#watching !== undefined) return Effect.void
      const scope = Scope.makeUnsafe()
      this.#watching = scope
      return Effect.onError(Scope.provide(this.#rows.watch(this.#notice), scope), () => this.#stopWatching)
    })
  }

  get #stopWatching(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const scope = this.#watching
      this.#watching = undefined
      return scope === undefined ? Effect.void : Scope.close(scope, Exit.void)
    })
  }

  #unfollow(key: string): Effect.Effect<void> {
    return Effect.suspend(() => {
      const followed = this.#keys.get(key)
      if (followed !== undefined && --followed.listeners === 0) this.#keys.delete(key)
      return this.#keys.size === 0 ? this.#stopWatching : Effect.void
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
