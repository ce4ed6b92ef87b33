/**
 * Any agent as a cache in front of any agent. Reads are answered from the cache, the absence of a state included; writes
 * go to the backend first and then to the cache.
 *
 * - Promises: what the backend promises, `linearizable` where the backend is, to all who use this agent. Commits made
 *   around it are seen late: on the backend's own handle or in another process, when its `changes` tell of them and the
 *   subscription (a fiber) has run; where `changes` does not tell, after `ttl`. Hence shared by one `process`. No
 *   update is lost even then: `modify` and `compareAndSave` compare revisions in the backend, and a conflict empties the
 *   cache, so that the function of a `modify` runs again on what is there.
 * - Costs: a load from the cache (nothing in the backend) a hit; a load from the backend and a save to the cache a miss,
 *   one for all fibers that miss together. A write decodes what it stored and saves it to the cache; the subscription
 *   reads the backend once when it opens, and decodes each commit once more.
 * - Fails: as the backend does. A cache that fails is a miss, logged at debug level, and never fails an operation.
 *
 * Law: it is transparent: over any agent it keeps every law that the agent keeps, and so it does when the cache loses
 * everything or always fails. What the cache holds is used only when this agent put it there and has since seen nothing
 * newer, so that a cache that outlives the process begins empty.
 */
import { Cause, Deferred, Duration, Effect, Exit, Function, Option, Schedule, Schema, type Scope, Stream } from "effect"
import type { Claims } from "../agents/Claims.ts"
import * as DataAgent from "../agents/DataAgent.ts"
import * as Lifetime from "../agents/internal/lifetime.ts"
import type { Draft, StateRegister, Where } from "../agents/internal/stateRegister.ts"
import { absent, type Change, type Expected, type Revision, type Revisioned } from "../agents/Revision.ts"
import { AgentClosed, type CompareError, type ReadError, type WriteError } from "../agents/StateError.ts"
import * as VolatileAgent from "../agents/VolatileAgent.ts"
import { over } from "./internal/over.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Entry

/** What the cache agent keeps: a state as the backend had it, or that there was none. Times are milliseconds. */
export type Entry<S> =
  | {
      readonly _tag: "Hit"
      readonly state: S
      readonly revision: Revision
      readonly savedAt: number
      readonly loadedAt: number
    }
  | { readonly _tag: "Empty"; readonly loadedAt: number }

/** The schema of the cache's states, from the schema of the backend's. It stores them as plain as its agent does. */
export const Entry = <S>(schema: Schema.Codec<S, unknown>): Schema.Codec<Entry<S>, unknown> =>
  Schema.Union([
    Schema.TaggedStruct("Hit", {
      state: schema,
      revision: Schema.Number.pipe(Schema.brand("dgents/Revision")),
      savedAt: Schema.Number,
      loadedAt: Schema.Number
    }),
    Schema.TaggedStruct("Empty", { loadedAt: Schema.Number })
  ])

// ---------------------------------------------------------------------------------------------------------------------
// Options

/** What `make` takes besides the backend. */
export interface Options<S, E, R> {
  /** Makes the agent that keeps the entries. Default: a VolatileAgent. */
  readonly cache?:
    | ((schema: Schema.Codec<Entry<S>, unknown>) => Effect.Effect<DataAgent.DataAgent<Entry<S>>, E, R>)
    | undefined
  /** How long an entry is used. Default: until it is known to be out of date. */
  readonly ttl?: Duration.Input | undefined
}

// ---------------------------------------------------------------------------------------------------------------------
// Claims

/** What it promises over a backend: the same, to the fibers of one process. */
export const claims = (backend: Claims): Claims => ({ ...backend, sharing: "process" })

// ---------------------------------------------------------------------------------------------------------------------
// make

/** The backend with a cache in front. The two handles share lock and announcements. Fails when the cache cannot open. */
export const make: {
  <S, E = never, R = never>(
    options?: Options<S, E, R>
  ): (backend: DataAgent.DataAgent<S>) => Effect.Effect<DataAgent.DataAgent<S>, E, R | Scope.Scope>
  <S, E = never, R = never>(
    backend: DataAgent.DataAgent<S>,
    options?: Options<S, E, R>
  ): Effect.Effect<DataAgent.DataAgent<S>, E, R | Scope.Scope>
} = Function.dual(
  (args) => DataAgent.isDataAgent(args[0]),
  <S, E = never, R = never>(backend: DataAgent.DataAgent<S>, options: Options<S, E, R> = {}) =>
    Effect.gen(function* () {
      const where: Where = { agent: backend.name, key: backend.key }
      const schema = Entry(backend.codec.schema)
      const cache =
        options.cache === undefined
          ? // A VolatileAgent without an `initial` has nothing that could be invalid.
            yield* Effect.orDie(VolatileAgent.make({ name: `cache of ${backend.name}`, schema }))
          : yield* options.cache(schema)
      const lifetime = yield* Lifetime.make
      const ttl = options.ttl === undefined ? Number.POSITIVE_INFINITY : Duration.toMillis(options.ttl)
      const front = new Front(where, backend, cache, ttl, yield* Effect.scope)
      // Started at once: an agent of this process is subscribed to before its cached handle exists.
      yield* Effect.forkScoped(front.watch, { startImmediately: true })
      return DataAgent.wrap(
        backend,
        (register) => Lifetime.guard(over(register, front.register), where, lifetime),
        claims(backend.claims)
      )
    })
)

// ---------------------------------------------------------------------------------------------------------------------
// The cache and what is known about it

/** A point in the order of commits: a revision saved comes right before its deletion. */
const positionOf = (change: { readonly _tag: Change<unknown>["_tag"]; readonly revision: Revision }): number =>
  change.revision * 2 + (change._tag === "Deleted" ? 1 : 0)

interface Flight<S> {
  readonly generation: number
  readonly result: Deferred.Deferred<Option.Option<Revisioned<S>>, ReadError>
}

const resubscribe = Schedule.jittered(Schedule.min([Schedule.exponential("50 millis"), Schedule.spaced("30 seconds")]))

class Front<in out S> {
  readonly register: Pick<StateRegister<S>, "read" | "write" | "remove">
  /** Takes in the commits that the backend announces, for as long as the scope is open. */
  readonly watch: Effect.Effect<void>
  readonly #where: Where
  readonly #codec: DataAgent.DataAgent<S>["codec"]
  readonly #backend: StateRegister<S>
  readonly #cache: DataAgent.DataAgent<Entry<S>>
  readonly #ttl: number
  readonly #scope: Scope.Scope
  /** The revision of the entry in the cache, `absent` for an empty one; undefined when the cache is not to be used. */
  #held: Revision | undefined
  /** Grows with each write that begins or ends and each commit announced: what was read before one is not kept after. */
  #generation = 0
  /** Writes under way: what is read meanwhile may be either state, and is not kept. */
  #writing = 0
  /** The latest commit that is known. */
  #seen = 0
  /** Whether commits are announced to us. */
  #watching = true
  #flight: Flight<S> | undefined

  constructor(
    where: Where,
    backend: DataAgent.DataAgent<S>,
    cache: DataAgent.DataAgent<Entry<S>>,
    ttl: number,
    scope: Scope.Scope
  ) {
    this.#where = where
    this.#codec = backend.codec
    this.#backend = backend.internals.register
    this.#cache = cache
    this.#ttl = ttl
    this.#scope = scope
    const lookUp = Effect.matchEffect(cache.load, {
      onSuccess: (entry) => this.#use(entry),
      onFailure: (error) =>
        error._tag === "StateNotFound" ? this.#miss : Effect.andThen(this.#failed("load", error), this.#miss)
    })
    this.register = {
      read: Effect.suspend(() => (this.#held === undefined ? this.#miss : lookUp)),
      write: (draft, expected) => this.#write(draft, expected),
      remove: this.#remove
    }
    this.watch = Stream.runForEach(backend.changes, (change) => Effect.sync(() => this.#observe(change))).pipe(
      Effect.tapError((error) =>
        Effect.andThen(
          Effect.sync(() => this.#unwatched()),
          Effect.logDebug(`Cached: the changes of ${this.#name} failed, which turns the cache off: ${error.message}`)
        )
      ),
      Effect.retry({ while: (error) => error._tag !== "AgentClosed", schedule: resubscribe }),
      Effect.ignore,
      Effect.andThen(Effect.sync(() => this.#unwatched()))
    )
  }

  get #name(): string {
    return `agent "${this.#where.agent}"`
  }

  // What was in the cache is out of date, and what is being read may be.
  #invalidate(): void {
    this.#held = undefined
    this.#generation++
  }

  #observe(change: Change<S>): void {
    this.#watching = true
    const position = positionOf(change)
    // Our own commits come back as announcements too, perhaps long after; only news matter.
    if (position <= this.#seen) return
    this.#seen = position
    this.#invalidate()
  }

  // A deletion in the gap would go unnoticed, so nothing is cached until an announcement comes again.
  #unwatched(): void {
    this.#watching = false
    this.#invalidate()
  }

  #failed(operation: string, error: { readonly message: string }): Effect.Effect<void> {
    return Effect.logDebug(`Cached: the cache of ${this.#name} could not ${operation}: ${error.message}`)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Reading

  /** Answers from an entry, if it is the one that we put there and not too old. */
  #use(entry: Entry<S>): Effect.Effect<Option.Option<Revisioned<S>>, ReadError> {
    const isEmpty = entry._tag === "Empty"
    if (this.#held !== (isEmpty ? absent : entry.revision)) return this.#miss
    const answer = isEmpty
      ? Option.none()
      : Option.some({ state: entry.state, revision: entry.revision, savedAt: entry.savedAt })
    if (this.#ttl === Number.POSITIVE_INFINITY) return Effect.succeed(answer)
    return Effect.clockWith((clock) =>
      clock.currentTimeMillisUnsafe() - entry.loadedAt < this.#ttl ? Effect.succeed(answer) : this.#miss
    )
  }

  /** Reads from the backend, once for all who miss in one generation: those of a later one must see what ended it. */
  get #miss(): Effect.Effect<Option.Option<Revisioned<S>>, ReadError> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.suspend(() => {
        const current = this.#flight
        if (current?.generation === this.#generation) return restore(Deferred.await(current.result))
        const flight: Flight<S> = { generation: this.#generation, result: Deferred.makeUnsafe() }
        this.#flight = flight
        // In a fiber of its own: whoever missed first may be interrupted, and the others still want the answer.
        return Effect.andThen(
          Effect.forkIn(this.#fly(flight), this.#scope, { startImmediately: true }),
          restore(Deferred.await(flight.result))
        )
      })
    )
  }

  #fly(flight: Flight<S>): Effect.Effect<void> {
    const load = Effect.clockWith((clock) => {
      const loadedAt = clock.currentTimeMillisUnsafe()
      return Effect.tap(this.#backend.read, (found) => {
        if (Option.isNone(found)) return this.#fill({ _tag: "Empty", loadedAt }, this.#seen, flight.generation)
        const { revision, savedAt, state } = found.value
        const position = positionOf({ _tag: "Saved", revision })
        return this.#fill({ _tag: "Hit", state, revision, savedAt, loadedAt }, position, flight.generation)
      })
    })
    return Effect.asVoid(
      Effect.exit(
        Effect.onExit(load, (exit) =>
          Effect.sync(() => {
            if (this.#flight === flight) this.#flight = undefined
            const closed = Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)
            Deferred.doneUnsafe(flight.result, closed ? Exit.fail(new AgentClosed(this.#where)) : exit)
          })
        )
      )
    )
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Writing

  #write(draft: Draft<S>, expected: Expected): Effect.Effect<Revision, CompareError> {
    return Effect.clockWith((clock) =>
      // What is cached is what is stored, not the caller's object, which may change while the backend writes.
      Effect.flatMap(draft.payload(this.#codec), (payload) => {
        const loadedAt = clock.currentTimeMillisUnsafe()
        return Effect.tap(this.#around(this.#backend.write(draft, expected)), (revision) => {
          const generation = this.#generation
          return Effect.matchEffect(this.#codec.decode(payload), {
            onSuccess: (state) => {
              const entry: Entry<S> = { _tag: "Hit", state, revision, savedAt: draft.savedAt, loadedAt }
              return this.#fill(entry, positionOf({ _tag: "Saved", revision }), generation)
            },
            onFailure: ({ reason }) => this.#failed("decode", { message: reason })
          })
        })
      })
    )
  }

  get #remove(): Effect.Effect<Option.Option<Revision>, WriteError> {
    return Effect.clockWith((clock) => {
      const loadedAt = clock.currentTimeMillisUnsafe()
      return Effect.tap(this.#around(this.#backend.remove), (removed) =>
        // Where nothing was removed, there is no telling at which point in the order of commits.
        Option.isSome(removed)
          ? this.#fill(
              { _tag: "Empty", loadedAt },
              positionOf({ _tag: "Deleted", revision: removed.value }),
              this.#generation
            )
          : Effect.void
      )
    })
  }

  /** Nothing read while a write is under way is kept, nor anything from before it, however the write ends. */
  #around<A, E>(write: Effect.Effect<A, E>): Effect.Effect<A, E> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.suspend(() => {
        this.#writing++
        this.#invalidate()
        return Effect.ensuring(
          restore(write),
          Effect.sync(() => {
            this.#writing--
            this.#invalidate()
          })
        )
      })
    )
  }

  /**
   * Puts an entry into the cache unless it is out of date, and uses it if it is not out of date by then. Two saves may
   * reach the cache in either order: an entry that is not the one held is not used.
   */
  #fill(entry: Entry<S>, position: number, generation: number): Effect.Effect<void> {
    const mayKeep = () =>
      this.#watching && this.#writing === 0 && generation === this.#generation && position >= this.#seen
    return Effect.suspend(() => {
      if (!mayKeep()) return Effect.void
      this.#held = undefined
      this.#seen = position
      return Effect.matchEffect(this.#cache.save(entry), {
        onSuccess: () =>
          Effect.sync(() => {
            if (mayKeep()) this.#held = entry._tag === "Empty" ? absent : entry.revision
          }),
        onFailure: (error) => this.#failed("save", error)
      })
    })
  }
}
